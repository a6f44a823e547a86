"""Training stage 2: regression, and discriminators in the pixel and the feature domain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from vsadcvsr.nets.compact import CompactStudent
from vsadcvsr.train.adversarial.comb import without_repetition
from vsadcvsr.train.adversarial.feature_targets import FeatureEncoder, inversion_loss
from vsadcvsr.train.adversarial.gradient_balance import balance, gradient
from vsadcvsr.train.adversarial.samples import KINDS, REFERENCE_KINDS, STUDENT, SampleKind
from vsadcvsr.train.adversarial.setup import make_discriminators, make_feature_targets
from vsadcvsr.train.clip_batch import ClipBatch
from vsadcvsr.train.data.device_dataset import Pool
from vsadcvsr.train.distributed import World
from vsadcvsr.train.losses import adversarial_loss
from vsadcvsr.train.settings import AdversarialSettings, TrainSettings
from vsadcvsr.train.stage_base import Samples, Scalars, StageBase, backward, check_losses, flattened, limit_gradients
from vsadcvsr.train.students import Student, links, reconstruct

_ENCODER_SEED, _DISCRIMINATOR_SEED = 0, 2  # 1 is the student's
_ENCODER_RATE = 2e-3


class AdversarialTraining(StageBase[AdversarialSettings]):
    """Stage 2: the student and its discriminators, which are trained at the same time."""

    def __init__(self, settings: TrainSettings, student: Student, world: World) -> None:
        assert settings.adversarial is not None
        super().__init__(settings, settings.adversarial, student, world)
        torch.manual_seed(settings.seed + 1)
        self.encoder = make_feature_targets(self.stage, student).to(self.device)
        self.discriminators = {
            name: discriminator.to(self.device)
            for name, discriminator in make_discriminators(self.stage, student).items()
        }
        trainable = [value for discriminator in self.discriminators.values() for value in discriminator.trainable()]
        self.discriminator_optimiser = (
            torch.optim.Adam(trainable, lr=self.stage.discriminator_rate, betas=(0.5, 0.99)) if trainable else None
        )
        self._freeze_discriminators(frozen=True)
        self._noise = torch.Generator(self.device)
        self._trunk_corner = (0, 0)

    # --- before the first step ---------------------------------------------------------------------------------------
    def prepare(self, pool: Pool) -> None:
        """Pretrains the encoder of feature targets as the inverse of the stage-1 head."""
        encoder, student = self.encoder, self.student
        if not isinstance(encoder, FeatureEncoder) or not isinstance(student, CompactStudent):
            return  # the paper's has been trained by others
        steps = self.stage.encoder_steps
        optimiser = torch.optim.Adam(encoder.parameters(), lr=_ENCODER_RATE)
        schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.01, max(1, steps))
        for step in range(steps):
            batch = pool.batch(self.rng(step, 0, _ENCODER_SEED), self.stage.batch, frames=2, lr_size=self.stage.crop)
            clips = self.clips(batch)
            low = flattened(clips.low)
            if step == 0:
                with torch.no_grad():
                    encoder.set_scale(student.features(low, clips.links))
            with self.cast():
                loss = inversion_loss(encoder, student, clips.target.flatten(0, 1), low, clips.links)
            optimiser.zero_grad(set_to_none=True)
            backward(loss)
            optimiser.step()
            schedule.step()
        encoder.requires_grad_(requires_grad=False)
        student.zero_grad(set_to_none=True)

    # --- a step ------------------------------------------------------------------------------------------------------
    def draw_samples(self, pool: Pool, step: int) -> Samples:
        draws = {STUDENT.name: self.student_samples(pool, step)}
        for kind in REFERENCE_KINDS if self.discriminators else ():
            rng = self.rng(step, self.world.rank, _DISCRIMINATOR_SEED + len(draws))
            assert kind.draw is not None
            draws[kind.name] = [kind.draw(pool, rng, self.stage.clips, self.stage.frames, self.stage.crop)]
        return draws

    def train_step(self, step: int, draws: Samples) -> Scalars:
        scalars: Scalars = {}
        self._noise.manual_seed(hash((self.settings.seed, step, self.world.rank)))
        self._trunk_corner = self.trunk_corner(step, self.world.rank)
        self.optimiser.zero_grad(set_to_none=True)
        fakes: dict[str, Tensor] = {}
        for part, batch in zip(self.parts(), draws[STUDENT.name], strict=True):
            clips = self.clips(batch)
            features, images, fakes, losses = self._forward(clips)
            check_losses(step, losses)
            self._backward_student(features, images, losses)
            self.backward_shift(clips, images, step, part)
            for name, loss in losses.items():
                scalars[name] = scalars.get(name, 0.0) + float(loss.detach()) / self.stage.accumulate
        if self.discriminator_optimiser is not None:
            scalars |= self._train_discriminators(step, draws, {name: value.detach() for name, value in fakes.items()})
        self.update(step)
        return scalars

    def _forward(self, clips: ClipBatch) -> tuple[Tensor, Tensor, dict[str, Tensor], dict[str, Tensor]]:
        """The student's features and images, what discriminators see of them in both domains, and the losses:
        `regression`, `feature_loss`, and those of the domains.
        """
        low, target = flattened(clips.low), clips.target.flatten(0, 1)
        with self.cast():
            features = self.student.features(low, clips.links)
            images = reconstruct(self.student, features, low)
            fakes = {
                "pixel": self._fake_images(images, clips),
                "feature": self.encoder.discriminator_features(features, images, low),
            }
            losses = {"feature_loss": self.encoder.distance(features, self.encoder(target, low))}
            for name, discriminator in self.discriminators.items():
                logits_by_head = discriminator(self._discriminator_input(name, fakes[name]), clips.links).values()
                losses[name] = torch.stack([adversarial_loss(logits, +1) for logits in logits_by_head]).sum()
        losses["regression"] = self.regression(clips, images, self._trunk_corner)
        return features, images, fakes, losses

    def _fake_images(self, images: Tensor, clips: ClipBatch) -> Tensor:
        if not self.stage.comb:
            return images
        return without_repetition(images.float(), clips.truth.flatten(0, 1), 2 * self.student.spec.scale)

    def _discriminator_input(self, domain: str, clips: Tensor) -> Tensor:
        """Clips as a discriminator sees them: features divided by their scale, images with instance noise (Sonderby et
        al., arXiv 1610.04490), which hides the grain and the rounding that only real images have.
        """
        if domain == "feature":
            return clips / self.encoder.scale
        noise = torch.randn(clips.shape, generator=self._noise, device=self.device)
        noisy = clips + self.stage.noise * noise.to(clips)
        if self.stage.trunk == "small":
            return noisy
        top, left = self._trunk_corner
        return noisy[..., top:, left:]

    def _backward_student(self, features: Tensor, images: Tensor, losses: Mapping[str, Tensor]) -> None:
        """Accumulates the gradients of the student's weights: the regression's, and of the other losses their shares of
        it.
        """
        stage = self.stage
        pixel_gradient = gradient(losses["regression"], images)
        (feature_gradient,) = torch.autograd.grad(images, features, pixel_gradient, retain_graph=True)
        pixel_losses: list[tuple[float, Tensor]] = []
        feature_losses: list[tuple[float, Tensor]] = []
        for name, share, tensor, gradients in (
            ("feature_loss", stage.feature * stage.feature_loss, features, feature_losses),
            ("feature", stage.feature * stage.adversarial, features, feature_losses),
            ("pixel", stage.pixel * stage.adversarial, images, pixel_losses),
        ):
            if share and name in losses:
                gradients.append((share, gradient(losses[name], tensor)))
        totals = [
            balance(pixel_gradient, pixel_losses, pixel_gradient),
            balance(torch.zeros_like(features), feature_losses, feature_gradient),
        ]
        torch.autograd.backward([images, features], [total / stage.accumulate for total in totals])

    def _freeze_discriminators(self, *, frozen: bool) -> None:
        for group in self.discriminator_optimiser.param_groups if self.discriminator_optimiser else ():
            for value in group["params"]:
                value.requires_grad_(not frozen)

    def _train_discriminators(self, step: int, draws: Samples, fakes: Mapping[str, Tensor]) -> Scalars:
        assert self.discriminator_optimiser is not None
        self._freeze_discriminators(frozen=False)
        self.discriminator_optimiser.zero_grad(set_to_none=True)
        scalars: Scalars = {}
        frames = self.stage.frames
        for kind in KINDS:
            clips, clip_links = self._discriminator_clips(kind, draws, fakes)
            count = min(len(clip_links) // frames, self.stage.clips) * frames
            for domain, discriminator in self.discriminators.items():
                labels = {head: _label(kind, head) for head in discriminator.tail.heads if _label(kind, head)}
                with self.cast():
                    heads = discriminator(
                        self._discriminator_input(domain, clips[domain][:count]), clip_links[:count], labels
                    )
                losses = {
                    f"discriminator {domain} {head}": adversarial_loss(logits, labels[head])
                    / _kinds_with_label(labels[head], head)
                    for head, logits in heads.items()
                }
                check_losses(step, losses)
                if losses:
                    backward(torch.stack(list(losses.values())).sum())
                scalars |= {f"{name} {kind.name}": float(loss.detach()) for name, loss in losses.items()}
        trainable: Sequence[nn.Parameter] = self.discriminator_optimiser.param_groups[0]["params"]
        self.discriminator_optimiser.param_groups[0]["lr"] = self.stage.discriminator_rate
        self.world.average_gradients(trainable)
        limit_gradients(step, trainable)
        self.discriminator_optimiser.step()
        self._freeze_discriminators(frozen=True)
        return scalars

    def _discriminator_clips(
        self, kind: SampleKind, draws: Samples, fakes: Mapping[str, Tensor]
    ) -> tuple[Mapping[str, Tensor], Tensor]:
        """Clips of a kind in each domain, end to end, and their links."""
        if kind is STUDENT:
            frames = self.stage.frames
            count = len(fakes["pixel"]) // frames
            return fakes, links(count, frames).to(self.device)
        clips = ClipBatch.from_batch(draws[kind.name][0], self.device)
        truth = clips.truth.flatten(0, 1)
        with torch.no_grad(), self.cast():
            return {"pixel": truth, "feature": self.encoder(truth, flattened(clips.low))}, clips.links

    # --- checkpoints -------------------------------------------------------------------------------------------------
    def state(self) -> dict[str, Any]:
        optimiser = self.discriminator_optimiser
        return {
            "optimiser": self.optimiser.state_dict(),
            "encoder": self.encoder.state_dict() if isinstance(self.encoder, FeatureEncoder) else {},
            "discriminators": {name: network.state_dict() for name, network in self.discriminators.items()},
            "discriminator_optimiser": optimiser.state_dict() if optimiser else {},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        self.optimiser.load_state_dict(state["optimiser"])
        if isinstance(self.encoder, FeatureEncoder):
            self.encoder.load_state_dict(state["encoder"])
        self.encoder.requires_grad_(requires_grad=False)
        for name, discriminator in self.discriminators.items():
            discriminator.load_state_dict(state["discriminators"][name])
        if self.discriminator_optimiser:
            self.discriminator_optimiser.load_state_dict(state["discriminator_optimiser"])


def _kinds_with_label(label: int, head: str) -> int:
    """The number of kinds with a label for a head: real and fake shall weigh the same."""
    return sum(_label(kind, head) == label for kind in KINDS)


def _label(kind: SampleKind, head: str) -> int:
    return {"detail": kind.detail, "consistency": kind.consistency, "both": kind.both}[head]

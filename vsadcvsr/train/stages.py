"""The two stages: what one step learns. A stage holds what learns in it, and nothing of disks or loops.

Each can `draw` what a step needs from the pool, which depends on settings and step alone; `learn` a step, which raises
WeightsError before anything has changed where a loss is not finite; and give and take its `state` for a checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vsadcvsr.errors import UsageError, WeightsError
from vsadcvsr.nets.compact import CompactStudent
from vsadcvsr.nets.efficientnet import trunk
from vsadcvsr.train.adversarial.feature_targets import Encoder, inversion
from vsadcvsr.train.adversarial.gradient_balance import gradient, joined
from vsadcvsr.train.adversarial.samples import KINDS, REALS, STUDENT, Kind
from vsadcvsr.train.adversarial.setup import judges_of, targets_of
from vsadcvsr.train.data.dataset import Batch, Pool
from vsadcvsr.train.distributed import World
from vsadcvsr.train.losses import judged, perceptual, regression
from vsadcvsr.train.schedule import rate
from vsadcvsr.train.settings import Adversarial, Regression, Stage, TrainSettings
from vsadcvsr.train.students import Student, links, pictures

type Scalars = dict[str, float]
type Draws = Mapping[str, list[Batch]]

_ENCODER_SEED, _STUDENT_SEED, _JUDGE_SEED = 0, 1, 2
_ENCODER_RATE = 2e-3


@dataclass(frozen=True)
class Clips:
    """B clips of T frames on a device: truth and target (B, T, 3, 4s, 4s), low (B, T, 3, s, s), links (B * T,)."""

    truth: Tensor
    low: Tensor
    target: Tensor
    links: Tensor

    @classmethod
    def of(cls, drawn: Batch, device: torch.device) -> Clips:
        truth, low, target = (torch.from_numpy(held).to(device) for held in (drawn.truth, drawn.low, drawn.target))
        return cls(truth, low, target, links(*drawn.low.shape[:2]).to(device))


def _laid_out(clips: Tensor) -> Tensor:
    return clips.flatten(0, 1).contiguous(memory_format=torch.channels_last)


def _backward(loss: Tensor) -> None:
    loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped


def _finite(step: int, losses: Mapping[str, Tensor]) -> None:
    for name, loss in losses.items():
        if not torch.isfinite(loss):
            hint = "lower the learning rate, or look at the pool"
            raise WeightsError(f"the {name} loss of step {step} is {loss.item()}; the last checkpoint stands; {hint}")


class _Common:
    """What both stages share: the student, its optimiser, the precision."""

    def __init__(self, settings: TrainSettings, stage: Stage, student: Student, world: World) -> None:
        self.settings, self.student, self.world = settings, student, world
        self.device = world.device
        learning = [value for value in student.parameters() if value.requires_grad]
        self.optimiser = torch.optim.Adam(learning, lr=stage.learning_rate, betas=(0.9, 0.99), fused=True)

    def _cast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.settings.precision == "bf16")

    def _rng(self, step: int, part: int, seed: int) -> np.random.Generator:
        return np.random.default_rng((self.settings.seed, seed, step, part))

    def _parts(self, stage: Stage) -> list[int]:
        """Which of a step's parts are this process's; each has batch / accumulate / processes clips."""
        parts = stage.accumulate * self.world.size
        if stage.batch % parts:
            raise UsageError.of("batch", stage.batch, f"a multiple of accumulate x processes, {parts}")
        first = self.world.rank * stage.accumulate
        return list(range(first, first + stage.accumulate))

    def _students_draws(self, stage: Stage, pool: Pool, step: int) -> list[Batch]:
        clips = stage.batch // (stage.accumulate * self.world.size)
        generators = (self._rng(step, part, _STUDENT_SEED) for part in self._parts(stage))
        return [pool.batch(rng, clips, frames=stage.frames, lr_size=stage.crop) for rng in generators]

    def _update(self, stage: Stage, step: int) -> None:
        learning = self.optimiser.param_groups[0]
        learning["lr"] = rate(stage, step)
        self.world.average(learning["params"])
        torch.nn.utils.clip_grad_norm_(learning["params"], 1.0)
        self.optimiser.step()


class Regress(_Common):
    """Stage 1: the student's pictures against the teacher's."""

    def __init__(self, settings: TrainSettings, student: Student, world: World) -> None:
        super().__init__(settings, settings.regression, student, world)
        self.stage: Regression = settings.regression
        self.trunk = trunk().to(self.device) if self.stage.perceptual else None

    def draw(self, pool: Pool, step: int) -> Draws:
        return {STUDENT.name: self._students_draws(self.stage, pool, step)}

    def learn(self, step: int, draws: Draws) -> Scalars:
        self.optimiser.zero_grad(set_to_none=True)
        total = 0.0
        for drawn in draws[STUDENT.name]:
            clips = Clips.of(drawn, self.device)
            low = _laid_out(clips.low)
            with self._cast():
                made = pictures(self.student, self.student.features(low, clips.links), low)
            result = made.float().view(clips.target.shape)
            loss = regression(result, clips.target, self.stage)
            if self.trunk is not None:
                loss = loss + self.stage.perceptual * perceptual(result, clips.target, self.trunk)
            _finite(step, {"regression": loss})
            _backward(loss / self.stage.accumulate)
            total += float(loss.detach()) / self.stage.accumulate
        self._update(self.stage, step)
        return {"regression": total}

    def state(self) -> dict[str, Any]:
        return {"optimiser": self.optimiser.state_dict()}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.optimiser.load_state_dict(state["optimiser"])


class Distil(_Common):
    """Stage 2: regression, and discriminators in the pixel and in the feature domain that learn at the same time."""

    def __init__(self, settings: TrainSettings, student: Student, world: World) -> None:
        assert settings.adversarial is not None
        super().__init__(settings, settings.adversarial, student, world)
        self.stage: Adversarial = settings.adversarial
        torch.manual_seed(settings.seed + 1)
        self.encoder = targets_of(self.stage, student).to(self.device)
        self.judges = {name: judge.to(self.device) for name, judge in judges_of(self.stage, student).items()}
        learning = [value for judge in self.judges.values() for value in judge.learning()]
        self.judging = torch.optim.Adam(learning, lr=self.stage.judge_rate, betas=(0.5, 0.99)) if learning else None
        self._judges_hold_still(still=True)
        self._grain = torch.Generator()

    # --- before the first step ---------------------------------------------------------------------------------------
    def prepare(self, pool: Pool) -> None:
        """Teaches the encoder of feature targets what the stage-1 head draws from what."""
        encoder, student = self.encoder, self.student
        if not isinstance(encoder, Encoder) or not isinstance(student, CompactStudent):
            return  # the paper's has been trained by others
        steps = self.stage.encoder_steps
        optimiser = torch.optim.Adam(encoder.parameters(), lr=_ENCODER_RATE)
        falling = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.01, max(1, steps))
        for step in range(steps):
            drawn = pool.batch(self._rng(step, 0, _ENCODER_SEED), self.stage.batch, frames=2, lr_size=self.stage.crop)
            clips = Clips.of(drawn, self.device)
            low = _laid_out(clips.low)
            if step == 0:
                with torch.no_grad():
                    encoder.measure(student.features(low, clips.links))
            with self._cast():
                loss = inversion(encoder, student, clips.target.flatten(0, 1), low, clips.links)
            optimiser.zero_grad(set_to_none=True)
            _backward(loss)
            optimiser.step()
            falling.step()
        encoder.requires_grad_(requires_grad=False)
        student.zero_grad(set_to_none=True)

    # --- a step ------------------------------------------------------------------------------------------------------
    def draw(self, pool: Pool, step: int) -> Draws:
        draws = {STUDENT.name: self._students_draws(self.stage, pool, step)}
        for kind in REALS if self.judges else ():
            rng = self._rng(step, self.world.rank, _JUDGE_SEED + len(draws))
            assert kind.make is not None
            draws[kind.name] = [kind.make(pool, rng, self.stage.clips, self.stage.frames, self.stage.crop)]
        return draws

    def learn(self, step: int, draws: Draws) -> Scalars:
        scalars: Scalars = {}
        self._grain.manual_seed(hash((self.settings.seed, step, self.world.rank)))
        self.optimiser.zero_grad(set_to_none=True)
        made: dict[str, Tensor] = {}
        for drawn in draws[STUDENT.name]:
            clips = Clips.of(drawn, self.device)
            features, made, losses = self._answered(clips)
            _finite(step, losses)
            self._pull(features, made["pixel"], losses)
            for name, loss in losses.items():
                scalars[name] = scalars.get(name, 0.0) + float(loss.detach()) / self.stage.accumulate
        if self.judging is not None:
            scalars |= self._judges_learn(step, draws, {name: value.detach() for name, value in made.items()})
        self._update(self.stage, step)
        return scalars

    def _answered(self, clips: Clips) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
        """The student's features, what is judged in both domains, and its losses: `regression`, `likeness`, and those
        of the domains."""
        low, target = _laid_out(clips.low), clips.target.flatten(0, 1)
        with self._cast():
            features = self.student.features(low, clips.links)
            shown = pictures(self.student, features, low)
            made = {"pixel": shown, "feature": self.encoder.judged(features, shown, low)}
            losses = {"likeness": self.encoder.apart(features, self.encoder(target, low))}
            for name, judge in self.judges.items():
                opinions = judge(self._shaped(name, made[name]), clips.links).values()
                losses[name] = torch.stack([judged(logits, +1) for logits in opinions]).sum()
        losses["regression"] = regression(shown.float().view(clips.target.shape), clips.target, self.stage)
        return features, made, losses

    def _shaped(self, domain: str, clips: Tensor) -> Tensor:
        """Clips as a judge sees them: features in their scale, pictures under noise (instance noise, Sonderby et al.,
        arXiv 1610.04490), which hides the grain and the rounding that only real pictures have."""
        if domain == "feature":
            return clips / self.encoder.scale
        grain = torch.randn(clips.shape, generator=self._grain)
        return clips + self.stage.noise * grain.to(clips)

    def _pull(self, features: Tensor, shown: Tensor, losses: Mapping[str, Tensor]) -> None:
        """Gathers the gradients of the student's weights: the regression's, and of the others their shares of it."""
        stage = self.stage
        wanted = gradient(losses["regression"], shown)
        (asked,) = torch.autograd.grad(shown, features, wanted, retain_graph=True)
        at_shown: list[tuple[float, Tensor]] = []
        at_features: list[tuple[float, Tensor]] = []
        for name, share, place, held in (
            ("likeness", stage.feature * stage.likeness, features, at_features),
            ("feature", stage.feature * stage.adversarial, features, at_features),
            ("pixel", stage.pixel * stage.adversarial, shown, at_shown),
        ):
            if share and name in losses:
                held.append((share, gradient(losses[name], place)))
        pulls = [joined(wanted, at_shown, wanted), joined(torch.zeros_like(features), at_features, asked)]
        torch.autograd.backward([shown, features], [pull / stage.accumulate for pull in pulls])

    def _judges_hold_still(self, *, still: bool) -> None:
        for group in self.judging.param_groups if self.judging else ():
            for value in group["params"]:
                value.requires_grad_(not still)

    def _judges_learn(self, step: int, draws: Draws, made: Mapping[str, Tensor]) -> Scalars:
        assert self.judging is not None
        self._judges_hold_still(still=False)
        self.judging.zero_grad(set_to_none=True)
        scalars: Scalars = {}
        frames = self.stage.frames
        for kind in KINDS:
            held, linked = self._shown(kind, draws, made)
            count = min(len(linked) // frames, self.stage.clips) * frames
            for domain, judge in self.judges.items():
                labels = {head: _label(kind, head) for head in judge.tail.heads if _label(kind, head)}
                with self._cast():
                    heads = judge(self._shaped(domain, held[domain][:count]), linked[:count], labels)
                losses = {
                    f"judge {domain} {head}": judged(logits, labels[head]) / _as_many(labels[head], head)
                    for head, logits in heads.items()
                }
                _finite(step, losses)
                if losses:
                    _backward(torch.stack(list(losses.values())).sum())
                scalars |= {f"{name} {kind.name}": float(loss.detach()) for name, loss in losses.items()}
        learning: Sequence[nn.Parameter] = self.judging.param_groups[0]["params"]
        self.judging.param_groups[0]["lr"] = self.stage.judge_rate
        self.world.average(learning)
        torch.nn.utils.clip_grad_norm_(learning, 1.0)
        self.judging.step()
        self._judges_hold_still(still=True)
        return scalars

    def _shown(self, kind: Kind, draws: Draws, made: Mapping[str, Tensor]) -> tuple[Mapping[str, Tensor], Tensor]:
        """Clips of a kind in each domain, laid end to end, and their links."""
        if kind is STUDENT:
            frames = self.stage.frames
            count = len(made["pixel"]) // frames
            return made, links(count, frames).to(self.device)
        clips = Clips.of(draws[kind.name][0], self.device)
        truth = clips.truth.flatten(0, 1)
        with torch.no_grad(), self._cast():
            return {"pixel": truth, "feature": self.encoder(truth, _laid_out(clips.low))}, clips.links

    # --- checkpoints -------------------------------------------------------------------------------------------------
    def state(self) -> dict[str, Any]:
        return {
            "optimiser": self.optimiser.state_dict(),
            "encoder": self.encoder.state_dict() if isinstance(self.encoder, Encoder) else {},
            "judges": {name: judge.state_dict() for name, judge in self.judges.items()},
            "judging": self.judging.state_dict() if self.judging else {},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        self.optimiser.load_state_dict(state["optimiser"])
        if isinstance(self.encoder, Encoder):
            self.encoder.load_state_dict(state["encoder"])
        self.encoder.requires_grad_(requires_grad=False)
        for name, judge in self.judges.items():
            judge.load_state_dict(state["judges"][name])
        if self.judging:
            self.judging.load_state_dict(state["judging"])


def _as_many(label: int, head: str) -> int:
    """How many kinds a head is told the same of: what is liked and what is not shall weigh the same."""
    return sum(_label(kind, head) == label for kind in KINDS)


type Learner = Regress | Distil


def _label(kind: Kind, head: str) -> int:
    return {"detail": kind.detail, "consistency": kind.consistency, "both": kind.both}[head]

"""What both training stages share: sampling, precision and the optimiser of one step.

A stage has `draw_samples`, which depends on settings and step alone; `train_step`, which raises WeightsError before
the student has changed if a loss or a gradient is not finite; and `state` and `restore` for checkpoints. It knows
neither files nor the loop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from vsadcvsr.errors import UsageError, WeightsError
from vsadcvsr.nets.efficientnet import GRID, Trunk, trunk
from vsadcvsr.train.clip_batch import ClipBatch
from vsadcvsr.train.data.device_dataset import AnyBatch, Pool
from vsadcvsr.train.distributed import World
from vsadcvsr.train.losses import perceptual
from vsadcvsr.train.muon import Muon
from vsadcvsr.train.schedule import rate
from vsadcvsr.train.settings import StageSettings, TrainSettings
from vsadcvsr.train.shift import shift_loss
from vsadcvsr.train.students import Student

type Scalars = dict[str, float]
type Samples = Mapping[str, list[AnyBatch]]

_STUDENT_SEED, _CORNER_SEED, _SHIFT_SEED = 1, 9, 10


def flattened(clips: Tensor) -> Tensor:
    """Clips (B, T, C, H, W) end to end, (B * T, C, H, W), with channels last."""
    return clips.flatten(0, 1).contiguous(memory_format=torch.channels_last)


def backward(loss: Tensor) -> None:
    """Accumulates the gradients of a loss."""
    loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped


def check_losses(step: int, losses: Mapping[str, Tensor]) -> None:
    """Raises WeightsError for a loss that is not finite."""
    for name, loss in losses.items():
        check_finite(step, f"{name} loss", loss)


def check_finite(step: int, name: str, value: Tensor) -> None:
    """Raises WeightsError for a number that is not finite."""
    if not torch.isfinite(value):
        hint = "lower the learning rate, or look at the pool"
        raise WeightsError(f"the {name} of step {step} is {value.item()}; the last checkpoint is kept; {hint}")


def check_batch(stage: StageSettings, world: World) -> None:
    """Raises UsageError for a batch that cannot be divided into parts for the processes."""
    parts = stage.accumulate * world.size
    if stage.batch % parts:
        raise UsageError.of("batch", stage.batch, f"a multiple of accumulate x processes, {parts}")


def limit_gradients(step: int, parameters: Sequence[nn.Parameter]) -> None:
    """Scales gradients to a norm of 1 at most. Raises WeightsError for a norm that is not finite: a finite loss may
    have such a gradient, and scaling would spread it over all weights.
    """
    check_finite(step, "norm of the gradient", torch.nn.utils.clip_grad_norm_(parameters, 1.0))


class StageBase[S: StageSettings]:
    """Common parts of both stages: the student, its optimiser, the precision, the trunk of the perceptual loss."""

    def __init__(self, settings: TrainSettings, stage: S, student: Student, world: World) -> None:
        self.settings, self.stage, self.student, self.world = settings, stage, student, world
        self.device = world.device
        self.trunk: Trunk | None = trunk().to(self.device) if stage.perceptual else None
        trainable = [value for value in student.parameters() if value.requires_grad]
        self.optimiser: torch.optim.Optimizer
        if stage.optimizer == "muon":
            self.optimiser = Muon(trainable, stage.learning_rate)
        else:
            self.optimiser = torch.optim.Adam(trainable, lr=stage.learning_rate, betas=(0.9, 0.99), fused=True)

    def cast(self) -> torch.autocast:
        """The precision of convolutions."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.settings.precision == "bf16")

    def rng(self, step: int, part: int, seed: int) -> np.random.Generator:
        """Random numbers that depend on the settings and these numbers alone."""
        return np.random.default_rng((self.settings.seed, seed, step, part))

    def parts(self) -> list[int]:
        """Which of a step's parts are this process's; each has batch / accumulate / processes clips."""
        stage = self.stage
        first = self.world.rank * stage.accumulate
        return list(range(first, first + stage.accumulate))

    def student_samples(self, pool: Pool, step: int) -> list[AnyBatch]:
        """The clips that the student learns from in a step, part by part."""
        stage = self.stage
        clips = stage.batch // (stage.accumulate * self.world.size)
        generators = (self.rng(step, part, _STUDENT_SEED) for part in self.parts())
        return [pool.batch(rng, clips, frames=stage.frames, lr_size=stage.crop) for rng in generators]

    def clips(self, batch: AnyBatch) -> ClipBatch:
        """A batch on the device, with its target."""
        return ClipBatch.from_batch(batch, self.device, self.settings.teacher_share)

    def update(self, step: int) -> None:
        """A step of the optimiser, with gradients averaged over processes."""
        group = self.optimiser.param_groups[0]
        group["lr"] = rate(self.stage, step)
        self.world.average_gradients(group["params"])
        limit_gradients(step, group["params"])
        self.optimiser.step()

    def trunk_corner(self, step: int, part: int) -> tuple[int, int]:
        """Where images begin for a frozen trunk: row and column, anywhere in the trunk's grid.

        A trunk halves images at fixed places. If those never moved against the places that a student's head fills, the
        student would learn to put dots on them.
        """
        top, left = self.rng(step, part, _CORNER_SEED).integers(0, GRID, 2).tolist()
        return top, left

    def regression(self, clips: ClipBatch, images: Tensor, corner: tuple[int, int]) -> Tensor:
        """The regression loss of images (B * T, 3, sH, sW); features are compared from `corner` on."""
        loss = clips.regression(images, self.stage)
        if self.trunk is not None:
            result = images.float().view(clips.target.shape)
            loss = loss + self.stage.perceptual * perceptual(result, clips.target, self.trunk, corner)
        return loss

    def backward_shift(self, clips: ClipBatch, images: Tensor, step: int, part: int) -> None:
        """Accumulates the gradients of the shift loss of images (B * T, 3, sH, sW), where it has a weight."""
        if not self.stage.shift:
            return
        rng = self.rng(step, part, _SHIFT_SEED)
        with self.cast():
            loss = shift_loss(self.student, clips.low, clips.links, images.view(clips.target.shape), rng)
        check_losses(step, {"shift": loss})
        backward(loss * (self.stage.shift / self.stage.accumulate))

"""Training stage 1: regression to the truth or to a teacher."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from vsadcvsr.errors import UsageError
from vsadcvsr.nets.compact import CompactStudent
from vsadcvsr.train.adversarial.samples import STUDENT
from vsadcvsr.train.clip_batch import ClipBatch
from vsadcvsr.train.data.device_dataset import Pool
from vsadcvsr.train.distributed import World
from vsadcvsr.train.quantised import quantised
from vsadcvsr.train.settings import RegressionSettings, TrainSettings
from vsadcvsr.train.stage_base import Samples, Scalars, StageBase, backward, check_losses, flattened
from vsadcvsr.train.students import Student, reconstruct

_CUT_SEED = 11  # the numbers before it are in use for other parts of a step


class RegressionTraining(StageBase[RegressionSettings]):
    """Stage 1: regression to the teacher."""

    def __init__(self, settings: TrainSettings, student: Student, world: World) -> None:
        if settings.regression.int8 and not isinstance(student, CompactStudent):
            raise UsageError(f"regression.int8 is for compact students, not {settings.model}; leave it out")
        super().__init__(settings, settings.regression, student, world)

    def draw_samples(self, pool: Pool, step: int) -> Samples:
        return {STUDENT.name: self.student_samples(pool, step)}

    def train_step(self, step: int, draws: Samples) -> Scalars:
        self.optimiser.zero_grad(set_to_none=True)
        total = 0.0
        with self._rounding():
            for part, batch in zip(self.parts(), draws[STUDENT.name], strict=True):
                clips = self.clips(batch)
                if self.stage.cuts:
                    clips = clips.with_cuts(self.stage.cuts, self.rng(step, part, _CUT_SEED))
                total += self._backward(clips, step, part) / self.stage.accumulate
        self.update(step)
        return {"regression": total}

    def _backward(self, clips: ClipBatch, step: int, part: int) -> float:
        """Accumulates the gradients of a part of the batch, and returns its loss."""
        low = flattened(clips.low)
        with self.cast():
            output = reconstruct(self.student, self.student.features(low, clips.links), low)
        loss = self.regression(clips, output, self.trunk_corner(step, part))
        check_losses(step, {"regression": loss})
        backward(loss / self.stage.accumulate)
        self.backward_shift(clips, output, step, part)
        return float(loss.detach())

    def _rounding(self) -> AbstractContextManager[None]:
        """Rounding to the levels of int8, if the settings ask for it."""
        if not self.stage.int8:
            return nullcontext()
        assert isinstance(self.student, CompactStudent)
        return quantised(self.student)

    def state(self) -> dict[str, Any]:
        return {"optimiser": self.optimiser.state_dict()}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.optimiser.load_state_dict(state["optimiser"])

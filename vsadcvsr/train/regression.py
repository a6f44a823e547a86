"""Training stage 1: regression to the truth or to a teacher."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vsadcvsr.train.adversarial.samples import STUDENT
from vsadcvsr.train.data.device_dataset import Pool
from vsadcvsr.train.distributed import World
from vsadcvsr.train.settings import RegressionSettings, TrainSettings
from vsadcvsr.train.stage_base import Samples, Scalars, StageBase, backward, check_finite, flattened
from vsadcvsr.train.students import Student, reconstruct


class RegressionTraining(StageBase[RegressionSettings]):
    """Stage 1: regression to the teacher."""

    def __init__(self, settings: TrainSettings, student: Student, world: World) -> None:
        super().__init__(settings, settings.regression, student, world)

    def draw_samples(self, pool: Pool, step: int) -> Samples:
        return {STUDENT.name: self.student_samples(pool, step)}

    def train_step(self, step: int, draws: Samples) -> Scalars:
        self.optimiser.zero_grad(set_to_none=True)
        total = 0.0
        for part, batch in zip(self.parts(), draws[STUDENT.name], strict=True):
            clips = self.clips(batch)
            low = flattened(clips.low)
            with self.cast():
                output = reconstruct(self.student, self.student.features(low, clips.links), low)
            loss = self.regression(clips, output, self.trunk_corner(step, part))
            check_finite(step, {"regression": loss})
            backward(loss / self.stage.accumulate)
            self.backward_shift(clips, output, step, part)
            total += float(loss.detach()) / self.stage.accumulate
        self.update(step)
        return {"regression": total}

    def state(self) -> dict[str, Any]:
        return {"optimiser": self.optimiser.state_dict()}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.optimiser.load_state_dict(state["optimiser"])

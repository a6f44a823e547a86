"""Time limit of a run: the number of steps that fits, fixed before the first one.

Some steps are tried on copies of the networks, timed and discarded. The stages then take as many steps as fit, in the
proportion that the settings have. The run itself is one of that many steps, with their schedule and the same bits: the
clock decides their number and nothing else. Checkpoints keep the number, so that a resumed run has the same.
"""

from __future__ import annotations

import copy
import logging
import time
from dataclasses import dataclass, replace

import torch

from vsadcvsr.errors import UsageError
from vsadcvsr.train.adversarial.training import AdversarialTraining
from vsadcvsr.train.data.device_dataset import Pool
from vsadcvsr.train.distributed import World
from vsadcvsr.train.prefetch import StageTraining, prefetched
from vsadcvsr.train.regression import RegressionTraining
from vsadcvsr.train.settings import TrainSettings
from vsadcvsr.train.students import Student

_log = logging.getLogger(__name__)
_USED = 0.93
"""Share of the time that steps are planned for: checkpoints, curves and slower hours take the rest."""
_TRIED = 0.02
"""Share of the time that a trial of a stage takes, at most."""
_BURN_IN, _MIN_TIMED, _MAX_TIMED = 3, 5, 200
"""Steps before the clock starts; fewest and most steps that are timed."""


@dataclass(frozen=True)
class TimeLimit:
    """The end of a run, by the clock of the main process; no end without `minutes`."""

    world: World
    minutes: float
    start: float

    @classmethod
    def of(cls, world: World, minutes: float) -> TimeLimit:
        """A limit that counts from now."""
        return cls(world, minutes, time.monotonic())

    @property
    def seconds_left(self) -> float:
        """The same number in every process."""
        return self.world.from_main(60 * self.minutes - (time.monotonic() - self.start))

    @property
    def is_over(self) -> bool:
        """Whether the time is up; the same in every process."""
        return self.minutes > 0 and self.seconds_left <= 0

    def fitted(self, settings: TrainSettings, student: Student, pool: Pool) -> TrainSettings:
        """The settings with as many steps as fit. UsageError if the time is up before the first one."""
        planned = [stage.steps for stage in settings.stages]
        if not self.minutes or not any(planned):
            return settings
        times = [self._step_time(settings, number, student, pool) for number in range(len(planned))]
        cost = sum(steps * seconds for steps, seconds in zip(planned, times, strict=True))
        prepared = settings.adversarial.encoder_steps * times[1] if settings.adversarial else 0.0
        left = _USED * self.seconds_left - prepared
        if left <= 0:
            raise UsageError(
                f"the time limit of {self.minutes:g} minutes ends before the first step; give more minutes, or fill a "
                "pool before"
            )
        steps = [max(min(count, 1), int(count * left / cost)) for count in planned]
        for count, seconds in zip(steps, times, strict=True):
            _log.info("%d steps of %.1f ms fit in the time that is left", count, 1e3 * seconds)
        return with_steps(settings, steps)

    def _step_time(self, settings: TrainSettings, number: int, student: Student, pool: Pool) -> float:
        """Seconds of a step of a stage, tried on a copy of the student; the same in every process."""
        if not settings.stages[number].steps:
            return 0.0
        stage: StageTraining = (RegressionTraining, AdversarialTraining)[number](
            settings, copy.deepcopy(student), self.world
        )
        began, limit = 0.0, _TRIED * 60 * self.minutes
        for step, samples in prefetched(stage, pool, range(_BURN_IN + _MAX_TIMED)):
            stage.train_step(step, samples)
            if step + 1 == _BURN_IN:
                _wait_for(self.world)
                began = time.monotonic()
            timed = step + 1 - _BURN_IN
            if timed >= _MIN_TIMED and self.world.from_main(time.monotonic() - began) > limit:
                break
        _wait_for(self.world)
        return self.world.from_main((time.monotonic() - began) / timed)


def _wait_for(world: World) -> None:
    """Waits for the device to have done all that it was given."""
    if world.device.type == "cuda":
        torch.cuda.synchronize(world.device)


def with_steps(settings: TrainSettings, steps: list[int]) -> TrainSettings:
    """The settings with these numbers of steps, one for each stage."""
    regression = replace(settings.regression, steps=steps[0])
    adversarial = settings.adversarial and replace(settings.adversarial, steps=steps[1])
    return replace(settings, regression=regression, adversarial=adversarial)

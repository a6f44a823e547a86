"""Training run: stage after stage, with checkpoints that resume bit for bit.

A step depends on the settings, its number and the state of the networks and optimisers alone, so that a resumed run
equals an uninterrupted one.
"""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vsadcvsr.errors import UsageError, WeightsError, one_line
from vsadcvsr.files import replacing
from vsadcvsr.former_names import with_current_names
from vsadcvsr.nets.weights_file import load_problem
from vsadcvsr.train import cpu
from vsadcvsr.train.adversarial.setup import check_pretrained
from vsadcvsr.train.adversarial.training import AdversarialTraining
from vsadcvsr.train.data.dataset import Dataset
from vsadcvsr.train.data.device_dataset import Pool, on_device
from vsadcvsr.train.distributed import World
from vsadcvsr.train.monitor import TrainingMonitor
from vsadcvsr.train.prefetch import StageTraining, prefetched
from vsadcvsr.train.regression import RegressionTraining
from vsadcvsr.train.settings import TrainSettings
from vsadcvsr.train.stage_base import Scalars, check_batch
from vsadcvsr.train.students import initial_student
from vsadcvsr.train.time_limit import TimeLimit, with_steps

# Settings that may differ in a resumed run.
_CHANGEABLE = {"threads", "save_every", "sample_every", "device", "half_weights", "minutes"}

_CHECKPOINT_KEYS = {"settings", "stage", "done", "student", "mean", "learner"}


class TrainingRun:
    """A run: the student, the moving average of its weights (which is published), the current stage and its finished
    steps.
    """

    def __init__(self, settings: TrainSettings) -> None:
        torch.manual_seed(settings.seed)
        torch.set_num_threads(settings.threads)
        self.world = World.join(settings.device)
        settings = replace(settings, precision=cpu.precision_of(settings.precision, self.world.device))
        self.settings = self._configured = settings
        self.limit = TimeLimit.of(self.world, settings.minutes)
        self.student = initial_student(settings).to(self.world.device)
        for stage in settings.stages:
            check_batch(stage, self.world)
        if settings.adversarial:
            check_pretrained(settings.adversarial, self.student)
        self._weights = dict(self.student.state_dict())
        self.ema = {name: value.detach().clone() for name, value in self._weights.items()}
        self.stage_number, self.steps_done = 0, 0
        self._is_resumed = False
        self.stage: StageTraining = RegressionTraining(settings, self.student, self.world)

    @property
    def stages(self) -> int:
        """Number of stages in the settings."""
        return len(self.settings.stages)

    @property
    def is_finished(self) -> bool:
        """Whether the last step of the last stage is done."""
        return self.stage_number + 1 == self.stages and self.steps_done >= self.stage.stage.steps

    @property
    def checkpoint(self) -> Path:
        return self.settings.out / "checkpoint.pt"

    # --- checkpoints -------------------------------------------------------------------------------------------------
    def save(self) -> None:
        """Writes the checkpoint atomically. Raises WeightsError on failure, and keeps the last one."""
        checkpoint: dict[str, Any] = {  # Any: torch's own state dictionaries
            "settings": self._configured.as_metadata(),
            "steps": [stage.steps for stage in self.settings.stages],
            "stage": self.stage_number,
            "done": self.steps_done,
            "student": self.student.state_dict(),
            "mean": self.ema,
            "learner": self.stage.state(),
        }
        try:
            self.settings.out.mkdir(parents=True, exist_ok=True)
            with replacing(self.checkpoint) as unfinished:
                torch.save(checkpoint, unfinished)
        except (OSError, RuntimeError) as error:
            raise WeightsError(
                f"{self.checkpoint} cannot be written ({str(error).splitlines()[0]}); the last checkpoint is kept; "
                "free disk space and run the same command again"
            ) from error

    def resume(self) -> bool:
        """Loads the checkpoint in `settings.out`, if there is one; UsageError if it is of another run.

        Raises WeightsError if it is damaged, no checkpoint, or of a student of other dimensions, as a model has that
        has changed since.
        """
        if not self.checkpoint.exists():
            return False
        checkpoint = self._read()
        _check_same_settings(checkpoint["settings"], self._configured.as_metadata(), self.settings.out)
        try:
            self._restore(checkpoint)
        except RuntimeError as error:
            raise WeightsError(
                f"{self.checkpoint} does not fit model {self.settings.model!r} ({one_line(error, 200)}); resume it "
                "with the version that wrote it, or name another folder to start over"
            ) from error
        return True

    def _read(self) -> dict[str, Any]:
        hint = "delete it to start over"
        try:
            checkpoint = torch.load(self.checkpoint, weights_only=True, map_location=self.world.device)
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
            raise WeightsError(f"{self.checkpoint} cannot be read ({load_problem(error)}); {hint}") from error
        if not isinstance(checkpoint, dict) or not checkpoint.keys() >= _CHECKPOINT_KEYS:
            raise WeightsError(f"{self.checkpoint} is no checkpoint of adcvsr train; {hint}")
        return with_current_names(checkpoint)

    def _restore(self, checkpoint: dict[str, Any]) -> None:
        steps = checkpoint.get("steps")  # checkpoints of earlier versions do not have it
        self._set_steps(with_steps(self._configured, steps) if steps else self._configured)
        self._is_resumed = True
        if checkpoint["stage"] != self.stage_number:
            self._start_stage(checkpoint["stage"], checkpoint["student"])
        self.steps_done = checkpoint["done"]
        self.student.load_state_dict(checkpoint["student"])
        self.ema = checkpoint["mean"]
        self.stage.restore(checkpoint["learner"])

    # --- the loop ----------------------------------------------------------------------------------------------------
    def run(self) -> None:
        """Trains to the last step of the last stage or to the time limit, but for a step at least, and saves."""
        pool = Dataset(self.settings.pool, teacher=self.settings.teacher, scale=self.settings.scale)
        for stage in self.settings.stages:
            if stage.steps:
                pool.check(stage.frames, stage.crop)
        dataset = on_device(pool, self.world.device)
        if not self._is_resumed:
            self._set_steps(self.limit.fitted(self._configured, self.student, dataset))
        start = self.stage_number, self.steps_done
        with TrainingMonitor(self.settings, active=self.world.is_main) as monitor:
            while True:
                self._finish_stage(dataset, monitor)
                is_over = self.limit.is_over and (self.stage_number, self.steps_done) != start
                if self.stage_number + 1 == self.stages or is_over:
                    return
                self._next_stage(dataset)

    def _finish_stage(self, dataset: Pool, monitor: TrainingMonitor) -> None:
        steps = self.stage.stage.steps
        monitor.stage(self.stage_number, self.steps_done, steps)
        for step, samples in prefetched(self.stage, dataset, range(self.steps_done, steps)):
            scalars = self.stage.train_step(step, samples)
            self._update_ema(step)
            self.steps_done = step + 1
            monitor.step(self.steps_done, scalars)
            if self.steps_done % self.settings.sample_every == 0:
                monitor.add_sample(self.steps_done, self.student, samples)
            is_over = self.limit.is_over
            if self.world.is_main and (
                self.steps_done % self.settings.save_every == 0 or self.steps_done == steps or is_over
            ):
                self.save()
            if is_over:
                return

    def _next_stage(self, dataset: Pool) -> None:
        """Starts the next stage from the moving average of the last one."""
        self._start_stage(self.stage_number + 1, self.ema)
        assert isinstance(self.stage, AdversarialTraining)
        self.stage.prepare(dataset)
        if self.world.is_main:
            self.save()

    def _set_steps(self, settings: TrainSettings) -> None:
        """Takes settings that differ in their steps alone, before the first stage has begun."""
        if settings != self.settings:
            self.settings = settings
            self.stage = RegressionTraining(settings, self.student, self.world)

    def _start_stage(self, number: int, weights: dict[str, Tensor]) -> None:
        if number != 1 or self.settings.adversarial is None:
            raise UsageError(
                f"the checkpoint is of stage {number + 1}, but this run has {self.stages}; name another folder"
            )
        self.student.load_state_dict(weights)
        self.stage_number, self.steps_done = number, 0
        self.stage = AdversarialTraining(self.settings, self.student, self.world)

    def _update_ema(self, step: int) -> None:
        decay = min(self.settings.ema, (step + 1) / (step + 10))  # follows closely while the weights change fast
        torch._foreach_lerp_([self.ema[name] for name in self._weights], list(self._weights.values()), 1 - decay)


def _check_same_settings(saved: dict[str, Any], current: dict[str, Any], out: Path) -> None:
    saved = {"scale": 4, "regression.cuts": 0.0} | saved  # checkpoints of earlier versions do not name them
    differing = [name for name in sorted(saved.keys() | current.keys()) if saved.get(name) != current.get(name)]
    for name in differing:
        if name not in _CHANGEABLE:
            raise UsageError(
                f"{name} is {current.get(name)!r}, but {saved.get(name)!r} in the checkpoint in {out}; "
                "give the same settings to resume, or another folder to start over"
            )


__all__ = ["Scalars", "TrainingRun"]

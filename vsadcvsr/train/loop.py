"""The training run: stage after stage, with checkpoints that resume to the bit.

What a step does depends on the settings, its number and the state of the networks and optimisers alone, so that a
resumed run equals an uninterrupted one.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vsadcvsr.errors import UsageError, WeightsError
from vsadcvsr.files import replacing
from vsadcvsr.train import cpu
from vsadcvsr.train.data.dataset import Pool
from vsadcvsr.train.distributed import World
from vsadcvsr.train.monitor import Watch
from vsadcvsr.train.settings import TrainSettings
from vsadcvsr.train.stages import Distil, Draws, Learner, Regress, Scalars
from vsadcvsr.train.students import first_student

_MAY_CHANGE = {"threads", "save_every", "sample_every", "device"}  # settings that a resumed run may have otherwise


class Run:
    """A run: the student, its running mean (what ships), the stage that it is in and the steps done of that stage."""

    def __init__(self, settings: TrainSettings) -> None:
        torch.manual_seed(settings.seed)
        torch.set_num_threads(settings.threads)
        self.world = World.join(settings.device)
        settings = replace(settings, precision=cpu.precision_of(settings.precision, self.world.device))
        self.settings = settings
        self.student = first_student(settings).to(self.world.device)
        self._weights = dict(self.student.state_dict())
        self.mean = {name: value.detach().clone() for name, value in self._weights.items()}
        self.number, self.done = 0, 0
        self.learner: Learner = Regress(settings, self.student, self.world)

    @property
    def stages(self) -> int:
        """How many stages the settings ask for."""
        return 1 if self.settings.adversarial is None else 2

    @property
    def checkpoint(self) -> Path:
        return self.settings.out / "checkpoint.pt"

    # --- checkpoints -------------------------------------------------------------------------------------------------
    def save(self) -> None:
        """Replaces the checkpoint in one move; WeightsError where it cannot be written, and the last one stands."""
        held: dict[str, Any] = {  # Any: torch's own state dictionaries
            "settings": self.settings.described(),
            "stage": self.number,
            "done": self.done,
            "student": self.student.state_dict(),
            "mean": self.mean,
            "learner": self.learner.state(),
        }
        try:
            self.settings.out.mkdir(parents=True, exist_ok=True)
            with replacing(self.checkpoint) as unfinished:
                torch.save(held, unfinished)
        except (OSError, RuntimeError) as error:
            raise WeightsError(
                f"{self.checkpoint} cannot be written ({str(error).splitlines()[0]}); the last checkpoint stands; "
                "make room and give the same command again"
            ) from error

    def resume(self) -> bool:
        """Takes up the checkpoint in `settings.out`, if there is one; UsageError where it is of another run."""
        if not self.checkpoint.exists():
            return False
        try:
            held = torch.load(self.checkpoint, weights_only=True, map_location=self.world.device)
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
            hint = "delete it to begin anew"
            raise WeightsError(f"{self.checkpoint} cannot be read ({str(error).splitlines()[0]}); {hint}") from error
        _same(held["settings"], self.settings.described(), self.settings.out)
        if held["stage"] != self.number:
            self._enter(held["stage"], held["student"])
        self.done = held["done"]
        self.student.load_state_dict(held["student"])
        self.mean = held["mean"]
        self.learner.restore(held["learner"])
        return True

    # --- the loop ----------------------------------------------------------------------------------------------------
    def run(self) -> None:
        """Trains to the last step of the last stage, saving as it goes."""
        pool = Pool(self.settings.pool, teacher=self.settings.teacher)
        with Watch(self.settings, active=self.world.first) as watch:
            while True:
                self._finish_stage(pool, watch)
                if self.number + 1 == self.stages:
                    return
                self._next_stage(pool)

    def _finish_stage(self, pool: Pool, watch: Watch) -> None:
        steps = self.learner.stage.steps
        watch.stage(self.number, self.done, steps)
        for step, draws in self._draws(pool):
            scalars = self.learner.learn(step, draws)
            self._follow(step)
            self.done = step + 1
            watch.step(self.done, scalars)
            if self.done % self.settings.sample_every == 0:
                watch.show(self.done, self.student, draws)
            if self.world.first and (self.done % self.settings.save_every == 0 or self.done == steps):
                self.save()

    def _draws(self, pool: Pool) -> Iterator[tuple[int, Draws]]:
        """Steps and their samples, the next of which are drawn while one is learned."""
        steps = self.learner.stage.steps
        with ThreadPoolExecutor(1) as ahead:
            pending = ahead.submit(self.learner.draw, pool, self.done) if self.done < steps else None
            for step in range(self.done, steps):
                assert pending is not None
                draws = pending.result()
                if step + 1 < steps:
                    pending = ahead.submit(self.learner.draw, pool, step + 1)
                yield step, draws

    def _next_stage(self, pool: Pool) -> None:
        """The next stage begins with the mean that the last one has left."""
        self._enter(self.number + 1, self.mean)
        assert isinstance(self.learner, Distil)
        self.learner.prepare(pool)
        if self.world.first:
            self.save()

    def _enter(self, number: int, weights: dict[str, Tensor]) -> None:
        if number != 1 or self.settings.adversarial is None:
            raise UsageError.of("stage", number + 1, f"1 to {self.stages}", "the checkpoint is of another run")
        self.student.load_state_dict(weights)
        self.number, self.done = number, 0
        self.learner = Distil(self.settings, self.student, self.world)

    def _follow(self, step: int) -> None:
        keep = min(self.settings.ema, (step + 1) / (step + 10))  # follows fast while the weights still rush
        torch._foreach_lerp_([self.mean[name] for name in self._weights], list(self._weights.values()), 1 - keep)


def _same(held: dict[str, Any], given: dict[str, Any], out: Path) -> None:
    differing = [name for name in sorted(held.keys() | given.keys()) if held.get(name) != given.get(name)]
    for name in differing:
        if name not in _MAY_CHANGE:
            hint = "give the same settings to go on, or another folder to begin anew"
            raise UsageError.of(name, given.get(name), f"{held.get(name)!r}, as in the checkpoint in {out}", hint)


__all__ = ["Run", "Scalars"]

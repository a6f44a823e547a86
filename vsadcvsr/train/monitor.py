"""Progress of a training run: a progress bar or plain lines on stderr, scalars and sample frames for TensorBoard."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from torch.nn import functional as F

from vsadcvsr.train.adversarial.samples import STUDENT
from vsadcvsr.train.clip_batch import ClipBatch
from vsadcvsr.train.settings import TrainSettings
from vsadcvsr.train.stage_base import Samples, Scalars
from vsadcvsr.train.students import Student

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

_log = logging.getLogger(__name__)
_SCALAR_STEPS = 20  # steps between scalars
_LINE_SECONDS = 10.0  # seconds between lines off a terminal
_NAMES = ("regression", "adversarial")


class TrainingMonitor:
    """Shows a run while it is entered; a process that is not `active` shows nothing."""

    def __init__(self, settings: TrainSettings, *, active: bool) -> None:
        console = Console(stderr=True)
        self._active, self._terminal = active, console.is_terminal
        self._bars = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[losses]}"),
            TimeRemainingColumn(), console=console, disable=not (active and self._terminal),
        )  # fmt: skip
        self._writer = _writer(settings) if active else None
        self._bar: TaskID | None = None
        self._pending: list[Scalars] = []
        self._steps, self._name, self._since, self._from = 0, _NAMES[0], time.monotonic(), 0

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()
        if self._writer is not None:
            self._writer.close()

    def stage(self, number: int, done: int, steps: int) -> None:
        """A stage starts or resumes."""
        self._steps, self._name, self._from, self._since = steps, _NAMES[number], done, time.monotonic()
        self._bar = self._bars.add_task(self._name, total=steps, completed=done, losses="")

    def step(self, done: int, scalars: Scalars) -> None:
        """A step is done."""
        if not self._active:
            return
        self._pending.append(scalars)
        if done % _SCALAR_STEPS and done != self._steps:
            return
        means = {name: float(np.mean([values[name] for values in self._pending])) for name in scalars}
        self._pending = []
        if self._writer is not None:
            for name, value in means.items():
                self._writer.add_scalar(f"{self._name}/{name}", value, done)
        text = "  ".join(f"{name} {value:.4f}" for name, value in means.items() if not name.startswith("discriminator"))
        assert self._bar is not None
        self._bars.update(self._bar, completed=done, losses=text)
        if not self._terminal and (time.monotonic() - self._since > _LINE_SECONDS or done == self._steps):
            speed = (done - self._from) / max(1e-9, time.monotonic() - self._since)
            _log.info("%s: step %d of %d  %s  %.1f steps/s", self._name, done, self._steps, text, speed)
            self._since, self._from = time.monotonic(), done

    def add_sample(self, done: int, student: Student, samples: Samples) -> None:
        """Adds a sample image: one frame by bicubic, by the student, and its target."""
        if self._writer is None:
            return
        clips = ClipBatch.from_batch(samples[STUDENT.name][0], next(student.parameters()).device)
        frames = clips.low.shape[1]
        with torch.no_grad():
            output = student(clips.low[0], clips.links[:frames])[frames // 2]
        scale = float(student.spec.scale)
        bicubic = F.interpolate(clips.low[0, frames // 2][None], scale_factor=scale, mode="bicubic")[0]
        picture = torch.cat([bicubic, output, clips.target[0, frames // 2]], 2).clamp(0, 1)
        self._writer.add_image(f"{self._name}/plain, student, target", picture, done)


def _writer(settings: TrainSettings) -> SummaryWriter | None:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        _log.info("no TensorBoard here, so no curves; pip install tensorboard")
        return None
    return SummaryWriter(str(settings.out / "tensorboard"))

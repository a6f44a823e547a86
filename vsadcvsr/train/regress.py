"""Stage 1: regression of a compact student to the ground truth.

A step depends only on (settings, step number, weights, optimiser), so that a resumed run equals an uninterrupted one.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vsadcvsr.errors import UsageError, WeightsError
from vsadcvsr.nets.compact import BASE, FAST, CompactStudent
from vsadcvsr.nets.export import load_weights
from vsadcvsr.train.losses import regression
from vsadcvsr.train.settings import TrainSettings
from vsadcvsr.train.shards import Pool

_log = logging.getLogger(__name__)
_STUDENTS = {dims.name: dims for dims in (FAST, BASE)}


def rate(settings: TrainSettings, step: int) -> float:
    """The learning rate of a step: warm-up, plateau, cosine to `final_rate`."""
    rising = min(1.0, (step + 1) / max(1, settings.warmup))
    start = settings.steps * (1 - settings.decay)
    done = min(1.0, max(0.0, (step - start) / max(1.0, settings.steps - start)))
    falling = 0.5 * (1 + math.cos(math.pi * done))
    return rising * (settings.final_rate + (settings.learning_rate - settings.final_rate) * falling)


def links(batch: int, frames: int) -> Tensor:
    """Links (B * T,) of clips laid end to end: each begins anew."""
    linked = torch.ones(batch, frames)
    linked[:, 0] = 0
    return linked.flatten()


def draw(settings: TrainSettings, pool: Pool, step: int) -> tuple[Tensor, Tensor]:
    """The batch of a step: ground truth (B, T, 3, 4s, 4s) and degraded (B, T, 3, s, s), 0..1."""
    rng = np.random.default_rng((settings.seed, step))
    drawn = pool.batch(rng, settings.batch, frames=settings.frames, lr_size=settings.lr_size)
    return torch.from_numpy(drawn.target), torch.from_numpy(drawn.low)


def _batches(settings: TrainSettings, pool: Pool, first: int) -> Iterator[tuple[int, Tensor, Tensor]]:
    with ThreadPoolExecutor(1) as ahead:
        pending = ahead.submit(draw, settings, pool, first)
        for step in range(first, settings.steps):
            hr, lr = pending.result()
            if step + 1 < settings.steps:
                pending = ahead.submit(draw, settings, pool, step + 1)
            yield step, hr, lr


def _first_student(settings: TrainSettings) -> CompactStudent:
    dims = _STUDENTS[settings.model]
    student = load_weights(settings.begin).train() if settings.begin else CompactStudent(dims)
    if student.dims != dims:
        raise UsageError.of("begin", str(settings.begin), f"weights of a student like {settings.model!r}")
    if settings.temporal_only:
        student.requires_grad_(requires_grad=False).temporal.requires_grad_()
    return student


class Regression:
    """A run: the student, its running mean (what ships), the optimiser and the number of steps done."""

    def __init__(self, settings: TrainSettings) -> None:
        if settings.model not in _STUDENTS:
            raise UsageError.of("model", settings.model, ", ".join(_STUDENTS))
        torch.manual_seed(settings.seed)
        torch.set_num_threads(settings.threads)
        self.settings = settings
        self.done = 0
        self.student = _first_student(settings).to(memory_format=torch.channels_last)
        self.mean = {name: value.detach().clone() for name, value in self.student.state_dict().items()}
        learning = [value for value in self.student.parameters() if value.requires_grad]
        self.optimiser = torch.optim.Adam(learning, lr=settings.learning_rate, betas=(0.9, 0.99))

    @property
    def checkpoint(self) -> Path:
        return self.settings.out / "checkpoint.pt"

    def save(self) -> None:
        """Replaces the checkpoint in one move, so that a full disk or a kill leaves the last one standing."""
        self.settings.out.mkdir(parents=True, exist_ok=True)
        held: dict[str, Any] = {  # Any: torch's own state dictionaries
            "done": self.done,
            "student": self.student.state_dict(),
            "mean": self.mean,
            "optimiser": self.optimiser.state_dict(),
        }
        fresh = self.checkpoint.with_suffix(".part")
        torch.save(held, fresh)
        fresh.replace(self.checkpoint)

    def resume(self) -> bool:
        """Takes up the checkpoint in `settings.out`, if there is one."""
        if not self.checkpoint.exists():
            return False
        held = torch.load(self.checkpoint, weights_only=True)
        self.done = held["done"]
        self.student.load_state_dict(held["student"])
        self.mean = held["mean"]
        self.optimiser.load_state_dict(held["optimiser"])
        return True

    def learn(self, step: int, hr: Tensor, lr: Tensor) -> float:
        """One step; returns its loss. A loss that is not finite raises before it touches the weights."""
        settings = self.settings
        clips, frames = lr.shape[:2]
        for group in self.optimiser.param_groups:
            group["lr"] = rate(settings, step)
        with torch.autocast("cpu", torch.bfloat16, enabled=settings.bf16):
            made = self.student(lr.flatten(0, 1).contiguous(memory_format=torch.channels_last), links(clips, frames))
        loss = regression(
            made.float().unflatten(0, (clips, frames)),
            hr,
            luma_weight=settings.luma,
            difference_weight=settings.difference,
        )
        if not torch.isfinite(loss):
            raise WeightsError(
                f"the loss of step {step} is {loss.item()}; the last checkpoint stands: {self.checkpoint}"
            )
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        torch.nn.utils.clip_grad_norm_(self.student.parameters(), 1.0)
        self.optimiser.step()
        self._follow(step)
        self.done = step + 1
        return float(loss.detach())

    def _follow(self, step: int) -> None:
        keep = min(self.settings.ema, (step + 1) / (step + 10))  # follows fast while the weights still rush
        for name, value in self.student.state_dict().items():
            self.mean[name].lerp_(value, 1 - keep)

    def run(self, *, report_every: int = 100) -> None:
        """Trains to the last step, saving as it goes."""
        pool, losses, began = Pool(self.settings.pool), [], time.monotonic()
        for step, hr, lr in _batches(self.settings, pool, self.done):
            losses.append(self.learn(step, hr, lr))
            if self.done % report_every == 0:
                pace = len(losses) / (time.monotonic() - began)
                _log.info(
                    "step %d of %d  loss %.5f  %.1f steps/s", self.done, self.settings.steps, np.mean(losses), pace
                )
                losses, began = [], time.monotonic()
            if self.done % self.settings.save_every == 0 or self.done == self.settings.steps:
                self.save()

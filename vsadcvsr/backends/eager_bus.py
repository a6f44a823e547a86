"""Frames to the device and pictures back.

On a GPU both go through pinned memory, on a stream of their own: while a step counts, the pictures of the step before
leave and the next frames arrive. Pictures that were counted in half precision travel in fp16, which halves what crosses
the bus and is finer than they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from vsadcvsr.backends.eager_graph import Step
from vsadcvsr.nets.running import Made
from vsadcvsr.spec import Array

type Pending = Callable[[], list[Array]]
"""Waits for pictures that are on their way: fp32, new memory."""

_WAYS = 2  # a step's pictures leave while the next one's are made


class Bus(Protocol):
    """The way of one stream's frames. A `Pending` must be called before the second `hand` after its own."""

    def send(self, frames: Array, links: Array, step: Step) -> None:
        """Puts frames and links where the step reads them."""

    def hand(self, made: Made) -> Pending:
        """Sees pictures off."""


class Direct:
    """For devices that share the host's memory."""

    def send(self, frames: Array, links: Array, step: Step) -> None:
        step.frames.copy_(torch.from_numpy(np.ascontiguousarray(frames)))
        step.links.copy_(torch.from_numpy(np.ascontiguousarray(links)))

    def hand(self, made: Made) -> Pending:
        arrays = [_fetched(part) for part in made]
        return lambda: arrays


class Pinned:
    """For a GPU: copies on a side stream, while `main` counts. To be called with `main` as the current stream."""

    def __init__(self, main: torch.cuda.Stream, side: torch.cuda.Stream, handed: torch.dtype) -> None:
        self._main, self._side, self._handed = main, side, handed
        self._ways: list[_Way | None] = [None] * _WAYS
        self._turn = 0

    def send(self, frames: Array, links: Array, step: Step) -> None:
        self._turn = (self._turn + 1) % _WAYS
        way = self._ways[self._turn]
        if way is None:
            way = self._ways[self._turn] = _Way(step)
        way.arrived.synchronize()  # two steps ago: the pinned memory may be written again
        way.sent[0].numpy()[...], way.sent[1].numpy()[...] = frames, links
        self._side.wait_event(way.read)
        with torch.cuda.stream(self._side):
            for there, here in zip(way.there, way.sent, strict=True):
                there.copy_(here, non_blocking=True)
            way.arrived.record(self._side)
        self._main.wait_event(way.arrived)
        for into, there in zip((step.frames, step.links), way.there, strict=True):
            into.copy_(there)
        way.read.record(self._main)

    def hand(self, made: Made) -> Pending:
        way = self._ways[self._turn]
        assert way is not None, "what is handed back was sent"
        self._main.wait_event(way.left)
        way.take(made, self._handed)
        way.made.record(self._main)
        self._side.wait_event(way.made)
        with torch.cuda.stream(self._side):
            for here, there in zip(way.here, way.out, strict=True):
                here.copy_(there, non_blocking=True)
            way.left.record(self._side)
        return way.wait


class _Way:
    """Memory for one step's frames and pictures, on both sides, and the events that guard it."""

    def __init__(self, step: Step) -> None:
        given = (step.frames, step.links)
        self.sent = [_pinned(part, part.dtype) for part in given]
        self.there = [torch.empty(part.shape, device=part.device) for part in given]
        self.out: list[Tensor] = []
        self.here: list[Tensor] = []
        self.arrived, self.read, self.made, self.left = (_event() for _ in range(4))

    def take(self, made: Made, handed: torch.dtype) -> None:
        """Copies pictures out of the step's own memory, in the type that they are to travel in."""
        if not self.out:
            self.out = [torch.empty(part.shape, dtype=handed, device=part.device) for part in made]
            self.here = [_pinned(part, handed) for part in made]
        for out, part in zip(self.out, made, strict=True):
            out.copy_(part)

    def wait(self) -> list[Array]:
        self.left.synchronize()
        return [_fetched(part) for part in self.here]


def _fetched(tensor: Tensor) -> Array:
    """In fp32 and in memory of its own."""
    fresh = torch.empty(tensor.shape, dtype=torch.float32)
    fresh.copy_(tensor)
    return fresh.numpy()


def _pinned(like: Tensor, type: torch.dtype) -> Tensor:
    """Memory of the host that a GPU can copy from and to by itself."""
    return torch.empty(like.shape, dtype=type, pin_memory=True)


def _event() -> torch.cuda.Event:
    return torch.cuda.Event()  # type: ignore[no-untyped-call]  # torch has no types for it

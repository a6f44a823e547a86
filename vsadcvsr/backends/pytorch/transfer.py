"""Frames to the device and pictures back.

On a GPU both go through pinned memory, on a stream of their own: while a step counts, the pictures of the step before
leave and the next frames arrive. Pictures that were counted in half precision travel in fp16, which halves what crosses
the bus and is finer than they are; planes travel as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vsadcvsr.nets.step_runner import Made
from vsadcvsr.spec import Array

type Pending = Callable[[], list[Array]]
"""Waits for pictures that are on their way: fp32, new memory."""

type Codes = NDArray[np.generic]
type Sent = list[tuple[Array, Tensor]]
"""Arrays, and where they are to go on the device."""

_WAYS = 2  # a step's pictures leave while the next one's are made


class Bus(Protocol):
    """The way of one stream's frames. What `hand` gives must be called before the second `hand` after its own."""

    def send(self, sent: Sent) -> None:
        """Puts arrays where a step reads them."""

    def hand(self, made: Made) -> Pending:
        """Sees pictures off."""

    def hand_codes(self, made: Made) -> Callable[[], list[Codes]]:
        """Sees planes off, which arrive in the type that they have."""


class Direct:
    """For devices that share the host's memory."""

    def send(self, sent: Sent) -> None:
        for array, into in sent:
            into.copy_(torch.from_numpy(np.ascontiguousarray(array)))

    def hand(self, made: Made) -> Pending:
        arrays = [fetching(part, torch.float32) for part in made]
        return lambda: arrays

    def hand_codes(self, made: Made) -> Callable[[], list[Codes]]:
        arrays: list[Codes] = [fetching(part, part.dtype) for part in made]
        return lambda: arrays


class Pinned:
    """For a GPU: copies on a side stream, while `main` counts. To be called with `main` as the current stream."""

    def __init__(self, main: torch.cuda.Stream, side: torch.cuda.Stream, handed: torch.dtype) -> None:
        self._main, self._side, self._handed = main, side, handed
        self._ways = [_Way() for _ in range(_WAYS)]
        self._turn = 0

    def send(self, sent: Sent) -> None:
        self._turn = (self._turn + 1) % _WAYS
        way = self._ways[self._turn]
        way.arrived.synchronize()  # two steps ago: the pinned memory may be written again
        way.load(sent)
        self._side.wait_event(way.read)
        with torch.cuda.stream(self._side):
            for there, here in zip(way.there, way.sent, strict=True):
                there.copy_(here, non_blocking=True)
            way.arrived.record(self._side)
        self._main.wait_event(way.arrived)
        for (_, into), there in zip(sent, way.there, strict=True):
            into.copy_(there)
        way.read.record(self._main)

    def hand(self, made: Made) -> Pending:
        way = self._see_off(made, [self._handed] * len(made))
        return lambda: [fetching(part, torch.float32) for part in way.waited()]

    def hand_codes(self, made: Made) -> Callable[[], list[Codes]]:
        way = self._see_off(made, [part.dtype for part in made])
        return lambda: [fetching(part, part.dtype) for part in way.waited()]

    def _see_off(self, made: Made, types: list[torch.dtype]) -> _Way:
        way = self._ways[self._turn]
        self._main.wait_event(way.left)
        way.take(made, types)
        way.made.record(self._main)
        self._side.wait_event(way.made)
        with torch.cuda.stream(self._side):
            for here, there in zip(way.here, way.out, strict=True):
                here.copy_(there, non_blocking=True)
            way.left.record(self._side)
        return way


class _Way:
    """Memory for one step's frames and pictures, on both sides, and the events that guard it."""

    def __init__(self) -> None:
        self.sent: list[Tensor] = []
        self.there: list[Tensor] = []
        self.out: list[Tensor] = []
        self.here: list[Tensor] = []
        self.arrived, self.read, self.made, self.left = (_event() for _ in range(4))

    def load(self, sent: Sent) -> None:
        """Copies arrays into pinned memory."""
        if [part.shape for part in self.there] != [into.shape for _, into in sent]:
            self.there = [torch.empty(into.shape, device=into.device) for _, into in sent]
            self.sent = [_pinned(into, torch.float32) for _, into in sent]
        for here, (array, _) in zip(self.sent, sent, strict=True):
            here.numpy()[...] = array

    def take(self, made: Made, types: list[torch.dtype]) -> None:
        """Copies pictures out of the step's own memory, in the types that they are to travel in."""
        wanted = list(zip(made, types, strict=True))
        if [(part.shape, part.dtype) for part in self.out] != [(part.shape, type) for part, type in wanted]:
            self.out = [torch.empty(part.shape, dtype=type, device=part.device) for part, type in wanted]
            self.here = [_pinned(part, type) for part, type in wanted]
        for out, part in zip(self.out, made, strict=True):
            out.copy_(part)

    def waited(self) -> list[Tensor]:
        """What has left, once it is here; good until the next time."""
        self.left.synchronize()
        return self.here


def fetching(tensor: Tensor, type: torch.dtype) -> NDArray[Any]:
    """The same in fresh memory of the host, in another type or in its own."""
    fresh = torch.empty(tensor.shape, dtype=type)
    fresh.copy_(tensor)
    return fresh.numpy()


def _pinned(like: Tensor, type: torch.dtype) -> Tensor:
    """Memory of the host that a GPU can copy from and to by itself."""
    return torch.empty(like.shape, dtype=type, pin_memory=True)


def _event() -> torch.cuda.Event:
    return torch.cuda.Event()  # type: ignore[no-untyped-call]  # torch has no types for it

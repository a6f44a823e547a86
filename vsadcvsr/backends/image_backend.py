"""Image networks of ONNX files as backends: frame by frame, without state."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vsadcvsr.backends import check_size, closed_error, stop_sharing
from vsadcvsr.backends.host_memory import TilePlanner
from vsadcvsr.backends.image_facts import ImageFacts, Shape, ShapeOf
from vsadcvsr.color import luma
from vsadcvsr.errors import BackendError
from vsadcvsr.output import BaseAndDetail, NetworkOutput, to_rgb
from vsadcvsr.spec import Array, ModelSpec
from vsadcvsr.tiling import TileOptions

type Run = Callable[[NDArray[np.generic]], NDArray[np.generic]]
"""Computes the output for an input. Raises MemoryError or BackendError."""


def shapes_of(run: Run) -> ShapeOf:
    """The shapes of outputs, from runs on blank images."""

    def shape_of(type: str, shape: Shape) -> Shape:
        try:
            return run(np.zeros(shape, type)).shape
        except MemoryError as error:
            raise BackendError(f"no memory for an image of {shape}") from error

    return shape_of


class _State(NamedTuple):
    """A stream: its size, and how its images are computed."""

    size: tuple[int, int]
    run: Run


class ImageBackend:
    """A network that takes one frame at a time.

    `prepare` returns the function for images of a (height, width); `type` is the element type that it takes. `streams`
    images may be computed at once. Tiles are planned where there is a `planner`.
    """

    def __init__(
        self,
        facts: ImageFacts,
        spec: ModelSpec,
        label: str,
        *,
        prepare: Callable[[int, int], Run],
        type: str,
        streams: int = 1,
        planner: TilePlanner | None = None,
    ) -> None:
        self.streams = streams
        self._planner = planner
        self.spec = spec
        self.label = label
        self._facts = facts
        self._type = type
        self._prepare: Callable[[int, int], Run] | None = prepare
        self._lock = threading.Lock()

    def plan(self, height: int, width: int, requested: TileOptions | None) -> TileOptions | None:
        """See `backends.MemoryPlanner`; there is always a plan."""
        if requested or self._planner is None or self.spec.fixed_size:
            return requested
        return self._planner.plan(self, height, width)

    def start(self, height: int, width: int) -> object:
        with self._lock:
            if self._prepare is None:
                raise closed_error()
            return _State((height, width), self._prepare(height, width))

    def step(self, frames: Array, links: Array, state: object) -> tuple[NetworkOutput, object]:
        del links
        assert isinstance(state, _State)
        if self._prepare is None:
            raise closed_error()
        check_size(frames, state.size)
        images = [self._image(frame, state) for frame in frames]
        output = images[0][None] if len(images) == 1 else np.stack(images)
        return self._network_output(frames, output), state

    def _image(self, frame: Array, state: _State) -> Array:
        """The output (C, sH, sW) of a frame."""
        output = state.run(self._facts.array(frame, self._type))
        height, width = (side * self.spec.scale for side in state.size)
        if output.shape != (expected := self._facts.shape(height, width)):
            raise BackendError(f"model {self.spec.name!r} returned an array of {output.shape}, expected: {expected}")
        return self._facts.image(output)

    def _network_output(self, frames: Array, output: Array) -> NetworkOutput:
        """RGB, or the frames and the detail that a grey network adds to their luma."""
        if self._facts.channels == 3:
            return output
        plain = np.stack([luma(frame) for frame in frames])[:, None]
        detail = output[:, 0] - to_rgb(BaseAndDetail(plain, np.zeros_like(output[:, 0])))[:, 0]
        return BaseAndDetail(frames.copy(), detail)

    def close(self) -> None:
        stop_sharing(self)
        with self._lock:
            self._prepare = None

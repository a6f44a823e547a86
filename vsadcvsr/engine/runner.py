"""Sequential passes through a clip: frames through the network in order, in constant memory."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from vsadcvsr import argument_checks, output, postprocess, scenes, sharpen, steady, tiling
from vsadcvsr.backends import Backend, MemoryPlanner, PlanarBackend
from vsadcvsr.color import ColorFormat, OutputFormat
from vsadcvsr.engine.schedule import StreamPosition
from vsadcvsr.errors import BackendError, FormatError, UsageError, near_misses
from vsadcvsr.output import BaseAndDetail, NetworkOutput, OutputFrame, Planes
from vsadcvsr.spec import Array

_COLOR_FIXES = ("none", "frame")


@dataclass(frozen=True)
class InputFrame:
    """A frame for the engine."""

    pixels: Array
    """(3, H, W), RGB, 0 to 1."""
    cut: bool | None = None
    """Whether it begins a scene; None leaves that to the detector."""
    color_format: ColorFormat | None = None
    """Colour format of planar output, where `planar_output` is true."""


@dataclass(frozen=True)
class CheckedFrame:
    """An input frame after its checks; `cut` is None if the frame before it is unknown."""

    pixels: Array
    cut: bool | None
    color_format: ColorFormat | None = None


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """Options of the engine apart from the network."""

    tiles: tiling.TileOptions | None = None
    threshold: float = scenes.DEFAULT_THRESHOLD
    """Threshold of the cut detector; 0 disables it."""
    strength: float = 1.0
    """0 (bicubic interpolation) to 1 (the network)."""
    color_fix: str = "none"
    steady: float = 0.0
    """0 (each frame alone) to 1 (the mean of neighbouring outputs), see `vsadcvsr.steady`."""
    sharpen: float = 0.0
    """0 (the network's own sharpness) to 2, see `vsadcvsr.sharpen`."""
    capacity: int | None = None
    """Output frames to cache; None for a default."""

    def __post_init__(self) -> None:
        argument_checks.in_range("sc_threshold", self.threshold, (0, math.inf), "0 (no detection) or more")
        argument_checks.in_range("strength", self.strength, (0, 1), "0 (plain bicubic) to 1 (the network)")
        if self.color_fix not in _COLOR_FIXES:
            hint = near_misses(str(self.color_fix), _COLOR_FIXES)
            raise UsageError.of("color_fix", self.color_fix, ", ".join(_COLOR_FIXES), hint)
        if self.capacity is not None:
            argument_checks.at_least(1, "capacity", self.capacity, "1 or more")

    @property
    def needs_source(self) -> bool:
        """Whether postprocessing needs the source frame."""
        return self.strength != 1 or self.color_fix != "none"

    @property
    def lookahead(self) -> int:
        """Frames after frame n, and before it, that postprocessing of output n depends on."""
        return steady.RADIUS if self.steady else 0


class _LumaFrame:
    """A frame whose luma thumbnail is computed at most once."""

    def __init__(self, pixels: Array) -> None:
        self.pixels = pixels

    @cached_property
    def luma(self) -> Array:
        return scenes.luma_thumbnail(self.pixels)


class FrameChecker:
    """Checks the frames of one pass in order, and detects cuts, each from two successive frames only."""

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self._previous: _LumaFrame | None = None

    def check(self, item: InputFrame | Array) -> CheckedFrame:
        """The frame, if valid. Raises FormatError."""
        frame = item if isinstance(item, InputFrame) else InputFrame(item)
        pixels = frame.pixels
        if pixels.ndim != 3 or pixels.shape[0] != 3 or not pixels.size or pixels.dtype != np.float32:
            raise FormatError(f"a frame is {pixels.dtype} {pixels.shape}, allowed: float32 (3, height, width)")
        previous, self._previous = self._previous, _LumaFrame(pixels)
        if previous and previous.pixels.shape != pixels.shape:
            raise FormatError(
                f"a frame is {_size(pixels)}, the ones before it {_size(previous.pixels)}; resize all to one size"
            )
        if not np.isfinite(pixels).all():
            raise FormatError("a frame has NaN or infinity among its pixels; give numbers from 0 to 1")
        return CheckedFrame(pixels, self._begins_scene(frame.cut, previous, self._previous), frame.color_format)

    def _begins_scene(self, cut: bool | None, previous: _LumaFrame | None, current: _LumaFrame) -> bool | None:
        if cut is not None or previous is None:
            return cut
        return self.threshold > 0 and scenes.scene_distance(previous.luma, current.luma) > self.threshold


def planar_output(backend: Backend, options: EngineOptions, size: tuple[int, int], color_format: ColorFormat) -> bool:
    """Whether output for (height, width) frames comes as planes: the backend supports it, and frames are not tiled.

    Raises BackendError if there is not enough memory.
    """
    return _makes_planes(backend, options, color_format) and len(_tile_layout(backend, size, options.tiles)) == 1


def _makes_planes(backend: Backend, options: EngineOptions, color_format: ColorFormat) -> bool:
    supported = isinstance(backend, PlanarBackend) and backend.planar_output and color_format.has_linear_matrix
    return supported and not options.steady and not options.sharpen


def _tile_layout(backend: Backend, size: tuple[int, int], tiles: tiling.TileOptions | None) -> tiling.TileLayout:
    if isinstance(backend, MemoryPlanner):
        tiles = backend.plan(*size, tiles)
    return tiling.plan_tiles(backend.spec, *size, tiles)


class StreamRunner:
    """One pass through a clip, with its `position`. Its memory does not grow."""

    def __init__(
        self, backend: Backend, options: EngineOptions, position: StreamPosition, checker: FrameChecker
    ) -> None:
        self.position = position
        self.checker = checker
        self.pending: deque[CheckedFrame] = deque()
        """Frames that were fetched and are fed first."""
        self._backend = backend
        self._options = options
        self._pending_sources: deque[Array] = deque()
        """Source frames of outputs that are still to come, if postprocessing needs them."""
        self._tiles: _TiledNetwork | None = None
        self._stabilizer = steady.Stabilizer(options.steady) if options.steady else None

    def feed(self, frame: CheckedFrame) -> tuple[int, OutputFrame] | None:
        """Feeds frame `position.next_input`: the number and the frame of the output, None during warm-up."""
        if self._options.needs_source:
            self._pending_sources.append(frame.pixels)
        linked = frame.cut is False and self.position.next_input > self.position.start
        return self._step(frame.pixels, linked=linked, color_format=frame.color_format)

    def flush(self) -> tuple[int, OutputFrame] | None:
        """Feeds a blank frame, after the last one."""
        return self._step(None, linked=False, color_format=None)

    def _step(
        self, frame: Array | None, *, linked: bool, color_format: ColorFormat | None
    ) -> tuple[int, OutputFrame] | None:
        try:
            if self._tiles is None:
                assert frame is not None, "a pass begins with a frame"
                self._tiles = _TiledNetwork(self._backend, frame, self._options.tiles)
            if self._stabilizer:
                return self._stabilized_step(self._tiles, self._stabilizer, frame, linked=linked)
            result = self._tiles.step(
                frame, linked=linked, output_format=self._output_format(self._tiles, color_format)
            )
            number = self.position.advance()
            return None if number is None else (number, self._postprocess(number, result))
        except MemoryError as error:
            raise BackendError(self._out_of_memory()) from error

    def _stabilized_step(
        self, tiles: _TiledNetwork, stabilizer: steady.Stabilizer, frame: Array | None, *, linked: bool
    ) -> tuple[int, OutputFrame] | None:
        """As `_step`, with whole frames of the network's output going through the stabilizer."""
        if frame is not None:
            stabilizer.add_source(frame, linked=linked)
        is_late = self.position.next_input - self._backend.spec.lookahead < self.position.start
        if frame is not None or stabilizer.is_waiting:
            result = tiles.step(frame, linked=linked, output_format=None)
            assert not isinstance(result, Planes), "no output format was given"
            if not is_late:
                stabilizer.add_output(result)
        else:
            stabilizer.end()
        number = self.position.advance()
        if number is None:
            return None
        is_valid = number >= self.position.first_valid
        return number, self._postprocess(number, stabilizer.result() if is_valid else stabilizer.middle)

    def _output_format(self, tiles: _TiledNetwork, color_format: ColorFormat | None) -> OutputFormat | None:
        options = self._options
        if color_format is None or len(tiles.layout) > 1 or not _makes_planes(self._backend, options, color_format):
            return None
        return OutputFormat(
            color_format=color_format, height=tiles.height, width=tiles.width, scale=self._backend.spec.scale,
            strength=options.strength, color_fix=options.color_fix,
        )  # fmt: skip

    def _postprocess(self, number: int, result: OutputFrame) -> OutputFrame:
        source = self._pending_sources.popleft() if self._options.needs_source else None
        if number < self.position.first_valid:
            return result
        if isinstance(result, (Planes, BaseAndDetail)):
            postprocess.check(result)
        if self._options.sharpen:
            assert not isinstance(result, Planes), "no output format was given"
            result = sharpen.sharpened(result, self._options.sharpen)
        if source is None or isinstance(result, Planes):
            return result
        frame = output.to_rgb(result)
        if self._options.color_fix == "frame":
            frame = postprocess.match_statistics(frame, source)
        if self._options.strength != 1:
            frame = postprocess.blend_strength(frame, source, self._options.strength)
        return frame

    def _out_of_memory(self) -> str:
        spec, tiles = self._backend.spec, self._options.tiles
        if tiles:
            size, pad = (tiles.width, tiles.height), tiles.pad
        else:
            assert self._tiles is not None, "planning allocates no frames"
            row, column = next(iter(self._tiles.layout))  # the whole frame, unless the backend chose tiles
            size, pad = (column.end - column.begin, row.end - row.begin), tiling.default_pad(spec)
        smaller = tiling.smaller_tile(spec, size, pad)
        advice = f"try tile=[{smaller[0]}, {smaller[1]}]" if smaller else "no smaller tiles are allowed"
        what = f"{size[0]}x{size[1]} pixels at a time ({self._backend.label})"
        return f"no memory for model {spec.name!r} on {what}; {advice}"


class _TiledNetwork:
    """The network over whole frames, with one state per tile."""

    def __init__(self, backend: Backend, frame: Array, tiles: tiling.TileOptions | None) -> None:
        self.height, self.width = frame.shape[1:]
        self.layout = _tile_layout(backend, (self.height, self.width), tiles)
        self._backend = backend
        self._states: list[object] = []

    def step(self, frame: Array | None, *, linked: bool, output_format: OutputFormat | None) -> OutputFrame:
        """The next output at the size of whole frames; None feeds a blank frame. `output_format` is for the output of
        the frame that is fed.
        """
        if not self._states:
            sizes = [(row.end - row.begin, column.end - column.begin) for row, column in self.layout]
            self._states = [self._backend.start(height, width) for height, width in sizes]
        padded = np.zeros((3, self.layout.height, self.layout.width), np.float32) if frame is None else self._pad(frame)
        links = np.array([linked], np.float32)
        if len(self.layout) > 1:
            return self._crop(self._run_tiles(padded, links))
        if not isinstance(self._backend, PlanarBackend):
            return self._crop(self._run_tile(padded, links, 0))
        result, self._states[0] = self._backend.planar_step(_batch(padded), links, self._states[0], output_format)
        return result if isinstance(result, Planes) else self._crop(output.select(result, 0))

    def _crop(self, result: NetworkOutput) -> NetworkOutput:
        return output.cropped(result, self.height, self.width, self._backend.spec.scale)

    def _run_tiles(self, padded: Array, links: Array) -> NetworkOutput:
        canvases: tuple[Array, ...] = ()
        for index in range(len(self.layout)):
            result = self._run_tile(self.layout.crop(padded, index), links, index)
            arrays = output.arrays(result)
            canvases = canvases or tuple(map(self.layout.canvas, arrays))
            for canvas, array in zip(canvases, arrays, strict=True):
                self.layout.add(canvas, index, array)
        return BaseAndDetail(*canvases) if len(canvases) > 1 else canvases[0]

    def _run_tile(self, tile: Array, links: Array, index: int) -> NetworkOutput:
        result, self._states[index] = self._backend.step(_batch(tile), links, self._states[index])
        return output.select(result, 0)

    def _pad(self, frame: Array) -> Array:
        below, right = self.layout.height - self.height, self.layout.width - self.width
        padded: Array = np.pad(frame, ((0, 0), (0, below), (0, right)), mode="edge") if below or right else frame
        return padded


def _batch(frame: Array) -> Array:
    return np.ascontiguousarray(frame)[None]


def _size(pixels: Array) -> str:
    return f"{pixels.shape[2]}x{pixels.shape[1]}"

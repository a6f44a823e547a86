"""Conversion between VapourSynth frames and engine frames, and the frame callback."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import vapoursynth as vs

from vsadcvsr import postprocess
from vsadcvsr.color import ColorFormat
from vsadcvsr.engine import EndOfClip, Engine, InputFrame
from vsadcvsr.errors import AdcvsrError, one_line
from vsadcvsr.output import BaseAndDetail, OutputFrame, Plane, Planes
from vsadcvsr.plugin.reconstruct import BASE_PROPERTY
from vsadcvsr.spec import Array

UNBOUNDED = range(60_000_000, (1 << 31) - 1)
"""The lengths of clips without a known end (mpv declares 134 million frames): their frames past the real end fail.

The next length is that of std.Loop, whose frames do not.
"""

FAILURES = 64
"""Source frames that failed of which the numbers are kept, the latest ones."""

_UNLIMITED_MIB = 1 << 30
"""More MiB than any machine has."""

_log = logging.getLogger(__name__)
_waiting_cores: WeakKeyDictionary[vs.Core, tuple[int, int]] = WeakKeyDictionary()
"""Cores with callbacks that wait: how many, and the memory limit to restore."""
_limit_lock = threading.Lock()


@contextmanager
def _no_memory_limit() -> Iterator[None]:
    """Lifts the core's memory limit while a callback waits for a frame: above it the core starts no filter that
    allocates as long as another filter runs, and the waiting one does. Only clips of unknown length need it.
    """
    core = vs.core.core
    with _limit_lock:
        count, limit = _waiting_cores.get(core, (0, core.max_cache_size))
        _waiting_cores[core] = count + 1, limit
        core.max_cache_size = _UNLIMITED_MIB
    try:
        yield
    finally:
        with _limit_lock:
            count, limit = _waiting_cores.pop(core)
            if count > 1:
                _waiting_cores[core] = count - 1, limit
            else:
                core.max_cache_size = limit


def message(error: BaseException) -> str:
    """An error as VapourSynth shows it."""
    return f"Upscale: {one_line(error)}"


def pixels_of(frame: vs.VideoFrame) -> Array:
    """An RGBS frame as the engine takes it; a copy."""
    pixels = np.empty((3, frame.height, frame.width), np.float32)
    for plane in range(3):
        np.copyto(pixels[plane], np.asarray(frame[plane]))
    return pixels


def output_frame(output: OutputFrame, planar_format: int | None = None) -> vs.VideoFrame:
    """A new frame of an engine output: RGBS, clamped, without properties; detail as GRAYS with its base as a property;
    planes in the format `planar_format`. Raises BackendError if the network produced NaN.
    """
    if isinstance(output, Planes):
        assert planar_format is not None, "planes come where they were asked for"
        return _new_frame(planar_format, output.planes)
    if not isinstance(output, BaseAndDetail):
        frame = vs.core.create_video_frame(vs.RGBS, output.shape[2], output.shape[1])
        postprocess.copy_clamped(output, [np.asarray(frame[index]) for index in range(3)])
        return frame
    frame = _new_frame(vs.GRAYS, (output.detail,))
    frame.props[BASE_PROPERTY] = _new_frame(vs.RGBS, tuple(output.base))
    return frame


def engine_format(engine: Engine) -> int:
    """The format of the engine's output frames."""
    return int(vs.GRAYS if engine.split_output else vs.RGBS)


def _new_frame(format: int, planes: Sequence[Plane]) -> vs.VideoFrame:
    frame = vs.core.create_video_frame(format, planes[0].shape[1], planes[0].shape[0])
    for index, plane in enumerate(planes):
        np.copyto(np.asarray(frame[index]), plane)
    return frame


def input_frame(frame: vs.VideoFrame, color_format: ColorFormat | None = None) -> InputFrame:
    """A frame for the engine, with its scene change property and the format of its output."""
    cut = frame.props.get("_SceneChangePrev")
    return InputFrame(pixels_of(frame), bool(cut) if isinstance(cut, int) else None, color_format)


class PlanarOutput(NamedTuple):
    """Planar output of the engine."""

    format: int
    """Format id of the planes."""
    color_format: Callable[[vs.VideoFrame], ColorFormat | None]
    """Colour format for each source frame; None if VapourSynth has to convert."""


class FrameRenderer:
    """The frame callback: renders the output of one clip, one request at a time."""

    def __init__(
        self, clip: vs.VideoNode, engine: Engine, planar: PlanarOutput | None = None, failed: Iterable[int] = ()
    ) -> None:
        self.clip = clip
        self.engine = engine
        self.planar = planar
        self.failed = failed
        """Frames of the clip that failed, the latest ones."""
        # Two filters may ask. It is never held while a frame is waited for; engines of several streams need none.
        self._lock: AbstractContextManager[object] = threading.Lock() if engine.streams == 1 else nullcontext()

    def __call__(
        self, n: int, numbers: int | Sequence[int], frames: vs.VideoFrame | Sequence[vs.VideoFrame], attempt: int = 0
    ) -> dict[str, vs.VideoFrame | str | list[int]]:
        """Output n, given the source frames that have arrived and their numbers (a single one has no list); or the
        numbers of frames to request first, after which this is called again with `attempt` increased.
        """
        present = {numbers: frames} if isinstance(numbers, int) else dict(zip(numbers, frames, strict=True))
        window = FrameWindow(self.clip, n, present, self._input_frame)
        try:
            result = self._render(n, window, attempt)
            while isinstance(result, list) and (self.clip.num_frames in UNBOUNDED or not result):
                window.wait_for(result)
                attempt += 1
                result = self._render(n, window, attempt)
            if isinstance(result, list):
                return {"request": result}
            return {"frame": output_frame(result, self.planar.format if self.planar else None)}
        except (AdcvsrError, vs.Error) as error:
            _log.debug("frame %d failed", n, exc_info=True)
            return {"error": message(error)}
        except MemoryError:
            return {"error": f"Upscale: no memory for frame {n}; try tile=[256, 256], or smaller ones"}

    def _render(self, n: int, window: FrameWindow, attempt: int) -> OutputFrame | list[int]:
        """Output n, or the numbers of the frames that it needs first."""
        with self._lock:
            if missing := self._missing_frames(n, window, attempt):
                return missing
            try:
                return self.engine.output(n, window.fetch)
            except _MissingFrameError:  # a frame was lost, so that the engine begins again
                return window.missing(self.engine.context_frames(n))

    def _missing_frames(self, n: int, window: FrameWindow, attempt: int) -> list[int]:
        """Frames still missing for output n. The engine may have moved on while frames were fetched; so from the second
        attempt on, all frames that output n can depend on are requested, from which it can be rendered in any case.
        """
        needed, context_frames = self.engine.needed_frames(n), self.engine.context_frames(n)
        if any(i in needed and i not in context_frames for i in [*self.failed]):  # else output n would fail, too
            self.engine.reset()
            needed = context_frames
        missing = window.missing(needed)
        if not missing or not attempt:
            return missing
        if context := window.missing(context_frames):
            return context
        self.engine.reset()
        return []

    def _input_frame(self, frame: vs.VideoFrame) -> InputFrame:
        return input_frame(frame, self.planar.color_format(frame) if self.planar else None)

    def __del__(self) -> None:
        self.engine.close()


class _MissingFrameError(Exception):
    """A frame is neither present nor known to be unavailable."""


class FrameWindow:
    """The source frames around output n: those present, and those known to be unavailable."""

    def __init__(
        self,
        clip: vs.VideoNode,
        n: int,
        frames: dict[int, vs.VideoFrame],
        source_of: Callable[[vs.VideoFrame], InputFrame] = input_frame,
    ) -> None:
        self.clip = clip
        self.n = n
        self.frames = frames
        self.unavailable: set[int] = set()
        self._to_input = source_of

    def missing(self, numbers: range) -> list[int]:
        """Frames of the clip that are neither present nor unavailable."""
        return [i for i in numbers if i < self.clip.num_frames and i not in self.frames and i not in self.unavailable]

    def fetch(self, i: int) -> InputFrame:
        """Source frame i; raises EndOfClip past the last one, and if a player has dropped it."""
        if i >= self.clip.num_frames or i in self.unavailable:
            raise EndOfClip
        if i not in self.frames:
            raise _MissingFrameError
        return self._to_input(self.frames[i])

    def wait_for(self, numbers: Sequence[int]) -> None:
        """Waits for frames of a clip of unknown length; those that fail are unavailable, as are all after one past n.
        """
        for index, i in enumerate(numbers):
            try:
                with _no_memory_limit():
                    self.frames[i] = self.clip.get_frame(i)
            except vs.Error:
                self.unavailable |= {*numbers[index:]} if i > self.n else {i}
            if i in self.unavailable and i > self.n:
                return

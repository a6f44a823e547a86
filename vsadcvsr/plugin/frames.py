"""Frames of VapourSynth to frames of the engine and back, one request at a time."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import vapoursynth as vs

from vsadcvsr.color import Encoding
from vsadcvsr.engine import EndOfClip, Engine, Source
from vsadcvsr.errors import AdcvsrError, one_line
from vsadcvsr.output import Finished, Parts, Plane, Planes
from vsadcvsr.plugin.reconstruct import BASE
from vsadcvsr.spec import Array

UNBOUNDED = range(60_000_000, (1 << 31) - 1)
"""The lengths of clips without a known end (mpv declares 134 million frames): their frames past the real end fail.

The next length is that of std.Loop, whose frames do not.
"""

_NO_LIMIT = 1 << 30
"""More MiB than any machine has."""

_log = logging.getLogger(__name__)
_lifted: WeakKeyDictionary[vs.Core, tuple[int, int]] = WeakKeyDictionary()  # callbacks that wait, the limit before
_lifting = threading.Lock()


@contextmanager
def _no_memory_limit() -> Iterator[None]:
    """The core's memory limit is lifted, while a callback waits for a frame: above it the core starts no filter that
    allocates as long as another filter runs, and the waiting one does. Only clips without an end need it.
    """
    core = vs.core.core
    with _lifting:
        count, limit = _lifted.get(core, (0, core.max_cache_size))
        _lifted[core] = count + 1, limit
        core.max_cache_size = _NO_LIMIT
    try:
        yield
    finally:
        with _lifting:
            count, limit = _lifted.pop(core)
            if count > 1:
                _lifted[core] = count - 1, limit
            else:
                core.max_cache_size = limit


def message(error: BaseException) -> str:
    """What VapourSynth is to show of an error."""
    return f"Upscale: {one_line(error)}"


def pixels_of(frame: vs.VideoFrame) -> Array:
    """An RGBS frame in the house format; a copy."""
    pixels = np.empty((3, frame.height, frame.width), np.float32)
    for plane in range(3):
        np.copyto(pixels[plane], np.asarray(frame[plane]))
    return pixels


def frame_of(picture: Finished, ready: int | None = None) -> vs.VideoFrame:
    """A new frame of a picture: whole, RGBS without properties; in parts, the detail as GRAYS with its base; in planes,
    these in the format `ready`.
    """
    if isinstance(picture, Planes):
        assert ready is not None, "planes come where they were asked for"
        return _filled(ready, picture.planes)
    if not isinstance(picture, Parts):
        return _filled(vs.RGBS, tuple(picture))
    frame = _filled(vs.GRAYS, (picture.detail,))
    frame.props[BASE] = _filled(vs.RGBS, tuple(picture.base))
    return frame


def format_of(engine: Engine) -> int:
    """The format of the frames that the engine's pictures become."""
    return int(vs.GRAYS if engine.parts else vs.RGBS)


def _filled(format: int, planes: Sequence[Plane]) -> vs.VideoFrame:
    frame = vs.core.create_video_frame(format, planes[0].shape[1], planes[0].shape[0])
    for index, plane in enumerate(planes):
        np.copyto(np.asarray(frame[index]), plane)
    return frame


def source_of(frame: vs.VideoFrame, encoding: Encoding | None = None) -> Source:
    """A frame and what the clip says of a cut before it; and how its picture is to be encoded."""
    cut = frame.props.get("_SceneChangePrev")
    return Source(pixels_of(frame), bool(cut) if isinstance(cut, int) else None, encoding)


class Ready(NamedTuple):
    """Planes that the engine is to make: the id of their format, and what `encoding` each source frame asks for, None
    where its picture is left to VapourSynth.
    """

    format: int
    encoding: Callable[[vs.VideoFrame], Encoding | None]


class Screening:
    """The pictures of one clip, made when the plugin's filter asks for them; one request at a time."""

    def __init__(self, clip: vs.VideoNode, engine: Engine, ready: Ready | None = None) -> None:
        self.clip = clip
        self.engine = engine
        self.ready = ready
        self._lock = threading.Lock()  # two filters may ask; it is never held while a frame is waited for

    def __call__(
        self, n: int, at: int | Sequence[int], frames: vs.VideoFrame | Sequence[vs.VideoFrame], again: int = 0
    ) -> dict[str, vs.VideoFrame | str | list[int]]:
        """Picture n, given the source frames that have arrived and their numbers (a lone one has no list); or the
        numbers of those that have to be requested first, after which this is called `again`.
        """
        held = {at: frames} if isinstance(at, int) else dict(zip(at, frames, strict=True))
        window = Window(self.clip, n, held, self._source)
        try:
            made = self._attempt(n, window, again)
            while isinstance(made, list) and (self.clip.num_frames in UNBOUNDED or not made):
                window.pull(made)
                again += 1
                made = self._attempt(n, window, again)
            if isinstance(made, list):
                return {"request": made}
            return {"frame": frame_of(made, self.ready.format if self.ready else None)}
        except (AdcvsrError, vs.Error) as error:
            _log.debug("frame %d failed", n, exc_info=True)
            return {"error": message(error)}
        except MemoryError:
            return {"error": f"Upscale: no memory for frame {n}; try tile=[256, 256], or smaller ones"}

    def _attempt(self, n: int, window: Window, again: int) -> Finished | list[int]:
        """Picture n, or the numbers of the frames that it needs first."""
        with self._lock:
            if missing := self._missing(n, window, again):
                return missing
            try:
                return self.engine.picture(n, window.fetch)
            except _NotThereError:  # a frame was lost, so that the engine begins anew
                return window.absent(self.engine.surroundings(n))

    def _missing(self, n: int, window: Window, again: int) -> list[int]:
        """What is still needed for picture n. The engine may have moved on to other pictures while frames were fetched;
        so the second time all that picture n can depend on is asked for, from which it can be made in any case.
        """
        missing = window.absent(self.engine.needed(n))
        if not missing or not again:
            return missing
        if around := window.absent(self.engine.surroundings(n)):
            return around
        self.engine.rewind()
        return []

    def _source(self, frame: vs.VideoFrame) -> Source:
        return source_of(frame, self.ready.encoding(frame) if self.ready else None)

    def __del__(self) -> None:
        self.engine.close()


class _NotThereError(Exception):
    """A frame is neither held nor known to be lost."""


class Window:
    """The source frames around picture n: those that are held, and those known to be lost."""

    def __init__(
        self,
        clip: vs.VideoNode,
        n: int,
        held: dict[int, vs.VideoFrame],
        source_of: Callable[[vs.VideoFrame], Source] = source_of,
    ) -> None:
        self.clip = clip
        self.n = n
        self.held = held
        self.lost: set[int] = set()
        self._source_of = source_of

    def absent(self, wanted: range) -> list[int]:
        """The frames of the clip that are neither held nor lost."""
        return [i for i in wanted if i < self.clip.num_frames and i not in self.held and i not in self.lost]

    def fetch(self, i: int) -> Source:
        """Source frame i; raises EndOfClip past the last one, and where a player has thrown it away."""
        if i >= self.clip.num_frames or i in self.lost:
            raise EndOfClip
        if i not in self.held:
            raise _NotThereError
        return self._source_of(self.held[i])

    def pull(self, wanted: Sequence[int]) -> None:
        """Waits for frames of a clip without a known end; those that fail are lost, as are all after one past n."""
        for place, i in enumerate(wanted):
            try:
                with _no_memory_limit():
                    self.held[i] = self.clip.get_frame(i)
            except vs.Error:
                self.lost |= {*wanted[place:]} if i > self.n else {i}
            if i in self.lost and i > self.n:
                return

"""Frames on the pipes between FFmpeg and us: NUT with raw video, which keeps pixels and timestamps exactly.

Everything else that a frame has to say is read from `shown` and put back into the frame.
"""

from __future__ import annotations

import queue
from collections.abc import Generator, Iterator
from fractions import Fraction
from typing import Protocol

import av

from ffmpeg_filter.shown import LOCATIONS, MATRICES, PRIMARIES, TRANSFERS, Shown
from vsadcvsr.errors import MediaError

_UNSPECIFIED = 2
_RANGES = {"tv": 1, "pc": 2}
_PATIENCE = 60.0
"""Seconds to wait for the words on a frame that has come: they are written first, but read on another thread."""


class Ratio(Protocol):
    """A ratio of PyAV's: Python's own, or one of theirs from PyAV 19 on."""

    @property
    def numerator(self) -> int: ...

    @property
    def denominator(self) -> int: ...


class Words:
    """What has been said of frames that have not come yet. Filled on one thread, read on another."""

    def __init__(self) -> None:
        self._said: queue.SimpleQueue[Shown] = queue.SimpleQueue()
        self._held: Shown | None = None

    def put(self, shown: Shown) -> None:
        self._said.put(shown)

    def of(self, time: Fraction | None, tick: Fraction) -> Shown:
        """The words on the frame at `time` (seconds), given the pipe's tick.

        Words on frames before it are dropped. Where timestamps were not in order, the pipe has changed them: then those
        next to it must do.
        """
        shown, self._held = self._held or self._next(_PATIENCE), None
        while shown is not None and time is not None and _time(shown, time) <= time - tick:
            following = self._next(0)
            if following is None:
                return shown
            shown = following
        if shown is None:
            raise MediaError("the decoder sent a frame and no word on it: please report its command")
        if time is not None and _time(shown, time) >= time + tick:
            self._held = shown
        return shown

    def _next(self, patience: float) -> Shown | None:
        try:
            return self._said.get(timeout=patience) if patience else self._said.get_nowait()
        except queue.Empty:
            return None


def _time(shown: Shown, otherwise: Fraction) -> Fraction:
    return otherwise if shown.pts is None else shown.pts * shown.time_base


def read(descriptor: int, words: Words) -> Generator[tuple[av.VideoFrame, Shown]]:
    """The frames that a decoder writes into a pipe, dressed again, with what was said of each. Ends where they end.

    Raises MediaError for a stream that cannot be read on.
    """
    try:
        source = av.open(f"pipe:{descriptor}", format="nut")
    except (av.FFmpegError, EOFError):
        return  # the decoder ended without a frame, and its status says why
    with source:
        for frame in _decoded(source):
            tick = exact(frame.time_base) or Fraction(1, 90000)
            time = None if frame.pts is None else frame.pts * tick
            shown = words.of(time, tick)
            if time is not None and shown.pts is not None and abs(_time(shown, time) - time) < tick:
                frame.pts, frame.time_base = shown.pts, shown.time_base
                frame.duration = shown.duration or 0
            _dress(frame, shown)
            yield frame, shown


def _decoded(source: av.container.InputContainer) -> Iterator[av.VideoFrame]:
    try:
        yield from source.decode(video=0)
    except av.FFmpegError as error:
        raise MediaError(f"the decoder's pictures break off: {error}") from error


def exact(ratio: Ratio | None) -> Fraction | None:
    """A ratio as Python's own."""
    return Fraction(ratio.numerator, ratio.denominator) if ratio else None


def _dress(frame: av.VideoFrame, shown: Shown) -> None:
    """Gives a frame its colours again."""
    frame.colorspace = MATRICES.get(shown.matrix or "", _UNSPECIFIED)
    frame.color_primaries = PRIMARIES.get(shown.primaries or "", _UNSPECIFIED)
    frame.color_trc = TRANSFERS.get(shown.transfer or "", _UNSPECIFIED)
    frame.color_range = _RANGES.get(shown.range or "", 0)
    if hasattr(frame, "chroma_location"):  # PyAV 19 and later
        frame.chroma_location = LOCATIONS[shown.location] + 1 if shown.location else 0


class Writer:
    """Frames into a pipe that an encoder reads."""

    def __init__(self, descriptor: int, first: av.VideoFrame, rate: Fraction | None) -> None:
        self._file = av.open(f"pipe:{descriptor}", "w", format="nut")
        self._stream = self._file.add_stream("rawvideo", rate=rate or Fraction(25))
        context = self._stream.codec_context
        context.width, context.height, context.pix_fmt = first.width, first.height, first.format.name
        context.time_base = self._stream.time_base = exact(first.time_base) or Fraction(1, 90000)

    def write(self, frame: av.VideoFrame) -> None:
        """Raises BrokenPipeError (or another OSError of the pipe) when the encoder reads no more."""
        for packet in self._stream.encode(frame):
            self._file.mux(packet)

    def close(self) -> None:
        """Ends the film. Without it, the encoder sees a torn one."""
        for packet in self._stream.encode(None):
            self._file.mux(packet)
        self._file.close()

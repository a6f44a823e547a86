"""Frames from the first FFmpeg: raw video through a pipe, with what `showinfo` says of each on standard error."""

from __future__ import annotations

import queue
from collections.abc import Callable, Generator
from io import FileIO

import av

from ffmpeg_filter.packing import filled
from ffmpeg_filter.shown import LOCATIONS, MATRICES, PRIMARIES, TRANSFERS, Shown
from vsadcvsr.errors import MediaError

_UNSPECIFIED = 2
_RANGES = {"tv": 1, "pc": 2}
_PATIENCE = 60.0
"""Seconds to wait for the words on a frame that has come: they are written first, but read on another thread."""


class Words:
    """What has been said of frames that have not come yet. Filled on one thread, read on another."""

    def __init__(self) -> None:
        self._said: queue.SimpleQueue[Shown] = queue.SimpleQueue()

    def put(self, shown: Shown) -> None:
        self._said.put(shown)

    def next(self) -> Shown:
        """The words on the next frame, which has come. Raises MediaError where there are none."""
        try:
            return self._said.get(timeout=_PATIENCE)
        except queue.Empty:
            raise MediaError("the decoder sent a frame and no word on it: please report its command") from None


def is_no_complaint(line: str) -> bool:
    """Whether a decoder's line is information, or a warning of times that raw video does not mind."""
    return "[info]" in line or "non monotonically increasing dts" in line


def read(descriptor: int, words: Words) -> Generator[tuple[av.VideoFrame, Shown]]:
    """The frames that a decoder writes into a pipe, with what was said of each. Ends where they end.

    All have the first one's size and format, whatever is said of later ones: FFmpeg scales them. Raises MediaError for
    a stream that ends within a frame.
    """
    first: Shown | None = None
    pipe = FileIO(descriptor, closefd=False)
    while begun := pipe.read(1):
        shown = words.next()
        first = first or shown
        frame = filled(first.width, first.height, first.format, _reader(pipe, begun))
        _describe(frame, shown)
        yield frame, shown


def _reader(pipe: FileIO, begun: bytes) -> Callable[[memoryview], None]:
    """Fills buffers from a pipe, what was read before first."""
    left = begun

    def fill(buffer: memoryview) -> None:
        nonlocal left
        at = len(left)
        buffer[:at] = left
        left = b""
        while at < len(buffer):
            count = pipe.readinto(buffer[at:])
            if not count:
                raise MediaError("the decoder's pictures break off within a frame")
            at += count

    return fill


def _describe(frame: av.VideoFrame, shown: Shown) -> None:
    """Gives a frame its time and colours again."""
    frame.pts, frame.time_base, frame.duration = shown.pts, shown.time_base, shown.duration or 0
    frame.colorspace = MATRICES.get(shown.matrix or "", _UNSPECIFIED)
    frame.color_primaries = PRIMARIES.get(shown.primaries or "", _UNSPECIFIED)
    frame.color_trc = TRANSFERS.get(shown.transfer or "", _UNSPECIFIED)
    frame.color_range = _RANGES.get(shown.range or "", 0)
    if hasattr(frame, "chroma_location"):  # PyAV 19 and later
        frame.chroma_location = LOCATIONS[shown.location] + 1 if shown.location else 0

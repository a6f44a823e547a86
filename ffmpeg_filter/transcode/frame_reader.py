"""Frames from the first FFmpeg: raw video through a pipe, with what `showinfo` says of each on standard error."""

from __future__ import annotations

import queue
from collections.abc import Generator
from io import FileIO

import av

from ffmpeg_filter.media.rawvideo import filled
from ffmpeg_filter.media.showinfo import LOCATIONS, MATRICES, PRIMARIES, TRANSFERS, Shown
from vsadcvsr.errors import MediaError

_UNSPECIFIED = 2
_RANGES = {"tv": 1, "pc": 2}
_PATIENCE = 1.0
"""Seconds until more of a frame is read without the words on it: they are written first, but read on another thread."""
_AHEAD = 1 << 20
"""Bytes that are then read at a time."""


class Words:
    """What has been said of frames that have not come yet. Filled on one thread, read on another."""

    def __init__(self) -> None:
        self._said: queue.SimpleQueue[Shown | None] = queue.SimpleQueue()
        self._count = 0

    def put(self, shown: Shown) -> None:
        self._said.put(shown)

    def end(self) -> None:
        """Nothing more will be said."""
        self._said.put(None)

    def next(self) -> Shown | None:
        """The words on the next frame, which has come; None where they may still come. Raises MediaError where what
        was said next is of another frame, or was the last.
        """
        try:
            shown = self._said.get(timeout=_PATIENCE)
        except queue.Empty:
            return None
        if shown is None or shown.number not in {0, self._count}:
            raise MediaError("the decoder sent a frame and no word on it: please report its command")
        self._count = shown.number + 1
        return shown


_OF_THE_PIPE = ("non monotonically increasing dts", "The bitrate parameter is set too low")
"""Warnings of times that raw video does not mind, and of the few bits in small frames of it."""


def is_no_complaint(line: str) -> bool:
    """Whether a decoder's line is information, or a warning of its output, which is a pipe to us."""
    return "[info]" in line or any(words in line for words in _OF_THE_PIPE)


def read(descriptor: int, words: Words) -> Generator[tuple[av.VideoFrame, Shown]]:
    """The frames that a decoder writes into a pipe, with what was said of each. Ends where they end.

    All have the first one's size and format, whatever is said of later ones: FFmpeg scales them. Raises MediaError for
    a stream that ends within a frame.
    """
    first: Shown | None = None
    pipe = _Pipe(descriptor)
    while pipe.look(1):
        while (shown := words.next()) is None:
            pipe.look(_AHEAD)  # a decoder that waits for room goes on, to the words on a later frame or to its end
        first = first or shown
        frame = filled(first.width, first.height, first.format, pipe.fill)
        _describe(frame, shown)
        yield frame, shown


class _Pipe:
    """A pipe of which some may be read before it is wanted."""

    def __init__(self, descriptor: int) -> None:
        self._file = FileIO(descriptor, closefd=False)
        self._ahead = bytearray()

    def look(self, count: int) -> bool:
        """Reads up to `count` bytes for later; whether there are any."""
        if count > 1 or not self._ahead:
            self._ahead += self._file.read(count) or b""
        return bool(self._ahead)

    def fill(self, buffer: memoryview) -> None:
        """Fills a buffer. Raises MediaError at the end."""
        at = min(len(buffer), len(self._ahead))
        buffer[:at] = self._ahead[:at]
        del self._ahead[:at]
        while at < len(buffer):
            count = self._file.readinto(buffer[at:])
            if not count:
                raise MediaError("the decoder's pictures break off within a frame")
            at += count


def _describe(frame: av.VideoFrame, shown: Shown) -> None:
    """Gives a frame its time and colours again."""
    frame.pts, frame.time_base, frame.duration = shown.pts, shown.time_base, shown.duration or 0
    frame.colorspace = MATRICES.get(shown.matrix or "", _UNSPECIFIED)
    frame.color_primaries = PRIMARIES.get(shown.primaries or "", _UNSPECIFIED)
    frame.color_trc = TRANSFERS.get(shown.transfer or "", _UNSPECIFIED)
    frame.color_range = _RANGES.get(shown.range or "", 0)
    if hasattr(frame, "chroma_location"):  # PyAV 19 and later
        frame.chroma_location = LOCATIONS[shown.location] + 1 if shown.location else 0

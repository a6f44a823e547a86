"""The decoding FFmpeg process: raw video from a pipe, combined with the `showinfo` output of each frame."""

from __future__ import annotations

import os
import queue
import subprocess
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from io import FileIO

import av

from ffmpeg_filter.command import loglevel
from ffmpeg_filter.media.damage import Damage
from ffmpeg_filter.media.process import ChildProcess, pipe
from ffmpeg_filter.media.rawvideo import read_frame
from ffmpeg_filter.media.showinfo import LOCATIONS, MATRICES, PRIMARIES, TRANSFERS, FrameInfo, ShowinfoParser
from vsadcvsr.errors import MediaError

_UNSPECIFIED = 2
_RANGES = {"tv": 1, "pc": 2}
_INFO_SECONDS = 1.0
"""Seconds to wait for a frame's info before reading ahead; it is written first, but read on another thread."""
_PEEK_BYTES = 1 << 20
"""Bytes to read ahead at a time."""


class Decoder:
    """A running decode command. Iterates over frames and their infos; `on_message` gets messages up to `max_level`."""

    def __init__(
        self, argv: Sequence[str], on_message: Callable[[str], None] = lambda _: None, *, max_level: int = loglevel.ALL,
        stdin: int | None = subprocess.DEVNULL, pass_fds: Sequence[int] = (),
    ) -> None:  # fmt: skip
        self.damage = Damage()
        frame_infos = FrameInfoQueue()
        self._showinfo = ShowinfoParser(frame_infos.put)
        self._readable, writable = pipe()
        self.child = ChildProcess(
            "decoder", argv, on_line=self._on_line, on_message=on_message, stdin=stdin, stdout=writable,
            max_level=max_level, pass_fds=pass_fds, on_end=frame_infos.close,
        )  # fmt: skip
        os.close(writable)
        self._frames = read_frames(self._readable, frame_infos)

    def __iter__(self) -> Iterator[tuple[av.VideoFrame, FrameInfo]]:
        return self._frames

    def close(self) -> None:
        """Kills the process. Nobody may read frames any more."""
        self.child.kill()
        os.close(self._readable)

    def _on_line(self, line: str) -> bool:
        return self._showinfo.parse_line(line) or is_harmless(line) or self.damage.count_line(line)


@contextmanager
def open_decoder(
    argv: Sequence[str], on_message: Callable[[str], None] = lambda _: None, max_level: int = loglevel.ALL
) -> Iterator[Decoder]:
    """A running decoder, closed on exit."""
    decoder = Decoder(argv, on_message, max_level=max_level)
    try:
        yield decoder
    finally:
        decoder.close()


class FrameInfoQueue:
    """Infos of frames that have not arrived yet; filled on one thread, read on another."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[FrameInfo | None] = queue.SimpleQueue()
        self._next_number = 0

    def put(self, frame_info: FrameInfo) -> None:
        self._queue.put(frame_info)

    def close(self) -> None:
        """Marks the end."""
        self._queue.put(None)

    def next(self) -> FrameInfo | None:
        """The info of the next frame; None if it may still come. Raises MediaError if the next info is of another
        frame, or there is none.
        """
        try:
            frame_info = self._queue.get(timeout=_INFO_SECONDS)
        except queue.Empty:
            return None
        if frame_info is None or frame_info.number not in {0, self._next_number}:
            raise MediaError("the decoder sent a frame without a line of showinfo; please report the command")
        self._next_number = frame_info.number + 1
        return frame_info


_PIPE_WARNINGS = ("non monotonically increasing dts", "The bitrate parameter is set too low")
"""Warnings of times that raw video does not mind, and of the few bits in small frames of it."""


def is_harmless(line: str) -> bool:
    """Whether a line of the decoder is informational, or a timestamp warning that raw video makes irrelevant."""
    return "[info]" in line or any(warning in line for warning in _PIPE_WARNINGS)


def read_frames(descriptor: int, frame_infos: FrameInfoQueue) -> Generator[tuple[av.VideoFrame, FrameInfo]]:
    """Frames from the decoder's pipe with their infos, until it closes.

    All have the size and format of the first, to which FFmpeg scales later ones. Raises MediaError if the stream ends
    within a frame.
    """
    first_info: FrameInfo | None = None
    source = _PeekablePipe(descriptor)
    while source.peek(1):
        while (frame_info := frame_infos.next()) is None:
            source.peek(_PEEK_BYTES)  # a decoder that waits for room continues, to the info of a later frame or its end
        first_info = first_info or frame_info
        frame = read_frame(first_info.width, first_info.height, first_info.format, source.fill)
        _describe(frame, frame_info)
        yield frame, frame_info


class _PeekablePipe:
    """A pipe that can be read ahead."""

    def __init__(self, descriptor: int) -> None:
        self._file = FileIO(descriptor, closefd=False)
        self._peeked = bytearray()

    def peek(self, count: int) -> bool:
        """Reads ahead up to `count` bytes; whether any bytes are available."""
        if count > 1 or not self._peeked:
            self._peeked += self._file.read(count) or b""
        return bool(self._peeked)

    def fill(self, buffer: memoryview) -> None:
        """Fills a buffer. Raises MediaError at the end."""
        at = min(len(buffer), len(self._peeked))
        buffer[:at] = self._peeked[:at]
        del self._peeked[:at]
        while at < len(buffer):
            count = self._file.readinto(buffer[at:])
            if not count:
                raise MediaError("the decoder's output ends within a frame")
            at += count


def _describe(frame: av.VideoFrame, frame_info: FrameInfo) -> None:
    """Sets timestamps and color tags of a frame."""
    frame.pts, frame.time_base, frame.duration = frame_info.pts, frame_info.time_base, frame_info.duration or 0
    frame.colorspace = MATRICES.get(frame_info.matrix or "", _UNSPECIFIED)
    frame.color_primaries = PRIMARIES.get(frame_info.primaries or "", _UNSPECIFIED)
    frame.color_trc = TRANSFERS.get(frame_info.transfer or "", _UNSPECIFIED)
    frame.color_range = _RANGES.get(frame_info.range or "", 0)
    if hasattr(frame, "chroma_location"):  # PyAV 19 and later
        frame.chroma_location = LOCATIONS[frame_info.location] + 1 if frame_info.location else 0

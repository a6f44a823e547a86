"""Lossless files of upscaled frames: FFV1 in Matroska, or raw video in NUT for formats that FFV1 lacks.

Timestamps and color tags are not stored: they come from the frame index and the first frame.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from functools import cache
from pathlib import Path

import av

from vsadcvsr.errors import MediaError

_FFV1 = {"level": "3", "g": "1", "slicecrc": "1", "coder": "range_def"}
_REPEATABLE = {"fflags": "+bitexact"}
_RATE = 25
_CONVERTED = {"0rgb32", "bgr0", "rgb32", "rgb48le", "rgba64le"}
"""Pixel formats that FFV1 accepts and decodes as another format."""


@cache
def _ffv1_formats() -> frozenset[str]:
    formats = av.Codec("ffv1", "w").video_formats or []
    return frozenset(format.name for format in formats) - _CONVERTED


def suffix(pixel_format: str) -> str:
    """File name suffix for frames of a pixel format."""
    return ".mkv" if pixel_format in _ffv1_formats() else ".nut"


def write(path: Path, frames: Iterable[av.VideoFrame]) -> int:
    """Writes frames of one format into a file and returns their number. Raises OSError."""
    file: av.container.OutputContainer | None = None
    count = 0
    try:
        for frame in frames:
            if file is None:
                file = av.open(str(path), "w", options=_REPEATABLE)
                stream = _stream(file, frame, path.suffix)
            frame.pts, frame.dts, frame.time_base = count, None, Fraction(1, _RATE)
            file.mux(stream.encode(frame))
            count += 1
        if file is not None:
            file.mux(stream.encode(None))
    finally:
        if file is not None:
            file.close()
    return count


def _stream(file: av.container.OutputContainer, first: av.VideoFrame, suffix: str) -> av.VideoStream:
    stream = file.add_stream("ffv1", rate=_RATE, options=_FFV1) if suffix == ".mkv" else None
    stream = stream or file.add_stream("rawvideo", rate=_RATE)
    assert isinstance(stream, av.VideoStream)
    stream.width, stream.height, stream.pix_fmt = first.width, first.height, first.format.name
    stream.codec_context.time_base = Fraction(1, _RATE)
    stream.codec_context.thread_type = "SLICE"
    return stream


def read(path: Path, pixel_format: str) -> Iterator[av.VideoFrame]:
    """The frames of a file, in order. Raises MediaError if it cannot be read or has another pixel format."""
    try:
        with av.open(str(path)) as file:
            for frame in file.decode(video=0):
                if frame.format.name != pixel_format:
                    raise MediaError(f"{path.name} has frames in {frame.format.name} instead of {pixel_format}")
                frame.pict_type = 0
                yield frame
    except av.FFmpegError as error:
        raise MediaError(f"{path.name} cannot be read: {error}") from error


def count_packets(path: Path) -> int:
    """Number of video packets in a file. Raises MediaError if it cannot be opened."""
    try:
        with av.open(str(path)) as file:
            return sum(1 for packet in file.demux(video=0) if packet.size)
    except (av.FFmpegError, IndexError) as error:
        raise MediaError(f"{path.name} cannot be opened: {error}") from error

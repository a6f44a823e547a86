"""Lossless files of upscaled frames: FFV1 in Matroska; formats that FFV1 lacks are packed into grey images.

Timestamps and color tags are not stored: they come from the frame index and the first frame.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np

from ffmpeg_filter.media import rawvideo
from ffmpeg_filter.media.pixel_formats import layout_of
from vsadcvsr.errors import MediaError

SUFFIX = ".mkv"
_FFV1 = {"level": "3", "g": "1", "slicecrc": "1", "coder": "range_def"}
_REPEATABLE = {"fflags": "+bitexact"}
_RATE = 25
_CONVERTED = {"0rgb32", "bgr0", "rgb32", "rgb48le", "rgba64le"}
"""Pixel formats that FFV1 accepts and decodes as another format."""
_NOT_ALWAYS = {"gbrapf16le", "gbrapf32le", "gbrpf16le", "gbrpf32le", "grayf16le", "grayf32le", "yuv410p"}
"""Pixel formats for which FFV1 is experimental, or which it takes in some sizes only."""
_SIZE_TAG = "PACKED_SIZE"
"""Tag of a file of packed frames: their width and height."""


@cache
def _ffv1_formats() -> frozenset[str]:
    formats = av.Codec("ffv1", "w").video_formats or []
    return frozenset(format.name for format in formats) - _CONVERTED - _NOT_ALWAYS


def write(path: Path, frames: Iterable[av.VideoFrame]) -> int:
    """Writes frames of one format into a file and returns their number. Raises OSError."""
    file: av.container.OutputContainer | None = None
    count = 0
    try:
        for frame in frames:
            is_packed = frame.format.name not in _ffv1_formats()
            stored = _packed(frame) if is_packed else frame
            if file is None:
                file = av.open(str(path), "w", options=_REPEATABLE)
                stream = _stream(file, stored)
                if is_packed:
                    file.metadata[_SIZE_TAG] = f"{frame.width}x{frame.height}"
            stored.pts, stored.dts, stored.time_base = count, None, Fraction(1, _RATE)
            file.mux(stream.encode(stored))
            count += 1
        if file is not None:
            file.mux(stream.encode(None))
    finally:
        if file is not None:
            file.close()
    return count


def _stream(file: av.container.OutputContainer, first: av.VideoFrame) -> av.VideoStream:
    stream = file.add_stream("ffv1", rate=_RATE, options=_FFV1)
    assert isinstance(stream, av.VideoStream)
    stream.width, stream.height, stream.pix_fmt = first.width, first.height, first.format.name
    stream.codec_context.time_base = Fraction(1, _RATE)
    stream.codec_context.thread_type = "SLICE"
    return stream


def _packed(frame: av.VideoFrame) -> av.VideoFrame:
    """The samples of all planes, one after the other, as a grey image as wide as the first plane."""
    samples = np.concatenate([np.frombuffer(part, np.uint8) for part in rawvideo.plane_buffers(frame)])
    name, dtype, across = _grey(frame.format.name, frame.width)
    lines = -(-samples.size // (across * dtype.itemsize))
    samples = np.pad(samples, (0, lines * across * dtype.itemsize - samples.size))
    return av.VideoFrame.from_ndarray(samples.view(dtype).reshape(lines, across), name)


def _unpacked(image: av.VideoFrame, size: str, pixel_format: str) -> av.VideoFrame:
    width, height = map(int, size.split("x"))
    data, at = memoryview(np.ascontiguousarray(image.to_ndarray())).cast("B"), 0

    def read(target: memoryview) -> None:
        nonlocal at
        target[:] = data[at : at + len(target)]
        at += len(target)

    return rawvideo.read_frame(width, height, pixel_format, read)


def _grey(pixel_format: str, width: int) -> tuple[str, np.dtype[np.unsignedinteger], int]:
    """The grey format that packed frames are stored in, its samples, and how many there are to a line."""
    layout = layout_of(pixel_format)
    item = np.dtype(layout.dtype).itemsize
    words = layout.components[0].step * item * width
    return ("gray", np.dtype(np.uint8), words) if item == 1 else ("gray16le", np.dtype("<u2"), words // 2)


def read(path: Path, pixel_format: str) -> Iterator[av.VideoFrame]:
    """The frames of a file, in order. Raises MediaError if it cannot be read or has another pixel format."""
    stored_format = pixel_format if pixel_format in _ffv1_formats() else _grey(pixel_format, 1)[0]
    try:
        with av.open(str(path)) as file:
            size = file.metadata.get(_SIZE_TAG)
            for frame in file.decode(video=0):
                if frame.format.name != stored_format or (size is None) != (stored_format == pixel_format):
                    raise MediaError(f"{path.name} has frames in {frame.format.name} instead of {pixel_format}")
                result = frame if size is None else _unpacked(frame, size, pixel_format)
                result.pict_type = 0
                yield result
    except av.FFmpegError as error:
        raise MediaError(f"{path.name} cannot be read: {error}") from error


def count_packets(path: Path) -> int:
    """Number of video packets in a file. Raises MediaError if it cannot be opened."""
    try:
        with av.open(str(path)) as file:
            return sum(1 for packet in file.demux(video=0) if packet.size)
    except (av.FFmpegError, IndexError) as error:
        raise MediaError(f"{path.name} cannot be opened: {error}") from error

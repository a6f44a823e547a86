"""YUV4MPEG2 reader and writer, for pipes between video programs.

The format has no matrix, primaries or transfer, so they have to be set in the program that reads it; its
guess from the frame height may be wrong after upscaling.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import chain
from typing import BinaryIO, Unpack, cast

import numpy as np

from ffmpeg_filter.media.frame import Plane, RawFrame
from ffmpeg_filter.upscale import stream
from ffmpeg_filter.upscale.y4m_header import MAGIC, Header
from vsadcvsr.errors import FormatError, MediaError, UsageError

_log = logging.getLogger(__name__)

type SizedOptions = Callable[[int, int], dict[str, object]]

_MAX_HEADER_BYTES = 4096
"""Maximum length of the header line."""
_DAMAGED = "the input is cut off or damaged"
_ODD_AND_DEEP = "FFmpeg 5.1 writes odd widths of over 8 bits one byte short a line; use a newer one, or pad the width"
_BLOCK_BYTES = 1 << 26
"""Bytes to request at once, since a damaged header may name larger frames than follow."""


def read(stream: BinaryIO) -> tuple[Header, Iterator[RawFrame]]:
    """The header, and the frames, read on demand; their tags are the parameters of FRAME lines.

    Raises FormatError for an unsupported header; MediaError for an empty stream, and later for a truncated one.
    """
    line = stream.readline(_MAX_HEADER_BYTES)
    if not line:
        raise MediaError("the input is empty; the program that writes YUV4MPEG2 to it has failed, see its messages")
    if len(line) == _MAX_HEADER_BYTES and line.startswith(MAGIC.encode()):
        raise FormatError(f"the header is longer than {_MAX_HEADER_BYTES} bytes; the input is damaged")
    header = Header.parse(line.decode("latin-1").rstrip("\n"))
    return header, _frames(stream, header)


def _frames(stream: BinaryIO, header: Header) -> Iterator[RawFrame]:
    form, props = header.format, header.props
    sizes = [form.size(plane, header.width, header.height) for plane in range(form.planes + header.has_alpha)]
    ends = np.cumsum([width * height for width, height in sizes])
    dtype = np.dtype(form.dtype).newbyteorder("<")
    n = 0
    while line := stream.readline(_MAX_HEADER_BYTES):
        if not line.startswith((b"FRAME\n", b"FRAME ")) or not line.endswith(b"\n"):
            cause = _ODD_AND_DEEP if n and form.bits > 8 and form.subsampling[0] and header.width % 2 else _DAMAGED
            raise MediaError(f"frame {n} begins with {line[:20]!r}, expected: FRAME; {cause}")
        samples = np.frombuffer(_read_exactly(stream, int(ends[-1]) * dtype.itemsize, n), dtype)
        flat = np.split(samples, ends[:-1])
        planes = [part.reshape(height, width) for part, (width, height) in zip(flat, sizes, strict=True)]
        alpha = planes.pop() if header.has_alpha else None
        yield RawFrame(form, header.width, header.height, tuple(planes), alpha, props, line[5:-1].decode("latin-1"))
        n += 1


def _read_exactly(stream: BinaryIO, size: int, frame_number: int) -> bytes:
    """The next `size` bytes, in one read unless there are very many."""
    data = stream.read(min(size, _BLOCK_BYTES))
    while len(data) < size:
        block = stream.read(min(size - len(data), _BLOCK_BYTES))
        if not block:
            raise MediaError(
                f"frame {frame_number} is incomplete: the input ends after {len(data)} of its {size} bytes"
            )
        data += block
    return data


def write(stream: BinaryIO, header: Header, frames: Iterable[RawFrame]) -> int:
    """Writes all frames, flushing each, and returns their number. The stream must be buffered, as `sys.stdout.buffer`
    is.
    """
    stream.write(f"{header}\n".encode("latin-1"))
    count = 0
    for raw in frames:
        stream.write(b"FRAME" + str(raw.tag or "").encode("latin-1") + b"\n")
        for plane in (*raw.planes, *([] if raw.alpha is None else [raw.alpha])):
            stream.write(_bytes(plane))
        stream.flush()
        count += 1
    return count


def _bytes(plane: Plane) -> memoryview:
    """The plane's bytes; its own memory if lines are contiguous."""
    return np.ascontiguousarray(plane, plane.dtype.newbyteorder("<")).data


def run(
    stdin: BinaryIO, stdout: BinaryIO, *, sized: SizedOptions | None = None, **options: Unpack[stream.UpscaleOptions]
) -> None:
    """Upscales YUV4MPEG2 from one stream to another. Ends quietly if the reader closes the output early.

    `sized` gives options for a (width, height). Raises MediaError, and what `stream.upscale` raises.
    """
    header, frames = read(stdin)
    if sized:
        options |= cast(stream.UpscaleOptions, sized(header.width, header.height))
    if header.interlacing[:1] in {"t", "b", "m"}:
        _log.warning("the input is interlaced (I%s) and is upscaled as if it were not; deinterlace first (bwdif)",
                     header.interlacing)  # fmt: skip
    upscaled = stream.upscale(frames, **options)
    try:
        first = next(upscaled, None)
        if first is None:
            raise MediaError("the input has a header, but no frame; the program that writes them has failed")
        _write_all(stdout, header.for_output(first), chain([first], upscaled))
    except Exception:
        upscaled.close()
        raise
    upscaled.close()  # not after Ctrl-C: it would wait for the next frame, which may never come


def _write_all(stdout: BinaryIO, header: Header, frames: Iterable[RawFrame]) -> None:
    try:
        write(stdout, header, frames)
    except OSError as error:
        with suppress(OSError):
            stdout.close()  # else Python tries to write the rest of its buffer at exit
        if not isinstance(error, BrokenPipeError):
            raise


def standard_streams() -> tuple[BinaryIO, BinaryIO]:
    """Standard input and output. Raises UsageError if one is closed or a terminal.

    The input is a separate object, since Python aborts at exit while a thread reads `sys.stdin`.
    """
    for descriptor, name in ((0, "input"), (1, "output")):
        try:
            os.fstat(descriptor)
        except OSError:
            raise UsageError(f"standard {name} is closed; give it a pipe or a file") from None
        if os.isatty(descriptor):
            raise UsageError(f"standard {name} is a terminal; give it a pipe or a file, as in … | ffadcvsr y4m | …")
    return os.fdopen(0, "rb", closefd=False), os.fdopen(1, "wb", closefd=False)

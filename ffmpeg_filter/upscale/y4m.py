"""YUV4MPEG2, the format of pipes between video programs: bytes in, frames out, and back.

It names no matrix, primaries or transfer. Whoever reads what comes out should be told them, for what a reader guesses
from the height may be right for the source alone.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import chain
from typing import BinaryIO, Unpack, cast

import numpy as np

from ffmpeg_filter.media.frame import Plane, Raw
from ffmpeg_filter.upscale import stream
from ffmpeg_filter.upscale.y4m_header import MAGIC, Header
from vsadcvsr.errors import FormatError, MediaError, UsageError

_log = logging.getLogger(__name__)

type Sized = Callable[[int, int], dict[str, object]]

_LONGEST = 4096
"""Bytes of a header line."""
_BLOCK = 1 << 26
"""Bytes that are asked for at once: a header may promise larger frames than there are."""


def read(stream: BinaryIO) -> tuple[Header, Iterator[Raw]]:
    """The header and the frames, which are read as they are asked for; their tags are what FRAME lines say.

    Raises FormatError for a header that is not understood; MediaError for an empty stream, and later for a torn one.
    """
    line = stream.readline(_LONGEST)
    if not line:
        raise MediaError("the input is empty; what should have written YUV4MPEG2 has failed, its own words say why")
    if len(line) == _LONGEST and line.startswith(MAGIC.encode()):
        raise FormatError(f"the header is longer than {_LONGEST} bytes; the input is damaged")
    header = Header.parse(line.decode("latin-1").rstrip("\n"))
    return header, _frames(stream, header)


def _frames(stream: BinaryIO, header: Header) -> Iterator[Raw]:
    form, props = header.format, header.props
    sizes = [form.size(plane, header.width, header.height) for plane in range(form.planes + header.has_alpha)]
    ends = np.cumsum([width * height for width, height in sizes])
    dtype = np.dtype(form.dtype).newbyteorder("<")
    n = 0
    while line := stream.readline(_LONGEST):
        if not line.startswith((b"FRAME\n", b"FRAME ")) or not line.endswith(b"\n"):
            raise MediaError(f"frame {n} begins with {line[:20]!r}, expected: FRAME; the input is torn or damaged")
        samples = np.frombuffer(_exactly(stream, int(ends[-1]) * dtype.itemsize, n), dtype)
        flat = np.split(samples, ends[:-1])
        planes = [part.reshape(height, width) for part, (width, height) in zip(flat, sizes, strict=True)]
        alpha = planes.pop() if header.has_alpha else None
        yield Raw(form, header.width, header.height, tuple(planes), alpha, props, line[5:-1].decode("latin-1"))
        n += 1


def _exactly(stream: BinaryIO, size: int, n: int) -> bytes:
    """The next bytes: a single read, from a stream that has a buffer, unless they are very many."""
    taken = stream.read(min(size, _BLOCK))
    while len(taken) < size:
        more = stream.read(min(size - len(taken), _BLOCK))
        if not more:
            raise MediaError(f"frame {n} is torn: the input ends after {len(taken)} of its {size} bytes")
        taken += more
    return taken


def write(stream: BinaryIO, header: Header, frames: Iterable[Raw]) -> int:
    """Writes all frames, each flushed, and says how many. The stream has a buffer, as `sys.stdout.buffer` has."""
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
    """The plane as it stands in the stream; its own memory, where lines follow each other."""
    return np.ascontiguousarray(plane, plane.dtype.newbyteorder("<")).data


def run(stdin: BinaryIO, stdout: BinaryIO, *, sized: Sized | None = None, **options: Unpack[stream.Options]) -> None:
    """Upscales YUV4MPEG2 from one stream to another. Where the reader goes away early, that ends it quietly.

    `sized` gives options that depend on the source's width and height. Raises MediaError, and what `passage.upscale`
    does.
    """
    header, frames = read(stdin)
    if sized:
        options |= cast(stream.Options, sized(header.width, header.height))
    if header.interlacing[:1] in {"t", "b", "m"}:
        _log.warning("the input is interlaced (I%s) and is upscaled as if it were not; deinterlace first (bwdif)",
                     header.interlacing)  # fmt: skip
    made = stream.upscale(frames, **options)
    try:
        first = next(made, None)
        if first is None:
            raise MediaError("the input has a header and no frame; what should have written them has failed")
        _write_all(stdout, header.of(first), chain([first], made))
    except Exception:
        made.close()
        raise
    made.close()  # not after Ctrl-C: it would wait for the next frame, which may never come


def _write_all(stdout: BinaryIO, header: Header, frames: Iterable[Raw]) -> None:
    try:
        write(stdout, header, frames)
    except OSError as error:
        with suppress(OSError):
            stdout.close()  # else what is left in its buffer is written at the end of the program, in vain
        if not isinstance(error, BrokenPipeError):
            raise


def standard_streams() -> tuple[BinaryIO, BinaryIO]:
    """Standard input and output. Raises UsageError where they are closed, or a terminal.

    Input is an object of its own, since Python aborts where it ends while a thread still reads from `sys.stdin`.
    """
    for descriptor, name in ((0, "input"), (1, "output")):
        try:
            os.fstat(descriptor)
        except OSError:
            raise UsageError(f"standard {name} is closed; give it a pipe or a file") from None
        if os.isatty(descriptor):
            raise UsageError(f"standard {name} is a terminal; give it a pipe or a file, as in … | ffadcvsr y4m | …")
    return os.fdopen(0, "rb", closefd=False), os.fdopen(1, "wb", closefd=False)

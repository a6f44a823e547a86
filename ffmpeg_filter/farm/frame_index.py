"""The frames of a film in front of the engine: their times, where scenes begin, and a sum of their pixels, so that who
decodes a part of it knows for certain which frames these are.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np

from ffmpeg_filter.media.av_frames import raw_of
from ffmpeg_filter.media.frame import Plane
from ffmpeg_filter.transcode import vsync
from vsadcvsr import scenes
from vsadcvsr.errors import FarmError, FormatError
from vsadcvsr.spec import Array

_HEAD = "adcvsr frames 1"
_COLUMNS, _ROWS = 32, 18


@dataclass(frozen=True)
class Index:
    """Of each frame: its time and duration in units of `tick` seconds (0: unknown), and its sum. `cuts` are the frames
    that begin a scene.
    """

    tick: Fraction
    times: Sequence[int]
    durations: Sequence[int]
    sums: Sequence[int]
    cuts: Sequence[int]

    @property
    def seconds(self) -> list[Fraction]:
        return [time * self.tick for time in self.times]

    @property
    def rises(self) -> bool:
        """Whether each frame is later than the one before it."""
        return all(before < after for before, after in pairwise(self.times))

    def text(self) -> str:
        """As it is kept in a file: a line for each frame."""
        cuts = set(self.cuts)
        rows = zip(self.times, self.durations, self.sums, strict=True)
        lines = [
            f"{time} {duration} {total:08x}{' cut' if number in cuts else ''}"
            for number, (time, duration, total) in enumerate(rows)
        ]
        return "\n".join([f"{_HEAD} {self.tick.numerator}/{self.tick.denominator}", *lines, ""])


def encoded(index: Index, rate: Fraction) -> Index:
    """The index in ticks of one over the rate, to which FFmpeg rounds times.

    Raises ValueError where it drops frames.
    """
    seconds = [duration * index.tick or None for duration in index.durations]
    times = vsync.encoded(index.seconds, rate, seconds)
    if None in times:
        raise ValueError("frames are so near to each other that FFmpeg drops some")
    ticks = [round(time * rate) for time in times if time is not None]
    durations = [max(1, round(duration * index.tick * rate)) for duration in index.durations]
    return replace(index, tick=1 / rate, times=ticks, durations=durations)


def stamped(frames: Iterable[av.VideoFrame], index: Index, begin: int) -> Iterator[av.VideoFrame]:
    """The frames, the first of which has number `begin`, at the times and with the durations of the index."""
    for number, frame in enumerate(frames, begin):
        frame.pts, frame.time_base = index.times[number], index.tick
        frame.duration = index.durations[number]
        yield frame


def parsed(text: str) -> Index:
    """The index of a text. Raises ValueError for another text."""
    head, *lines = text.splitlines()
    if not head.startswith(f"{_HEAD} "):
        raise ValueError(f"it begins with {head[:40]!r}")
    rows = [line.split() for line in lines]
    return Index(
        Fraction(head.removeprefix(f"{_HEAD} ")),
        [int(row[0]) for row in rows],
        [int(row[1]) for row in rows],
        [int(row[2], 16) for row in rows],
        [number for number, row in enumerate(rows) if row[3:]],
    )


def name(total: str) -> str:
    """The name of the file of an index whose text has that SHA-256."""
    return f"frames-{total[:16]}.txt"


def read(path: Path, total: str) -> Index:
    """The index in a file whose SHA-256 is `total`. Raises FarmError where it is not."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise FarmError(f"the index of frames cannot be read: {error}") from error
    if hashlib.sha256(content).hexdigest() != total:
        raise FarmError(f"{path} is not the index that was planned with; plan anew in another folder")
    return parsed(content.decode())


class Indexer:
    """Takes the frames of a film, in order."""

    def __init__(self, threshold: float | None) -> None:
        self._threshold = scenes.DEFAULT_THRESHOLD if threshold is None else threshold
        self._tick: Fraction | None = None
        self._rows: list[tuple[int, int, int]] = []
        self._cuts: list[int] = []
        self._before: Array | None = None

    def take(self, frame: av.VideoFrame) -> None:
        """One more frame. Raises FormatError for one without a time."""
        number = len(self._rows)
        tick = Fraction(frame.time_base.numerator, frame.time_base.denominator) if frame.time_base else None
        if frame.pts is None or tick is None or self._tick not in {None, tick}:
            raise FormatError(f"frame {number} has no time in the clock of the first; write the film anew with times")
        self._tick = tick
        self._rows.append((frame.pts, frame.duration or 0, sum_of(frame)))
        if self._threshold > 0:
            small = _small_luma(frame)
            if self._before is not None and scenes.distance(self._before, small) > self._threshold:
                self._cuts.append(number)
            self._before = small

    def index(self) -> Index:
        """Of all frames so far."""
        times, durations, sums = zip(*self._rows, strict=True) if self._rows else ((), (), ())
        return Index(self._tick or Fraction(1), times, durations, sums, self._cuts)


def sum_of(frame: av.VideoFrame) -> int:
    """A checksum of what the engine sees of a frame: its samples and its colours."""
    raw = raw_of(frame)
    total = zlib.crc32(repr((str(raw), sorted(raw.props.items()))).encode())
    for plane in (*raw.planes, *([] if raw.alpha is None else [raw.alpha])):
        total = zlib.crc32(np.ascontiguousarray(plane).data, total)
    return total


def _small_luma(frame: av.VideoFrame) -> Array:
    """What `scenes` compares, of the frame's luma or of its R, G and B: near enough for a place to divide at."""
    raw = raw_of(frame)
    peak = np.float32(1 if raw.format.is_float else (1 << raw.format.bits) - 1)
    planes = raw.planes if raw.format.family == "RGB" else raw.planes[:1]
    small = np.stack([_averaged(plane) for plane in planes]) / peak
    return scenes.small_luma(np.broadcast_to(small, (3, *small.shape[1:])))


def _averaged(plane: Plane) -> Array:
    """The means of about 32 x 18 blocks, in the samples' own numbers: much less to count with than all samples."""
    height, width = plane.shape
    down, right = max(1, height // _ROWS), max(1, width // _COLUMNS)
    rows, columns = height // down, width // right
    top, left = (height - rows * down) // 2, (width - columns * right) // 2
    kept = plane[top : top + rows * down, left : left + columns * right].reshape(rows, down, columns * right)
    lines: Array = np.add.reduce(kept, axis=1, dtype=np.float32 if plane.dtype.kind == "f" else np.uint32)
    return np.asarray(lines.reshape(rows, columns, right).sum(axis=2) / (down * right), np.float32)

"""Index of the frames before `adcvsr`: timestamps, scene cuts and checksums.

A worker that decodes a part of the video verifies with it that it has exactly the planned frames.
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

from ffmpeg_filter.media.av_frames import to_raw_frame
from ffmpeg_filter.media.frame import Plane
from ffmpeg_filter.transcode import vsync
from vsadcvsr import scenes
from vsadcvsr.errors import FarmError, FormatError
from vsadcvsr.spec import Array

_HEAD = "adcvsr frames 1"


@dataclass(frozen=True)
class FrameIndex:
    """One entry per frame."""

    time_base: Fraction
    """Seconds per tick."""
    times: Sequence[int]
    """Presentation times in ticks."""
    durations: Sequence[int]
    """Durations in ticks, 0 if unknown."""
    checksums: Sequence[int]
    """See `frame_checksum`."""
    cuts: Sequence[int]
    """Numbers of the frames that begin a scene."""

    @property
    def seconds(self) -> list[Fraction]:
        """Presentation times in seconds."""
        return [time * self.time_base for time in self.times]

    @property
    def is_increasing(self) -> bool:
        """Whether every frame is later than the one before it."""
        return all(before < after for before, after in pairwise(self.times))

    def to_text(self) -> str:
        """The content of an index file: a header, and a line per frame."""
        cuts = set(self.cuts)
        rows = zip(self.times, self.durations, self.checksums, strict=True)
        lines = [
            f"{time} {duration} {total:08x}{' cut' if number in cuts else ''}"
            for number, (time, duration, total) in enumerate(rows)
        ]
        return "\n".join([f"{_HEAD} {self.time_base.numerator}/{self.time_base.denominator}", *lines, ""])


def rounded_to_rate(index: FrameIndex, rate: Fraction) -> FrameIndex:
    """The index with timestamps rounded to a frame rate, as FFmpeg rounds them before encoding.

    Raises ValueError if FFmpeg would drop frames.
    """
    seconds = [duration * index.time_base or None for duration in index.durations]
    times = vsync.encoder_times(index.seconds, rate, seconds)
    if None in times:
        raise ValueError("frames are so close in time that FFmpeg drops some")
    ticks = [round(time * rate) for time in times if time is not None]
    durations = [max(1, round(duration * index.time_base * rate)) for duration in index.durations]
    return replace(index, time_base=1 / rate, times=ticks, durations=durations)


def with_times(frames: Iterable[av.VideoFrame], index: FrameIndex, begin: int) -> Iterator[av.VideoFrame]:
    """Sets timestamps and durations of the index on frames, the first of which is frame `begin`."""
    for number, frame in enumerate(frames, begin):
        frame.pts, frame.dts, frame.time_base = index.times[number], None, index.time_base
        frame.duration = index.durations[number]
        yield frame


def parse(text: str) -> FrameIndex:
    """The index in a text. Raises ValueError if the text is not one."""
    head, *lines = text.splitlines()
    if not head.startswith(f"{_HEAD} "):
        raise ValueError(f"it begins with {head[:40]!r}")
    rows = [line.split() for line in lines]
    return FrameIndex(
        Fraction(head.removeprefix(f"{_HEAD} ")),
        [int(row[0]) for row in rows],
        [int(row[1]) for row in rows],
        [int(row[2], 16) for row in rows],
        [number for number, row in enumerate(rows) if row[3:]],
    )


def file_name(total: str) -> str:
    """File name of an index whose text has the given SHA-256."""
    return f"frames-{total[:16]}.txt"


def read(path: Path, total: str) -> FrameIndex:
    """The index in a file. Raises FarmError if its SHA-256 is not `total`."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise FarmError(f"the index of frames cannot be read: {error}") from error
    if hashlib.sha256(content).hexdigest() != total:
        raise FarmError(f"{path} is not the frame index of this job; plan it again in another folder")
    return parse(content.decode())


class Indexer:
    """Builds an index from frames in order."""

    def __init__(self, threshold: float | None) -> None:
        self._threshold = scenes.DEFAULT_THRESHOLD if threshold is None else threshold
        self._time_base: Fraction | None = None
        self._rows: list[tuple[int, int, int]] = []
        self._cuts: list[int] = []
        self._before: Array | None = None

    def add(self, frame: av.VideoFrame) -> None:
        """Adds a frame. Raises FormatError if it has no timestamp."""
        number = len(self._rows)
        time_base = Fraction(frame.time_base.numerator, frame.time_base.denominator) if frame.time_base else None
        if frame.pts is None or time_base is None or self._time_base not in {None, time_base}:
            raise FormatError(
                f"frame {number} has no timestamp in the time base of the first; remux the input with timestamps"
            )
        self._time_base = time_base
        self._rows.append((frame.pts, frame.duration or 0, frame_checksum(frame)))
        if self._threshold > 0:
            small = _small_luma(frame)
            if self._before is not None and scenes.scene_distance(self._before, small) > self._threshold:
                self._cuts.append(number)
            self._before = small

    def index(self) -> FrameIndex:
        """The index of all frames added so far."""
        times, durations, sums = zip(*self._rows, strict=True) if self._rows else ((), (), ())
        return FrameIndex(self._time_base or Fraction(1), times, durations, sums, self._cuts)


def frame_checksum(frame: av.VideoFrame) -> int:
    """CRC-32 of everything the engine sees of a frame: samples and color properties."""
    raw = to_raw_frame(frame)
    total = zlib.crc32(repr((str(raw), sorted(raw.props.items()))).encode())
    for plane in (*raw.planes, *([] if raw.alpha is None else [raw.alpha])):
        total = zlib.crc32(np.ascontiguousarray(plane).data, total)
    return total


def _small_luma(frame: av.VideoFrame) -> Array:
    """The small image that `scenes` compares, from luma or RGB: approximate, which is enough to place chunk borders."""
    raw = to_raw_frame(frame)
    peak = np.float32(1 if raw.format.is_float else (1 << raw.format.bits) - 1)
    planes = raw.planes if raw.format.family == "RGB" else raw.planes[:1]
    small = np.stack([_block_means(plane) for plane in planes]) / peak
    return scenes.luma_thumbnail(np.broadcast_to(small, (3, *small.shape[1:])))


def _block_means(plane: Plane) -> Array:
    """Means of the blocks of a thumbnail in integer arithmetic, much faster than converting all samples."""
    rows, columns, down, right, top, left = scenes.ThumbnailGrid.of(*plane.shape)
    blocks = plane[top : top + rows * down, left : left + columns * right].reshape(rows, down, columns * right)
    lines: Array = np.add.reduce(blocks, axis=1, dtype=np.float32 if plane.dtype.kind == "f" else np.uint32)
    return np.asarray(lines.reshape(rows, columns, right).sum(axis=2) / (down * right), np.float32)

"""Segments of videos, and images, read without ever holding a whole video.

A segment is read by a seek to its start, then as many frames as were asked for. Frames are uint8 (H, W, 3) RGB.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from vsadcvsr.errors import MediaError
from vsadcvsr.train.data.clips import split_shots

type Pixels = NDArray[np.uint8]

_MAX_FRAMES = 64  # frames of a stretch, fewer where they are large
_MAX_BYTES = 64 << 20  # bytes of a stretch
_MAX_DECODED = 250  # frames that are decoded, at most, on the way from the place that a seek led to
_UNTAGGED = (2, None)  # colour matrices that a file does not name


def files_below(folders: Sequence[Path], endings: tuple[str, ...]) -> list[Path]:
    """The files with these suffixes below the folders, or those that were named themselves, sorted."""
    paths = (path for folder in folders for path in (folder.rglob("*") if folder.is_dir() else [folder]))
    return sorted({path for path in paths if path.suffix.lower() in endings})


def read_image(path: Path) -> Pixels:
    """An image, upright, in 8 bits and without alpha; MediaError if it cannot be read."""
    try:
        pixels = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    except (OSError, cv2.error):
        pixels = None
    if pixels is None:
        raise MediaError(f"{path} cannot be read as a picture; remove it or convert it to PNG")
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8)


@dataclass(frozen=True)
class VideoSegments:
    """A video file as `count` segments of up to `length` frames, for clips of `frames` frames of `size` pixels."""

    path: Path
    frames: int
    size: int
    seconds: float
    count: int
    length: int

    @classmethod
    def of(cls, path: Path, *, frames: int, size: int) -> VideoSegments:
        """From a file's header; MediaError if it is unusable for clips of `size` pixels."""
        try:
            with av.open(str(path)) as file:
                return cls._probed(path, file, frames, size)
        except (av.FFmpegError, OSError) as error:
            raise _unreadable(path, error) from error

    @classmethod
    def _probed(cls, path: Path, file: av.container.InputContainer, frames: int, size: int) -> VideoSegments:
        if not file.streams.video:
            raise MediaError(f"{path} has no video; remove it")
        stream = file.streams.video[0]
        if min(stream.width, stream.height) < size:
            raise MediaError(f"{path} is too small: {stream.width}x{stream.height}, clips are {size}x{size}; remove it")
        length = max(2 * frames, min(_MAX_FRAMES, _MAX_BYTES // (3 * stream.width * stream.height)))
        seconds = (file.duration or 0) / av.time_base
        frame_count = stream.frames or int(seconds * float(stream.average_rate or 0))
        return cls(path, frames, size, seconds, max(1, round(frame_count / length)), length)

    def shots(self, index: int) -> list[list[Pixels]]:
        """The shots of a segment that are long enough; MediaError if there are none."""
        split = split_shots(self._read(index), shortest=self.frames)
        if large_enough := [shot for shot in split if min(shot[0].shape[:2]) >= self.size]:
            return large_enough
        raise MediaError(f"{self.path} has no shots of {self.frames} frames where it was looked at; use fewer frames")

    def _read(self, index: int) -> list[Pixels]:
        """The frames of a segment, or as many of them as can be decoded."""
        frames: list[Pixels] = []
        try:
            with av.open(str(self.path)) as file:
                frames.extend(map(_rgb, islice(self._from(file, self.seconds * index / self.count), self.length)))
        except (av.FFmpegError, OSError) as error:
            if not frames:
                raise _unreadable(self.path, error) from error
        return frames

    def _from(self, file: av.container.InputContainer, second: float) -> Iterator[av.VideoFrame]:
        start = second + (file.start_time or 0) / av.time_base
        if second:
            file.seek(int(start * av.time_base))
        for number, frame in enumerate(file.decode(video=0)):
            if not second or number >= _MAX_DECODED or frame.pts is None or frame.time >= start:
                yield frame


def _rgb(frame: av.VideoFrame) -> Pixels:
    matrix = "ITU709" if frame.colorspace in _UNTAGGED else None  # as most video has it that names none
    converted = frame.reformat(format="rgb24", src_colorspace=matrix, threads=1)  # more differ where their slices meet
    return np.asarray(converted.to_ndarray(), np.uint8)


def _unreadable(path: Path, why: object) -> MediaError:
    return MediaError(f"{path} cannot be read as video ({why}); remove it or encode it anew")

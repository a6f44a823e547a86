"""Segments of videos for training clips, read without ever holding a whole video.

A segment is read by a seek to its start, then as many frames as were asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import av

from vsadcvsr.errors import MediaError
from vsadcvsr.train.data.clips import split_shots
from vsadcvsr.video_io import Pixels, open_video, to_pixels

_MAX_FRAMES = 64  # frames of a segment, fewer where they are large
_MAX_BYTES = 64 << 20  # bytes of a segment
_MAX_DECODED = 250  # frames that are decoded, at most, on the way from the place that a seek led to


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
        with open_video(path) as file:
            return cls._probed(path, file, frames, size)

    @classmethod
    def _probed(cls, path: Path, file: av.container.InputContainer, frames: int, size: int) -> VideoSegments:
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
        raise MediaError(
            f"{self.path} has no shots of {self.frames} frames in the parts that were searched; use fewer frames"
        )

    def _read(self, index: int) -> list[Pixels]:
        """The frames of a segment, or as many of them as can be decoded."""
        frames: list[Pixels] = []
        try:
            with open_video(self.path) as file:
                segment = islice(self._from(file, self.seconds * index / self.count), self.length)
                frames.extend(to_pixels(frame, tagged=True) for frame in segment)
        except MediaError:
            if not frames:
                raise
        return frames

    def _from(self, file: av.container.InputContainer, second: float) -> Iterator[av.VideoFrame]:
        start = second + (file.start_time or 0) / av.time_base
        if second:
            file.seek(int(start * av.time_base))
        for number, frame in enumerate(file.decode(video=0)):
            if not second or number >= _MAX_DECODED or frame.pts is None or frame.time >= start:
                yield frame

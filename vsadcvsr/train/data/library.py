"""Source of clips from folders of images and videos of any size.

Files are decoded on demand, and the latest decoded ones are cached, up to a number of bytes. Clips depend on the
generator and the files alone, not on the state of the cache.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from vsadcvsr.errors import MediaError, UsageError
from vsadcvsr.files import IMAGES, VIDEOS, files_below
from vsadcvsr.train.data import clips
from vsadcvsr.train.data.dataset import mean_gradient
from vsadcvsr.train.data.exclusion import NO_EXCLUSION, Exclusion
from vsadcvsr.train.data.segments import VideoSegments
from vsadcvsr.video_io import Pixels, read_pixels

type Shots = list[list[Pixels]]
type SegmentKey = tuple[Path, int]

VIDEO_SHARE = 0.4
"""Share of clips from videos, if there are both."""
CACHE_BYTES = 1 << 30
_ATTEMPTS = 100  # unusable files in a row after which stills may come from videos


@dataclass(frozen=True)
class SourceFiles:
    """The files of some folders, for clips of `frames` frames of `size` pixels."""

    frames: int
    size: int
    pictures: tuple[Path, ...]
    videos: tuple[VideoSegments, ...]
    unusable: tuple[tuple[Path, str], ...] = ()
    """Unusable files with the reasons."""

    @classmethod
    def scan(cls, folders: Sequence[Path], *, frames: int, size: int, exclude: Exclusion = NO_EXCLUSION) -> SourceFiles:
        """The files below the folders that are not excluded. Headers of videos are read, images are not opened.

        Raises UsageError for a missing folder, MediaError if no file is usable.
        """
        for folder in folders:
            if not folder.exists():
                raise UsageError(f"folder {folder} does not exist; name folders of pictures and videos")
        videos, unusable = list[VideoSegments](), list[tuple[Path, str]]()
        for path in exclude.without(files_below(folders, VIDEOS)):
            try:
                videos.append(VideoSegments.of(path, frames=frames, size=size))
            except MediaError as error:
                unusable.append((path, str(error)))
        pictures = exclude.without(files_below(folders, IMAGES))
        sources = cls(frames, size, tuple(pictures), tuple(videos), tuple(unusable))
        if not sources.pictures and not sources.videos:
            message = f"no pictures and no videos in {', '.join(map(str, folders))}"
            raise MediaError(
                message + (f" are of use: {unusable[0][1]}" if unusable else "; name folders that hold some")
            )
        return sources


class SizedCache[Key, Value]:
    """The latest values, up to a number of bytes, and always one."""

    def __init__(self, capacity: int) -> None:
        self._capacity, self._bytes = capacity, 0
        self._values: OrderedDict[Key, tuple[Value, int]] = OrderedDict()

    def get(self, key: Key, make: Callable[[], tuple[Value, int]]) -> Value:
        """The cached value for the key, or the one that `make` returns with its size in bytes."""
        if key not in self._values:
            self._values[key] = entry = make()
            self._bytes += entry[1]
        self._values.move_to_end(key)
        while self._bytes > self._capacity and len(self._values) > 1:
            self._bytes -= self._values.popitem(last=False)[1][1]
        return self._values[key][0]


@dataclass
class ClipLibrary:
    """Source of random clips."""

    sources: SourceFiles
    cache_bytes: int = CACHE_BYTES
    unusable: dict[Path, str] = field(default_factory=dict)
    """Files that turned out to be unusable, at least in part, with the reasons."""

    def __post_init__(self) -> None:
        self._cache: SizedCache[SegmentKey, Shots] = SizedCache(self.cache_bytes)
        self._ends = np.cumsum([video.count for video in self.sources.videos])
        self._failed: set[SegmentKey] = set()
        self.unusable.update(self.sources.unusable)

    def clip(self, rng: np.random.Generator) -> Pixels:
        """A clip (frames, size, size, 3); MediaError if no file is usable."""
        frames, size = self.sources.frames, self.sources.size
        shot = self._shot(rng, VIDEO_SHARE)
        if len(shot) == 1:
            return clips.camera_motion(shot[0], frames, size, rng)
        return clips.crop_window(shot, frames, size, rng)

    def still(self, rng: np.random.Generator) -> Pixels:
        """An image (1, size, size, 3): of a photograph, or of a video if there are none."""
        return clips.camera_motion(self._shot(rng, 0)[0], 1, self.sources.size, rng)

    def _shot(self, rng: np.random.Generator, video_share: float) -> list[Pixels]:
        """A photograph, as a shot of one frame, or a shot of a video with probability `video_share`.

        After many unusable files, videos have their usual share: no photograph may be of use. What is known of files
        does not count, since it depends on the clips before.
        """
        attempts = 0
        while True:
            share = video_share if attempts < _ATTEMPTS else VIDEO_SHARE
            from_video = self.sources.videos and (not self.sources.pictures or rng.random() < share)
            shots = self._segment(rng) if from_video else self._image(rng)
            if shots:
                return shots[int(rng.integers(len(shots)))]
            self._check_any_left()
            attempts += 1

    def _image(self, rng: np.random.Generator) -> Shots:
        path = self.sources.pictures[int(rng.integers(len(self.sources.pictures)))]
        return self._read((path, 0), lambda: [[_checked_size(path, read_pixels(path), self.sources.size)]])

    def _segment(self, rng: np.random.Generator) -> Shots:
        """The shots of a segment of a video; all segments are equally likely."""
        number = int(rng.integers(self._ends[-1]))
        video_index = int(np.searchsorted(self._ends, number, side="right"))
        video, segment = self.sources.videos[video_index], int(self._ends[video_index]) - 1 - number
        return self._read((video.path, segment), lambda: video.shots(segment))

    def _read(self, key: SegmentKey, read: Callable[[], Shots]) -> Shots:
        def read_measured() -> tuple[Shots, int]:
            try:
                shots = read()
            except MediaError as error:
                self._failed.add(key)
                self.unusable.setdefault(key[0], str(error))
                shots = []
            return shots, sum(frame.nbytes for shot in shots for frame in shot)

        return self._cache.get(key, read_measured)

    def _check_any_left(self) -> None:
        count = len(self.sources.pictures) + sum(video.count for video in self.sources.videos)
        if len(self._failed) == count:
            raise MediaError(
                f"no usable file is left; {len(self.unusable)} were rejected, the first: "
                f"{next(iter(self.unusable.values()))}"
            )


def prefer_detailed(draw: Callable[[np.random.Generator], Pixels], rng: np.random.Generator) -> Pixels:
    """A clip, or half of the time the more detailed of two: skies and walls teach little."""
    first = draw(rng)
    if rng.random() < 0.5:
        return first
    return max(first, draw(rng), key=mean_gradient)


def _checked_size(path: Path, picture: Pixels, size: int) -> Pixels:
    height, width = picture.shape[:2]
    if min(height, width) < size:
        raise MediaError(f"{path} is too small an image: {width}x{height}, clips are {size}x{size}; remove it")
    return picture

"""Folders of pictures and videos of any size as one source of clips.

Nothing is decoded before it is asked for, and of what has been only the latest `room` bytes are kept. What is drawn
depends on the generator and the files alone, not on what happens to be kept.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from vsadcvsr.errors import MediaError, UsageError
from vsadcvsr.files import IMAGES, VIDEOS
from vsadcvsr.train.data import clips
from vsadcvsr.train.data.dataset import detail
from vsadcvsr.train.data.exclusion import NOTHING, Exclusion
from vsadcvsr.train.data.segments import Film, Pixels, files, read_image

type Shots = list[list[Pixels]]
type Place = tuple[Path, int]

VIDEO = 0.4
"""The share of clips that comes from videos, where there are both."""
ROOM = 1 << 30


@dataclass(frozen=True)
class Sources:
    """The files of some folders, for clips of `frames` frames of `size` pixels.

    `bad` are files that are of no use, each with the reason in words.
    """

    frames: int
    size: int
    pictures: tuple[Path, ...]
    films: tuple[Film, ...]
    bad: tuple[tuple[Path, str], ...] = ()

    @classmethod
    def of(cls, folders: Sequence[Path], *, frames: int, size: int, exclude: Exclusion = NOTHING) -> Sources:
        """What lies below the folders and is not excluded. The headers of videos are read, pictures are not opened.

        Raises UsageError for a folder that is not there, MediaError where there is nothing of use.
        """
        for folder in folders:
            if not folder.exists():
                raise UsageError.of("folder", str(folder), "a folder of pictures and videos")
        films, bad = list[Film](), list[tuple[Path, str]]()
        for path in exclude.without(files(folders, VIDEOS)):
            try:
                films.append(Film.of(path, frames=frames, size=size))
            except MediaError as error:
                bad.append((path, str(error)))
        pictures = exclude.without(files(folders, IMAGES))
        made = cls(frames, size, tuple(pictures), tuple(films), tuple(bad))
        if not made.pictures and not made.films:
            told = f"no pictures and no videos in {', '.join(map(str, folders))}"
            raise MediaError(told + (f" are of use: {bad[0][1]}" if bad else "; name folders that hold some"))
        return made


class Kept[Key, Value]:
    """The latest values, up to `room` bytes of them and always one."""

    def __init__(self, room: int) -> None:
        self._room, self._held = room, 0
        self._values: OrderedDict[Key, tuple[Value, int]] = OrderedDict()

    def get(self, key: Key, make: Callable[[], tuple[Value, int]]) -> Value:
        """The value kept for the key, or the one that `make` gives together with its bytes."""
        if key not in self._values:
            self._values[key] = made = make()
            self._held += made[1]
        self._values.move_to_end(key)
        while self._held > self._room and len(self._values) > 1:
            self._held -= self._values.popitem(last=False)[1][1]
        return self._values[key][0]


@dataclass
class Library:
    """What clips are cut from."""

    sources: Sources
    room: int = ROOM
    bad: dict[Path, str] = field(default_factory=dict)
    """The files that turned out to be of no use, at least in part, with the reason."""

    def __post_init__(self) -> None:
        self._kept: Kept[Place, Shots] = Kept(self.room)
        self._ends = np.cumsum([film.count for film in self.sources.films])
        self._failed: set[Place] = set()
        self.bad.update(self.sources.bad)

    def clip(self, rng: np.random.Generator) -> Pixels:
        """One clip (frames, size, size, 3); MediaError where no file is of use."""
        frames, size = self.sources.frames, self.sources.size
        shot = self._shot(rng, VIDEO)
        if len(shot) == 1:
            return clips.camera_motion(shot[0], frames, size, rng)
        return clips.window(shot, frames, size, rng)

    def still(self, rng: np.random.Generator) -> Pixels:
        """One picture (1, size, size, 3): of a photograph, or where there are none of a video."""
        return clips.camera_motion(self._shot(rng, 0)[0], 1, self.sources.size, rng)

    def _shot(self, rng: np.random.Generator, video: float) -> list[Pixels]:
        """A photograph, as a shot of one frame, or a shot of a video with the chance `video`."""
        while True:
            filmed = self.sources.films and (not self.sources.pictures or rng.random() < video)
            shots = self._stretch(rng) if filmed else self._picture(rng)
            if shots:
                return shots[int(rng.integers(len(shots)))]
            self._check()

    def _picture(self, rng: np.random.Generator) -> Shots:
        path = self.sources.pictures[int(rng.integers(len(self.sources.pictures)))]
        return self._read((path, 0), lambda: [[_large(path, read_image(path), self.sources.size)]])

    def _stretch(self, rng: np.random.Generator) -> Shots:
        """The shots of a stretch of film; all stretches are as likely."""
        number = int(rng.integers(self._ends[-1]))
        at = int(np.searchsorted(self._ends, number, side="right"))
        film, index = self.sources.films[at], int(self._ends[at]) - 1 - number
        return self._read((film.path, index), lambda: film.shots(index))

    def _read(self, place: Place, read: Callable[[], Shots]) -> Shots:
        def measured() -> tuple[Shots, int]:
            try:
                shots = read()
            except MediaError as error:
                self._failed.add(place)
                self.bad.setdefault(place[0], str(error))
                shots = []
            return shots, sum(frame.nbytes for shot in shots for frame in shot)

        return self._kept.get(place, measured)

    def _check(self) -> None:
        count = len(self.sources.pictures) + sum(film.count for film in self.sources.films)
        if len(self._failed) == count:
            raise MediaError(
                f"nothing is left to learn from; of {len(self.bad)} files, {next(iter(self.bad.values()))}"
            )


def busier(draw: Callable[[np.random.Generator], Pixels], rng: np.random.Generator) -> Pixels:
    """A clip, or half of the time the busier of two: skies and walls teach little."""
    first = draw(rng)
    if rng.random() < 0.5:
        return first
    return max(first, draw(rng), key=detail)


def _large(path: Path, picture: Pixels, size: int) -> Pixels:
    height, width = picture.shape[:2]
    if min(height, width) < size:
        raise MediaError(f"{path} is too small an image: {width}x{height}, clips are {size}x{size}; remove it")
    return picture

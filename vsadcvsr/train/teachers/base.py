"""Teachers: what a student shall give in answer to a clip of low resolution.

`TruthTeacher` gives the ground truth, `FolderTeacher` what some other system has made of whole videos, and DOVE
(`vsadcvsr.train.teachers.dove`) what it makes of the clip.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from vsadcvsr.errors import FormatError, MediaError, UsageError
from vsadcvsr.spec import SCALE
from vsadcvsr.train.data.dataset import TRUTH, Pixels
from vsadcvsr.train.data.frame_reader import Footage

_TAKEN = {"hr", "lr", "low", TRUTH}


@dataclass(frozen=True)
class Source:
    """Where a clip was cut: a video's name, frames by number, and the corner of the crop in low-resolution pixels."""

    video: str
    frames: tuple[int, ...]
    top: int
    left: int


@dataclass(frozen=True, eq=False)
class Lesson:
    """A clip that is put to a teacher: low (T, h, w, 3), truth (T, 4h, 4w, 3) where it is known; uint8 RGB."""

    low: Pixels
    truth: Pixels | None = None
    source: Source | None = None

    def __post_init__(self) -> None:
        if self.low.ndim != 4 or self.low.shape[3] != 3 or self.low.dtype != np.uint8 or not self.low.size:
            raise FormatError(f"a clip of shape {self.low.shape}, {self.low.dtype}, is not (T, h, w, 3) of uint8")
        if self.truth is not None:
            _checked(self.truth, self, "the truth")

    @property
    def answer_shape(self) -> tuple[int, int, int, int]:
        """(T, 4h, 4w, 3)."""
        frames, height, width, _ = self.low.shape
        return frames, SCALE * height, SCALE * width, 3


class Teacher(Protocol):
    """Whoever can answer; the same lesson always gets the same answer."""

    @property
    def name(self) -> str:
        """The name under which a pool keeps the answers."""
        ...

    def answer(self, lesson: Lesson) -> Pixels:
        """uint8 RGB of the lesson's `answer_shape`."""
        ...


def asked(teacher: Teacher, lesson: Lesson) -> Pixels:
    """The teacher's answer; FormatError if it has not the lesson's shape."""
    return _checked(teacher.answer(lesson), lesson, f"the answer of {teacher.name}")


def teacher_name(name: str) -> str:
    """The name itself, which becomes part of file names; UsageError if it cannot."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name) or name in _TAKEN:
        allowed = f"small letters, digits, - and _, but not {', '.join(sorted(_TAKEN))}"
        raise UsageError.of("teacher", name, allowed, "such as seedvr2")
    return name


@dataclass(frozen=True)
class TruthTeacher:
    """The ground truth itself."""

    name: str = TRUTH

    def answer(self, lesson: Lesson) -> Pixels:
        """The lesson's truth; UsageError where it has none."""
        if lesson.truth is None:
            raise UsageError("the lesson has no truth; ask another teacher")
        return lesson.truth


@dataclass(frozen=True)
class FolderTeacher:
    """What another system has made of videos, by the videos' names.

    Its frame 0 belongs to frame `skip` of the low-resolution video.
    """

    name: str
    videos: Mapping[str, Footage]
    skip: int = 0

    def answer(self, lesson: Lesson) -> Pixels:
        """The same frames and place of the video of that name; UsageError or MediaError where there are none."""
        source = lesson.source
        if source is None or source.video not in self.videos:
            known = f"clips of its own {len(self.videos)} videos"
            given = "a clip of unknown origin" if source is None else source.video
            raise UsageError.of(
                f"the lesson for {self.name}", given, known, "python -m vsadcvsr.train.teachers.pairs cuts them"
            )
        if min(source.frames) < self.skip:
            raise MediaError(f"{self.name} has no answer to frames of {source.video} before {self.skip}")
        _, height, width, _ = lesson.answer_shape
        top, left = SCALE * source.top, SCALE * source.left
        frames = self.videos[source.video].read([number - self.skip for number in source.frames])
        return np.stack([frame[top : top + height, left : left + width] for frame in frames])


def _checked(clip: Pixels, lesson: Lesson, name: str) -> Pixels:
    if clip.shape != lesson.answer_shape or clip.dtype != np.uint8:
        raise FormatError(f"{name} is {clip.shape} of {clip.dtype}, not {lesson.answer_shape} of uint8")
    return clip

"""Teachers: targets for clips of low resolution.

`FolderTeacher` returns crops of videos that another system has upscaled, and DOVE (`vsadcvsr.train.teachers.dove`)
upscales the clip.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from vsadcvsr.errors import FormatError, MediaError, UsageError
from vsadcvsr.train.data.shards import TRUTH, Pixels
from vsadcvsr.video_io import FrameReader

_RESERVED = {"hr", "lr", "low", TRUTH}


@dataclass(frozen=True)
class ClipOrigin:
    """Origin of a clip: the video's name, frame numbers, and the corner of the crop in low-resolution pixels."""

    video: str
    frames: tuple[int, ...]
    top: int
    left: int


@dataclass(frozen=True, eq=False)
class TeacherInput:
    """A clip for a teacher: low (T, h, w, 3), truth (T, sh, sw, 3) of scale s if known; uint8 RGB."""

    low: Pixels
    truth: Pixels | None = None
    origin: ClipOrigin | None = None
    scale: int = 4

    def __post_init__(self) -> None:
        if self.low.ndim != 4 or self.low.shape[3] != 3 or self.low.dtype != np.uint8 or not self.low.size:
            raise FormatError(f"a clip of shape {self.low.shape}, {self.low.dtype}, is not (T, h, w, 3) of uint8")
        if self.truth is not None:
            _checked(self.truth, self, "the truth")

    @property
    def target_shape(self) -> tuple[int, int, int, int]:
        """(T, sh, sw, 3)."""
        frames, height, width, _ = self.low.shape
        return frames, self.scale * height, self.scale * width, 3


class Teacher(Protocol):
    """A source of targets; the same input always has the same target."""

    @property
    def name(self) -> str:
        """The name of its targets in a pool."""
        ...

    def target(self, sample: TeacherInput) -> Pixels:
        """uint8 RGB of `target_shape`."""
        ...


def checked_target(teacher: Teacher, sample: TeacherInput) -> Pixels:
    """The teacher's target; FormatError if it has the wrong shape."""
    return _checked(teacher.target(sample), sample, f"the answer of {teacher.name}")


def teacher_name(name: str) -> str:
    """The name itself, which becomes part of file names; UsageError if it cannot."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name) or name in _RESERVED:
        allowed = f"small letters, digits, - and _, but not {', '.join(sorted(_RESERVED))}"
        raise UsageError.of("teacher", name, allowed, "such as seedvr2")
    return name


@dataclass(frozen=True)
class FolderTeacher:
    """Videos upscaled by another system, by name.

    Frame 0 corresponds to frame `skip` of the low-resolution video.
    """

    name: str
    videos: Mapping[str, FrameReader]
    skip: int = 0

    def target(self, sample: TeacherInput) -> Pixels:
        """The same frames and crop of the video of that name; UsageError or MediaError if there are none."""
        origin = sample.origin
        if origin is None or origin.video not in self.videos:
            clip = "a clip of unknown origin" if origin is None else f"a clip of {origin.video!r}"
            raise UsageError(
                f"teacher {self.name} has no target for {clip}; cut clips from its own {len(self.videos)} videos with "
                "`python -m vsadcvsr.train.teachers.pairs`"
            )
        if min(origin.frames) < self.skip:
            raise MediaError(f"{self.name} has no target for frames of {origin.video} before {self.skip}")
        _, height, width, _ = sample.target_shape
        top, left = sample.scale * origin.top, sample.scale * origin.left
        frames = self.videos[origin.video].read([number - self.skip for number in origin.frames])
        return np.stack([frame[top : top + height, left : left + width] for frame in frames])


def _checked(clip: Pixels, sample: TeacherInput, name: str) -> Pixels:
    if clip.shape != sample.target_shape or clip.dtype != np.uint8:
        raise FormatError(f"{name} is {clip.shape} of {clip.dtype}, not {sample.target_shape} of uint8")
    return clip

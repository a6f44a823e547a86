"""Pools from videos that another system has enlarged: clips cut at one place from both, and from the truth if at hand.

`python -m vsadcvsr.train.teachers.pairs --help` fills one. A shard depends on the videos, the seed and its number
alone: several processes may fill one pool, the same command again makes what is missing, and a second system's answers
to the same videos go beside the first's.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np

from vsadcvsr.commands import share, status
from vsadcvsr.errors import MediaError, UsageError
from vsadcvsr.extras import needs
from vsadcvsr.spec import SCALE
from vsadcvsr.train import options
from vsadcvsr.train.options import SHARD

with needs("train", "a pool", __name__, options.pairs):
    import cv2

    from vsadcvsr.train.data import clips
    from vsadcvsr.train.data.dataset import TRUTH, shard_file, write_shard
    from vsadcvsr.train.data.frame_reader import Footage, gathered
    from vsadcvsr.train.teachers.base import FolderTeacher, Lesson, Source, asked, teacher_name

_LONGEST = 600  # frames of a video that are looked at
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pairs:
    """Low-resolution videos, a teacher who knows them all, and their truth.

    Clips have `frames` frames; their sides are `side` low-resolution pixels.
    """

    lows: Mapping[str, Footage]
    teacher: FolderTeacher
    truth: FolderTeacher | None
    frames: int
    side: int
    _shots: dict[str, list[tuple[int, int]]] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.frames < 1:
            raise UsageError.of("frames", self.frames, "1 or more")
        if self.side < 1:
            raise UsageError.of("size", SCALE * self.side, "4 or more, a multiple of 4")

    def misfits(self) -> list[str]:
        """What is wrong with the folders, a line for each video; empty if nothing is."""
        made = [self.teacher] if self.truth is None else [self.teacher, self.truth]
        found = [self._too_small(name) for name in self.lows]
        return [line for line in [*found, *(self._misfit(name, by) for by in made for name in self.lows)] if line]

    def _too_small(self, name: str) -> str:
        low = self.lows[name]
        if min(low.width, low.height) >= self.side:
            return ""
        return f"{low.path} is {low.width}x{low.height}, too small for clips of {self.side}x{self.side}"

    def _misfit(self, name: str, by: FolderTeacher) -> str:
        low = self.lows[name]
        if name not in by.videos:
            return f"{low.path} has no answer of the name {name} by {by.name}"
        made, frames = by.videos[name], low.frames - by.skip
        if (made.width, made.height) != (SCALE * low.width, SCALE * low.height):
            wanted = f"{SCALE * low.width}x{SCALE * low.height}"
            return f"{made.path} is {made.width}x{made.height}, but {low.path} asks for {wanted}"
        if made.frames < frames:
            return f"{made.path} has {made.frames} frames, but {low.path} asks for {frames}"
        return ""

    def lesson(self, rng: np.random.Generator) -> Lesson:
        """A clip of a random shot at a random place; MediaError where no shot is long enough."""
        for name in map(str, rng.permutation(list(self.lows))):
            if shots := self._shots_of(name):
                return self._cut(name, shots[int(rng.integers(len(shots)))], rng)
        raise MediaError(f"none of {len(self.lows)} videos has a shot of {self.frames} frames; ask for fewer --frames")

    def _cut(self, name: str, shot: tuple[int, int], rng: np.random.Generator) -> Lesson:
        low, (begin, end) = self.lows[name], shot
        stride = int(rng.integers(1, 3))
        if (self.frames - 1) * stride >= end - begin:
            stride = 1
        first = int(rng.integers(begin, end - (self.frames - 1) * stride))
        top, left = (int(rng.integers(0, length - self.side + 1)) for length in (low.height, low.width))
        source = Source(name, tuple(range(first, first + self.frames * stride, stride)), top, left)
        seen = [frame[top : top + self.side, left : left + self.side] for frame in low.read(source.frames)]
        lesson = Lesson(np.stack(seen), source=source)
        return Lesson(lesson.low, asked(self.truth, lesson), source) if self.truth else lesson

    def _shots_of(self, name: str) -> list[tuple[int, int]]:
        if name not in self._shots:
            first = max(by.skip for by in (self.teacher, self.truth) if by)
            low = self.lows[name]
            video = low.read(range(min(low.frames, _LONGEST)))
            ends = [first, *(cut for cut in clips.cuts_of(video) if cut > first), len(video)]
            self._shots[name] = [(a, b) for a, b in pairwise(ends) if b - a >= self.frames]
        return self._shots[name]


def make_shard(pairs: Pairs, folder: Path, number: int, *, seed: int) -> bool:
    """Writes what shard `number` lacks; whether it lacked anything. Without truth, the answer stands for it."""
    low, taught, truth = (shard_file(folder, number, kind) for kind in ("low", pairs.teacher.name, TRUTH))
    if low.exists() and taught.exists() and truth.exists():
        return False
    rng = np.random.default_rng((seed, number))
    lessons = [pairs.lesson(rng) for _ in range(SHARD)]
    lows = np.stack([lesson.low for lesson in lessons])
    if low.exists() and not np.array_equal(np.load(low, mmap_mode="r"), lows):
        allowed = "a folder that is empty or was filled from the same videos with the same --seed, --frames and --size"
        raise UsageError.of("out", str(folder), allowed, f"{low.name} holds other clips")
    answers = np.stack([asked(pairs.teacher, lesson) for lesson in lessons])
    write_shard(folder, number, pairs.teacher.name, answers)
    if not low.exists():
        write_shard(folder, number, "low", lows)
    if not truth.exists():
        known = [lesson.truth for lesson in lessons if lesson.truth is not None]
        write_shard(folder, number, TRUTH, np.stack(known) if known else answers)
    return True


def opened(given: argparse.Namespace) -> Pairs:
    """The pairs that a command line names; every misfit is logged, and then MediaError raised."""
    if given.size % SCALE:
        raise UsageError.of("size", given.size, "a multiple of 4")
    if given.skip < 0:
        raise UsageError.of("skip", given.skip, "0 or more")
    teacher = FolderTeacher(teacher_name(given.teacher), gathered(given.taught), given.skip)
    truth = FolderTeacher(TRUTH, gathered(given.truth)) if given.truth else None
    pairs = Pairs(gathered(given.low), teacher, truth, given.frames, given.size // SCALE)
    if wrong := pairs.misfits():
        for line in wrong[1:]:
            _log.warning("%s", line)
        more = f" (and {len(wrong) - 1} more)" if wrong[1:] else ""
        raise MediaError(f"{wrong[0]}{more}; make it fit or take it out of {given.low}")
    return pairs


def main(arguments: Sequence[str] | None = None) -> int:
    """Fills a pool from the command line."""
    given = options.pairs().parse_args(arguments)
    part, parts = share(given.part)
    cv2.setNumThreads(1)
    pairs, shards = opened(given), -(-given.count // SHARD)
    given.out.mkdir(parents=True, exist_ok=True)
    for number in range(part, shards, parts):
        make_shard(pairs, given.out, number, seed=given.seed)
        _log.info("shard %d of %d", number + 1, shards)
    return 0


if __name__ == "__main__":
    raise SystemExit(status("pairs", main))

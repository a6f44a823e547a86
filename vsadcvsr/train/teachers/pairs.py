"""Building of pools from videos that another system has upscaled: clips cropped at one place from both, and from the
truth if available.

`python -m vsadcvsr.train.teachers.pairs --help` lists the options. A shard depends on the videos, the seed and its
number alone: several processes may build one pool, the same command again makes what is missing, and a second system's
targets for the same videos are added to the first's.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from vsadcvsr.commands import check_minimums, parse_share, status
from vsadcvsr.errors import MediaError, UsageError
from vsadcvsr.extras import needs
from vsadcvsr.train import options
from vsadcvsr.train.options import SHARD_CLIPS

with needs("train", "a pool", __name__, options.pairs_options):
    import cv2

    from vsadcvsr.train.data import clips
    from vsadcvsr.train.data.shards import LOW, TRUTH, check_pool_scale, read_shard, shard_path, write_shard
    from vsadcvsr.train.teachers.base import ClipOrigin, FolderTeacher, TeacherInput, checked_target, teacher_name
    from vsadcvsr.video_io import FrameReader, readers_in

_MAX_FRAMES = 600  # frames of a video that are looked at
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class VideoPairs:
    """Low-resolution videos, a teacher who knows them all, and their truth.

    Clips have `frames` frames; their sides are `side` low-resolution pixels.
    """

    low_videos: Mapping[str, FrameReader]
    teacher: FolderTeacher
    truth: FolderTeacher | None
    frames: int
    side: int
    scale: int = 4
    _shots: dict[str, list[tuple[int, int]]] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.frames < 1:
            raise UsageError.of("frames", self.frames, "1 or more")
        if self.side < 1:
            raise UsageError.of("size", self.scale * self.side, f"{self.scale} or more, a multiple of the scale")

    def problems(self) -> list[str]:
        """Problems of the folders, a line for each video; empty if there are none."""
        teachers = [self.teacher] if self.truth is None else [self.teacher, self.truth]
        problems = [self._too_small(name) for name in self.low_videos]
        return [
            line
            for line in [
                *problems,
                *(self._mismatch(name, teacher) for teacher in teachers for name in self.low_videos),
            ]
            if line
        ]

    def _too_small(self, name: str) -> str:
        low = self.low_videos[name]
        if min(low.width, low.height) >= self.side:
            return ""
        return f"{low.path} is {low.width}x{low.height}, too small for clips of {self.side}x{self.side}"

    def _mismatch(self, name: str, teacher: FolderTeacher) -> str:
        low = self.low_videos[name]
        if name not in teacher.videos:
            return f"{low.path} has no answer of the name {name} by {teacher.name}"
        video, frames = teacher.videos[name], low.frames - teacher.skip
        if (video.width, video.height) != (self.scale * low.width, self.scale * low.height):
            expected = f"{self.scale * low.width}x{self.scale * low.height}"
            return f"{video.path} is {video.width}x{video.height}, but {low.path} asks for {expected}"
        if video.frames < frames:
            return f"{video.path} has {video.frames} frames, but {low.path} asks for {frames}"
        return ""

    def draw(self, rng: np.random.Generator) -> TeacherInput:
        """A clip of a random shot at a random place; MediaError where no shot is long enough."""
        for name in map(str, rng.permutation(list(self.low_videos))):
            if shots := self._shots_of(name):
                return self._crop(name, shots[int(rng.integers(len(shots)))], rng)
        raise MediaError(
            f"none of {len(self.low_videos)} videos has a shot of {self.frames} frames; ask for fewer --frames"
        )

    def _crop(self, name: str, shot: tuple[int, int], rng: np.random.Generator) -> TeacherInput:
        low, (start, end) = self.low_videos[name], shot
        stride = int(rng.integers(1, 3))
        if (self.frames - 1) * stride >= end - start:
            stride = 1
        first = int(rng.integers(start, end - (self.frames - 1) * stride))
        top, left = (int(rng.integers(0, length - self.side + 1)) for length in (low.height, low.width))
        source = ClipOrigin(name, tuple(range(first, first + self.frames * stride, stride)), top, left)
        crops = [frame[top : top + self.side, left : left + self.side] for frame in low.read(source.frames)]
        sample = TeacherInput(np.stack(crops), origin=source, scale=self.scale)
        return replace(sample, truth=checked_target(self.truth, sample)) if self.truth else sample

    def _shots_of(self, name: str) -> list[tuple[int, int]]:
        if name not in self._shots:
            first = max(teacher.skip for teacher in (self.teacher, self.truth) if teacher)
            low = self.low_videos[name]
            video = low.read(range(min(low.frames, _MAX_FRAMES)))
            ends = [first, *(cut for cut in clips.find_cuts(video) if cut > first), len(video)]
            self._shots[name] = [(a, b) for a, b in pairwise(ends) if b - a >= self.frames]
        return self._shots[name]


def make_shard(pairs: VideoPairs, folder: Path, number: int, *, seed: int) -> bool:
    """Writes what shard `number` lacks; whether it lacked anything. Without truth, the teacher's target is used as
    truth.
    """
    low, target_path, truth = (shard_path(folder, number, kind) for kind in (LOW, pairs.teacher.name, TRUTH))
    if low.exists() and target_path.exists() and truth.exists():
        return False
    rng = np.random.default_rng((seed, number))
    samples = [pairs.draw(rng) for _ in range(SHARD_CLIPS)]
    low_clips = np.stack([sample.low for sample in samples])
    if low.exists() and not np.array_equal(read_shard(low), low_clips):
        raise UsageError(
            f"{low.name} in {folder} has other clips: the folder was filled from other videos, or with another --seed, "
            "--frames or --size; give an empty folder, or the same again"
        )
    targets = np.stack([checked_target(pairs.teacher, sample) for sample in samples])
    write_shard(folder, number, pairs.teacher.name, targets)
    if not low.exists():
        write_shard(folder, number, LOW, low_clips)
    if not truth.exists():
        truths = [sample.truth for sample in samples if sample.truth is not None]
        write_shard(folder, number, TRUTH, np.stack(truths) if truths else targets)
    return True


def open_pairs(arguments: argparse.Namespace) -> VideoPairs:
    """The pairs that a command line names; every misfit is logged, and then MediaError raised."""
    if arguments.size % arguments.scale:
        raise UsageError.of("size", arguments.size, f"a multiple of the scale, {arguments.scale}")
    if arguments.skip < 0:
        raise UsageError.of("skip", arguments.skip, "0 or more")
    teacher = FolderTeacher(teacher_name(arguments.teacher), readers_in(arguments.targets), arguments.skip)
    truth = FolderTeacher(TRUTH, readers_in(arguments.truth)) if arguments.truth else None
    side = arguments.size // arguments.scale
    pairs = VideoPairs(readers_in(arguments.low), teacher, truth, arguments.frames, side, arguments.scale)
    if problems := pairs.problems():
        for line in problems[1:]:
            _log.warning("%s", line)
        more = f" (and {len(problems) - 1} more)" if problems[1:] else ""
        raise MediaError(f"{problems[0]}{more}; make it fit or take it out of {arguments.low}")
    return pairs


def main(arguments: Sequence[str] | None = None) -> int:
    """Fills a pool from the command line."""
    values = options.pairs_options().parse_args(arguments)
    check_minimums(values, {"count": 1, "seed": 0})
    part, parts = parse_share(values.part)
    cv2.setNumThreads(1)
    pairs, shards = open_pairs(values), -(-values.count // SHARD_CLIPS)
    values.out.mkdir(parents=True, exist_ok=True)
    check_pool_scale(values.out, values.scale)
    for number in range(part, shards, parts):
        make_shard(pairs, values.out, number, seed=values.seed)
        _log.info("shard %d of %d", number + 1, shards)
    return 0


if __name__ == "__main__":
    raise SystemExit(status("pairs", main))

"""Samples made ahead of training, so that two cores can spend themselves on learning.

A shard (see `vsadcvsr.train.shards`) depends on the seed and its number alone: several processes may fill one pool,
and the same command again makes what is missing. `python -m vsadcvsr.train.pool --help` fills one.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from vsadcvsr.errors import AdcvsrError, MediaError
from vsadcvsr.train import clips, degrade
from vsadcvsr.train.shards import TRUTH, Pixels, detail, shard_file, write_shard

SHARD = 16
MIX = {"clean": 0.15, "light": 0.45, "soft": 0.2, "heavy": 0.2}
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Library:
    """What samples are cut from."""

    images: Sequence[Pixels]
    shots: Sequence[Sequence[Pixels]]
    video: float = 0.4
    """The share of samples that comes from videos, where there are both."""

    @classmethod
    def of(cls, folders: Sequence[Path], *, frames: int) -> Library:
        """Everything below the folders, decoded; MediaError where there is nothing."""
        images = [clips.read_image(path) for path in clips.files(folders, clips.IMAGES)]
        videos = (clips.read_video(path) for path in clips.files(folders, clips.VIDEOS))
        shots = [shot for video in videos for shot in clips.shots(video, shortest=frames)]
        if not images and not shots:
            raise MediaError(f"no pictures and no videos of {frames} frames in {', '.join(map(str, folders))}")
        return cls(images, shots)

    def clip(self, frames: int, size: int, rng: np.random.Generator) -> Pixels:
        """One clip (frames, size, size, 3)."""
        if self.shots and (not self.images or rng.random() < self.video):
            return clips.window(self.shots[int(rng.integers(len(self.shots)))], frames, size, rng)
        return clips.camera_motion(self.images[int(rng.integers(len(self.images)))], frames, size, rng)

    def detailed_clip(self, frames: int, size: int, rng: np.random.Generator) -> Pixels:
        """One clip, or half of the time the busier of two: skies and walls teach little."""
        first = self.clip(frames, size, rng)
        if rng.random() < 0.5:
            return first
        return max(first, self.clip(frames, size, rng), key=detail)


def sample(library: Library, frames: int, size: int, rng: np.random.Generator) -> tuple[Pixels, Pixels]:
    """A clip and what is left of it at a quarter of its size."""
    truth = library.detailed_clip(frames, size, rng)
    values = truth.astype(np.float32) * np.float32(1 / 255)
    kind = str(rng.choice(list(MIX), p=list(MIX.values())))
    if kind in {"clean", "light"}:
        return truth, (degrade.clean if kind == "clean" else degrade.light)(values, rng)
    return truth, degrade.through(values, degrade.SOFT if kind == "soft" else degrade.HEAVY, rng)


def make_shard(library: Library, folder: Path, number: int, *, frames: int, size: int, seed: int) -> bool:
    """Writes shard `number` unless it is there; whether it wrote."""
    if shard_file(folder, number, TRUTH).exists() and shard_file(folder, number, "low").exists():
        return False
    rng = np.random.default_rng((seed, number))
    truths, worn = zip(*(sample(library, frames, size, rng) for _ in range(SHARD)), strict=True)
    write_shard(folder, number, "low", np.stack(worn))
    write_shard(folder, number, TRUTH, np.stack(truths))
    return True


def main(arguments: Sequence[str] | None = None) -> int:
    """Fills a pool from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m vsadcvsr.train.pool", description="Fills a pool of training samples."
    )
    parser.add_argument("folders", nargs="+", type=Path, help="folders of pictures and videos")
    parser.add_argument("--out", type=Path, required=True, help="the folder of the pool")
    parser.add_argument("--count", type=int, default=1600, help="samples in all, in shards of 16")
    parser.add_argument("--frames", type=int, default=7)
    parser.add_argument("--size", type=int, default=256, help="side of a clip in pixels, a multiple of 4")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--part", default="0/1", help="this process's share: 0/2 and 1/2 are two halves")
    given = parser.parse_args(arguments)
    part, parts = map(int, given.part.split("/"))
    cv2.setNumThreads(1)
    given.out.mkdir(parents=True, exist_ok=True)
    library, shards = Library.of(given.folders, frames=given.frames), -(-given.count // SHARD)
    for number in range(part, shards, parts):
        make_shard(library, given.out, number, frames=given.frames, size=given.size, seed=given.seed)
        _log.info("shard %d of %d", number + 1, shards)
    return 0


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        raise SystemExit(main())
    except AdcvsrError as error:
        raise SystemExit(f"adcvsr: {error}") from None

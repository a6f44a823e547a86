"""A pool of samples on disk: what lies where, and batches drawn from it.

A pool is a folder of shards. NNNN.hr.npy (N, T, S, S, 3) is the truth, NNNN.lr.npy (N, T, S/4, S/4, 3) what is left of
it, and NNNN.TEACHER.npy, shaped like the truth, what a teacher made of that; uint8 RGB. Files are renamed into place
when they are whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vsadcvsr.errors import UsageError
from vsadcvsr.spec import SCALE

type Pixels = NDArray[np.uint8]
type Values = NDArray[np.float32]

TRUTH = "truth"
_FILES = {TRUTH: "hr", "low": "lr"}


@dataclass(frozen=True)
class Batch:
    """B clips of T frames, RGB in 0..1: truth and target (B, T, 3, 4s, 4s), low (B, T, 3, s, s).

    The target is what the student shall give: the teacher's answer, or the truth itself.
    """

    truth: Values
    low: Values
    target: Values


def shard_file(folder: Path, number: int, kind: str) -> Path:
    """Where a shard keeps one kind of clips: `truth`, `low`, or a teacher's name."""
    return folder / f"{number:04d}.{_FILES.get(kind, kind)}.npy"


def shard_numbers(folder: Path) -> list[int]:
    """The shards that are whole, in order."""
    found = (path.name.split(".")[0] for path in sorted(folder.glob("*.hr.npy")))
    return [int(name) for name in found if name.isdigit() and shard_file(folder, int(name), "low").exists()]


def write_shard(folder: Path, number: int, kind: str, clips: Pixels) -> None:
    """Writes one kind of a shard's clips (N, T, H, W, 3) and then gives it its name."""
    path = shard_file(folder, number, kind)
    fresh = path.with_suffix(".part")
    with fresh.open("wb") as file:
        np.save(file, clips)
    fresh.replace(path)


class Pool:
    """The shards of a folder, mapped into memory."""

    def __init__(self, folder: Path, *, teacher: str = TRUTH) -> None:
        numbers = shard_numbers(folder)
        if not numbers:
            raise UsageError.of("pool", str(folder), "a folder that `python -m vsadcvsr.train.pool` has filled")
        kinds = (TRUTH, "low", teacher)
        files = [[shard_file(folder, number, kind) for kind in kinds] for number in numbers]
        if absent := [path.name for _, _, path in files if not path.exists()]:
            raise UsageError.of(
                "teacher", teacher, "one whose answers the pool holds", f"{len(absent)} are missing, {absent[0]} first"
            )
        self._shards = [tuple(np.load(path, mmap_mode="r") for path in paths) for paths in files]

    def batch(self, rng: np.random.Generator, batch: int, *, frames: int, lr_size: int) -> Batch:
        """Random crops, turned and mirrored. UsageError where the pool's clips are smaller."""
        crops = [self._crop(rng, frames, lr_size) for _ in range(batch)]
        return Batch(*(np.stack([_planar(crop[side]) for crop in crops]) for side in range(3)))

    def _crop(self, rng: np.random.Generator, frames: int, side: int) -> tuple[Pixels, ...]:
        shard = self._shards[int(rng.integers(len(self._shards)))]
        low = shard[1]
        index = rng.integers(len(low))
        if frames > low.shape[1] or side > low.shape[2]:
            allowed = f"up to {low.shape[1]} frames of {low.shape[2]} pixels, as in the pool"
            raise UsageError.of("frames and lr_size", (frames, side), allowed)
        first = rng.integers(0, low.shape[1] - frames + 1)
        places = rng.integers(0, low.shape[2] - side + 1, (1 if rng.random() < 0.5 else 3, 2))
        crops = [_cut(shard[0][index], first, frames, SCALE * place, SCALE * side) for place in places]
        best = places[max(range(len(crops)), key=lambda number: detail(crops[number]))]
        cut = (_cut(clips[index], first, frames, best * by, side * by) for clips, by in zip(shard, _BY, strict=True))
        return _turned(tuple(cut), rng)


_BY = (SCALE, 1, SCALE)


def detail(clip: Pixels) -> float:
    """The mean step between neighbouring pixels of the first frame's green, 0 to 255."""
    return float(np.abs(np.diff(clip[0, ..., 1].astype(np.int16), axis=1)).mean())


def _cut(clip: Pixels, first: int, frames: int, place: NDArray[np.int64], side: int) -> Pixels:
    top, left = place
    return clip[first : first + frames, top : top + side, left : left + side]


def _turned(crops: tuple[Pixels, ...], rng: np.random.Generator) -> tuple[Pixels, ...]:
    for axis in range(3):  # time, height, width
        if rng.random() < 0.5:
            crops = tuple(np.flip(crop, axis) for crop in crops)
    if rng.random() < 0.5:
        crops = tuple(crop.swapaxes(1, 2) for crop in crops)
    return crops


def _planar(clip: Pixels) -> Values:
    return np.ascontiguousarray(np.moveaxis(clip, -1, 1)).astype(np.float32) * np.float32(1 / 255)

"""Pool of training samples on disk, made before training: file layout, and batches.

A pool is a folder of shards. NNNN.hr.npy (N, T, S, S, 3) is the truth, NNNN.lr.npy (N, T, S/s, S/s, 3) its degraded
version of scale s, and NNNN.TEACHER.npy, shaped like the truth, a teacher's target; uint8 RGB. Files are written
atomically.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vsadcvsr.errors import UsageError
from vsadcvsr.files import replacing

type Pixels = NDArray[np.uint8]
type Values = NDArray[np.float32]

TRUTH = "truth"
_MAX_MAPPED = 64
"""Shards that are memory-mapped at a time, of two or three files each: the number of open files is limited."""
_FILES = {TRUTH: "hr", "low": "lr"}


@dataclass(frozen=True)
class Batch:
    """B clips of T frames, RGB in 0..1: truth and target (B, T, 3, sH, sW), low (B, T, 3, H, W), of scale s.

    The target is the teacher's, or the truth itself.
    """

    truth: Values
    low: Values
    target: Values


def shard_path(folder: Path, number: int, kind: str) -> Path:
    """File of a shard for one kind of clips: `truth`, `low`, or a teacher's name."""
    return folder / f"{number:04d}.{_FILES.get(kind, kind)}.npy"


def shard_numbers(folder: Path) -> list[int]:
    """The complete shards, in order."""
    names = (path.name.split(".")[0] for path in sorted(folder.glob("*.hr.npy")))
    return [int(name) for name in names if name.isdigit() and shard_path(folder, int(name), "low").exists()]


def write_shard(folder: Path, number: int, kind: str, clips: Pixels) -> None:
    """Writes one kind of a shard's clips (N, T, H, W, 3) atomically."""
    with replacing(shard_path(folder, number, kind)) as unfinished, unfinished.open("wb") as file:
        np.save(file, clips)


def check_pool_scale(folder: Path, scale: int) -> None:
    """Raises UsageError if a pool has shards of another scale."""
    for number in shard_numbers(folder):
        truth, low = (np.load(shard_path(folder, number, kind), mmap_mode="r").shape for kind in (TRUTH, "low"))
        if truth[2] != scale * low[2]:
            hint = "take a pool of that scale, or an empty folder"
            raise UsageError.of("scale", scale, f"{truth[2] // low[2]}, that of the pool {folder}", hint)


class Dataset:
    """The shards of a folder, of which the latest are memory-mapped."""

    def __init__(self, folder: Path, *, teacher: str = TRUTH, scale: int = 4) -> None:
        numbers = shard_numbers(folder)
        if not numbers:
            raise UsageError(f"no samples in pool {folder}; fill it with `python -m vsadcvsr.train.data.build`")
        check_pool_scale(folder, scale)
        self._scale = scale
        kinds = (TRUTH, "low", teacher)
        files = [[shard_path(folder, number, kind) for kind in kinds] for number in numbers]
        if missing := [path.name for _, _, path in files if not path.exists()]:
            raise UsageError(
                f"the pool lacks {len(missing)} target files of teacher {teacher!r}, {missing[0]} first; make them "
                "with "
                "`python -m vsadcvsr.train.teachers.label`"
            )
        self._files = [paths if teacher != TRUTH else paths[:2] for paths in files]
        self._mapped: OrderedDict[int, tuple[Pixels, ...]] = OrderedDict()

    def batch(self, rng: np.random.Generator, batch: int, *, frames: int, lr_size: int) -> Batch:
        """Random crops, flipped and transposed. UsageError if the pool's clips are smaller."""
        crops = [self._crop(rng, frames, lr_size) for _ in range(batch)]
        truth, low, *target = (_to_batch(clips) for clips in zip(*crops, strict=True))
        return Batch(truth, low, *(target or [truth]))

    def _shard(self, number: int) -> tuple[Pixels, ...]:
        """The clips of a shard: truth, low and, unless the truth is the target, the teacher's."""
        if number not in self._mapped:
            self._mapped[number] = tuple(np.load(path, mmap_mode="r") for path in self._files[number])
        self._mapped.move_to_end(number)
        while len(self._mapped) > _MAX_MAPPED:
            self._mapped.popitem(last=False)
        return self._mapped[number]

    def _crop(self, rng: np.random.Generator, frames: int, side: int) -> tuple[Pixels, ...]:
        shard = self._shard(int(rng.integers(len(self._files))))
        low = shard[1]
        index = rng.integers(len(low))
        if frames > low.shape[1] or side > low.shape[2]:
            raise UsageError(
                f"a batch of {frames} frames of {side}x{side} pixels is asked for, but the pool's samples have "
                f"{low.shape[1]} frames of {low.shape[2]}x{low.shape[2]}; lower frames or crop"
            )
        first = rng.integers(0, low.shape[1] - frames + 1)
        corners = rng.integers(0, low.shape[2] - side + 1, (1 if rng.random() < 0.5 else 3, 2))
        scale = self._scale
        crops = [_crop(shard[0][index], first, frames, scale * candidate, scale * side) for candidate in corners]
        corner = corners[max(range(len(crops)), key=lambda number: mean_gradient(crops[number]))]
        cropped = (
            _crop(clips[index], first, frames, corner * factor, side * factor).copy()  # a view would keep the file open
            for clips, factor in zip(shard, (scale, 1, scale), strict=False)
        )
        return _augmented(tuple(cropped), rng)


def mean_gradient(clip: Pixels) -> float:
    """Mean absolute horizontal gradient of the first frame's green channel, 0 to 255."""
    return float(np.abs(np.diff(clip[0, ..., 1].astype(np.int16), axis=1)).mean())


def _crop(clip: Pixels, first: int, frames: int, corner: NDArray[np.int64], side: int) -> Pixels:
    top, left = corner
    return clip[first : first + frames, top : top + side, left : left + side]


def _augmented(crops: tuple[Pixels, ...], rng: np.random.Generator) -> tuple[Pixels, ...]:
    for axis in range(3):  # time, height, width
        if rng.random() < 0.5:
            crops = tuple(np.flip(crop, axis) for crop in crops)
    if rng.random() < 0.5:
        crops = tuple(crop.swapaxes(1, 2) for crop in crops)
    return crops


def _to_batch(clips: Sequence[Pixels]) -> Values:
    """Clips (T, H, W, 3) as values (B, T, 3, H, W) in 0..1."""
    frames, height, width, channels = clips[0].shape
    batch = np.empty((len(clips), frames, channels, height, width), np.float32)
    for clip, values in zip(clips, batch, strict=True):
        np.multiply(np.moveaxis(clip, -1, 1), np.float32(1 / 255), out=values, dtype=np.float32)
    return batch

"""Samples of a training step: random crops of a pool's clips.

All random choices are made on the host and depend on the generator alone. Crops are cut on the host, or, where a GPU
has room for all clips, on the GPU: a core cuts a thousand crops a second at most, and a large GPU trains on ten times
as many.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from vsadcvsr.errors import UsageError
from vsadcvsr.train.data.shards import LOW, TRUTH, Pixels, check_pool_scale, read_shard, shard_numbers, shard_path

type Values = NDArray[np.float32]
type Shard = tuple[Pixels, ...]
"""The clips of a shard: truth, low and, unless the truth is the target, the teacher's."""

_MAX_MAPPED = 64
"""Shards that are memory-mapped at a time, of two or three files each: the number of open files is limited."""


@dataclass(frozen=True)
class Batch:
    """B clips of T frames, RGB in 0..1: truth and target (B, T, 3, sH, sW), low (B, T, 3, H, W), of scale s.

    The target is the teacher's, or the truth itself.
    """

    truth: Values
    low: Values
    target: Values

    def take(self, clips: NDArray[np.int64], frames: NDArray[np.int64]) -> Self:
        """Clips of these frames of these clips, both (B', T')."""
        return type(self)(*(values[clips, frames] for values in (self.truth, self.low, self.target)))


@dataclass(frozen=True)
class Crop:
    """The random choices of a crop: shard and clip, first frame, places to choose the most detailed of, flips."""

    shard: int
    clip: int
    first: int
    corners: NDArray[np.int64]
    """(1 or 3, 2): top and left, in low-resolution pixels."""
    flips: tuple[bool, bool, bool]
    """In time, height and width."""
    transposed: bool


class Dataset:
    """The shards of a folder: of plain ones the latest are memory-mapped, compressed ones are decoded once."""

    def __init__(self, folder: Path, *, teacher: str = TRUTH, scale: int = 4) -> None:
        numbers = shard_numbers(folder)
        if not numbers:
            raise UsageError(f"no samples in pool {folder}; fill it with `python -m vsadcvsr.train.data.build`")
        check_pool_scale(folder, scale)
        self.scale = scale
        kinds = (TRUTH, LOW, teacher)
        files = [[shard_path(folder, number, kind) for kind in kinds] for number in numbers]
        if missing := [path.name for _, _, path in files if not path.exists()]:
            raise UsageError(
                f"the pool lacks {len(missing)} target files of teacher {teacher!r}, {missing[0]} first; make them "
                "with "
                "`python -m vsadcvsr.train.teachers.label`"
            )
        self._files = [paths if teacher != TRUTH else paths[:2] for paths in files]
        self._mapped: OrderedDict[int, Shard] = OrderedDict()
        self._shapes: dict[int, tuple[int, ...]] = {}
        compressed = [number for number, paths in enumerate(self._files) if any(map(_is_compressed, paths))]
        with ThreadPoolExecutor(os.cpu_count()) as executor:
            self._decoded = dict(zip(compressed, executor.map(self._read, compressed), strict=True))

    def __len__(self) -> int:
        """The number of shards."""
        return len(self._files)

    def batch(self, rng: np.random.Generator, batch: int, *, frames: int, lr_size: int) -> Batch:
        """Random crops, flipped and transposed. UsageError if the pool's clips are smaller."""
        crops = [self._cut(self.draw(rng, frames, lr_size), frames, lr_size) for _ in range(batch)]
        truth, low, *target = (_to_batch(clips) for clips in zip(*crops, strict=True))
        return Batch(truth, low, *(target or [truth]))

    def shard(self, number: int) -> Shard:
        """The clips of a shard, each kind (N, T, H, W, 3)."""
        if number in self._decoded:
            return self._decoded[number]
        if number not in self._mapped:
            self._mapped[number] = self._read(number)
        self._mapped.move_to_end(number)
        while len(self._mapped) > _MAX_MAPPED:
            self._mapped.popitem(last=False)
        return self._mapped[number]

    def shape(self, number: int) -> tuple[int, ...]:
        """The shape of a shard's degraded clips, (N, T, H, W, 3)."""
        if number not in self._shapes:
            self._shapes[number] = self.shard(number)[1].shape
        return self._shapes[number]

    def draw(self, rng: np.random.Generator, frames: int, side: int) -> Crop:
        """The choices of a crop of `frames` frames of low-resolution `side`. UsageError if the clips are smaller."""
        number = int(rng.integers(len(self._files)))
        clips, length, width, *_ = self.shape(number)
        clip = int(rng.integers(clips))
        self._check_size(number, frames, side)
        first = int(rng.integers(0, length - frames + 1))
        corners = rng.integers(0, width - side + 1, (1 if rng.random() < 0.5 else 3, 2))
        in_time, in_height, in_width = (bool(rng.random() < 0.5) for _ in range(3))
        return Crop(number, clip, first, corners, (in_time, in_height, in_width), bool(rng.random() < 0.5))

    def check(self, frames: int, side: int) -> None:
        """Raises UsageError if any clips are smaller than crops of `frames` frames of low-resolution `side`."""
        for number in range(len(self._files)):
            self._check_size(number, frames, side)

    def _check_size(self, number: int, frames: int, side: int) -> None:
        _, length, width, *_ = self.shape(number)
        if frames > length or side > width:
            raise UsageError(
                f"a batch of {frames} frames of {side}x{side} pixels is asked for, but the pool's samples have "
                f"{length} frames of {width}x{width}; lower frames or crop"
            )

    def _read(self, number: int) -> Shard:
        return tuple(map(read_shard, self._files[number]))

    def _cut(self, crop: Crop, frames: int, side: int) -> tuple[Pixels, ...]:
        shard, first, scale = self.shard(crop.shard), crop.first, self.scale
        places = [_crop(shard[0][crop.clip], first, frames, scale * place, scale * side) for place in crop.corners]
        corner = crop.corners[max(range(len(places)), key=lambda number: mean_gradient(places[number]))]
        cropped = (
            _crop(clips[crop.clip], first, frames, corner * factor, side * factor).copy()  # a view keeps the file open
            for clips, factor in zip(shard, (scale, 1, scale), strict=False)
        )
        return _augmented(tuple(cropped), crop)


def mean_gradient(clip: Pixels) -> float:
    """Mean absolute horizontal gradient of the first frame's green channel, 0 to 255."""
    return float(np.abs(np.diff(clip[0, ..., 1].astype(np.int16), axis=1)).mean())


def _is_compressed(path: Path) -> bool:
    return path.suffix == ".zip"


def _crop(clip: Pixels, first: int, frames: int, corner: NDArray[np.int64], side: int) -> Pixels:
    top, left = corner
    return clip[first : first + frames, top : top + side, left : left + side]


def _augmented(crops: tuple[Pixels, ...], choices: Crop) -> tuple[Pixels, ...]:
    axes = tuple(axis for axis, flipped in enumerate(choices.flips) if flipped)
    crops = tuple(np.flip(crop, axes) for crop in crops)
    return tuple(crop.swapaxes(1, 2) for crop in crops) if choices.transposed else crops


def _to_batch(clips: Sequence[Pixels]) -> Values:
    """Clips (T, H, W, 3) as values (B, T, 3, H, W) in 0..1."""
    frames, height, width, channels = clips[0].shape
    batch = np.empty((len(clips), frames, channels, height, width), np.float32)
    for clip, values in zip(clips, batch, strict=True):
        np.multiply(np.moveaxis(clip, -1, 1), np.float32(1 / 255), out=values, dtype=np.float32)
    return batch

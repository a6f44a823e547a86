"""A pool in the memory of a GPU, which cuts the crops of a whole step at once."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vsadcvsr.train.data.dataset import Batch, Crop, Dataset

_log = logging.getLogger(__name__)
_SHARE = 0.25  # of the free memory of a GPU, at most, for a pool


@dataclass(frozen=True)
class DeviceBatch:
    """A `Batch` on a device."""

    truth: Tensor
    low: Tensor
    target: Tensor

    def take(self, clips: NDArray[np.int64], frames: NDArray[np.int64]) -> Self:
        """Clips of these frames of these clips, both (B', T')."""
        index = tuple(to_device(values, self.low.device) for values in (clips, frames))
        return type(self)(*(values[index] for values in (self.truth, self.low, self.target)))


def to_device(values: Tensor | NDArray[np.generic], device: torch.device) -> Tensor:
    """Values on a device; a GPU copies them while the host goes on."""
    tensor = values if isinstance(values, Tensor) else torch.from_numpy(values)
    if device.type == "cuda" and tensor.device.type == "cpu":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


class DeviceDataset:
    """All clips of a pool on a device. A batch equals the pool's own for the same generator, bit for bit."""

    def __init__(self, pool: Dataset, device: torch.device) -> None:
        self._pool, self._device = pool, device
        self._starts = np.cumsum([0, *(pool.shape(number)[0] for number in range(len(pool)))])
        count = int(self._starts[-1])
        self._kinds = [
            torch.empty((count, *clips.shape[1:]), dtype=torch.uint8, device=device) for clips in pool.shard(0)
        ]
        for number, start in enumerate(self._starts[:-1].tolist()):
            for clips, loaded in zip(pool.shard(number), self._kinds, strict=True):
                loaded[start : start + len(clips)] = torch.from_numpy(np.array(clips)).to(device)

    def batch(self, rng: np.random.Generator, batch: int, *, frames: int, lr_size: int) -> DeviceBatch:
        """Random crops, flipped and transposed. UsageError if the pool's clips are smaller."""
        crops = [self._pool.draw(rng, frames, lr_size) for _ in range(batch)]
        table = to_device(torch.tensor([self._row(crop) for crop in crops]), self._device)
        clip, first, flips, transposed = table[:, 0], table[:, 1], table[:, 2:5].bool(), table[:, 5].bool()
        corner = self._most_detailed(clip, first, table[:, 6:].view(-1, 3, 2), lr_size)
        scale = self._pool.scale
        truth, low, *target = (
            _gathered(clips, clip, first, factor * corner, flips, transposed, (frames, factor * lr_size))
            for clips, factor in zip(self._kinds, (scale, 1, scale), strict=False)
        )
        return DeviceBatch(truth, low, *(target or [truth]))

    def _row(self, crop: Crop) -> list[int]:
        """The numbers of a crop: clip, first frame, three flips, transposition, three places."""
        clip = int(self._starts[crop.shard]) + crop.clip
        places = np.resize(crop.corners, (3, 2)).ravel().tolist()
        return [clip, crop.first, *map(int, crop.flips), int(crop.transposed), *places]

    def _most_detailed(self, clip: Tensor, first: Tensor, corners: Tensor, side: int) -> Tensor:
        """The places (B, 2) of (B, 3, 2) with the largest gradients of green, the first of equal ones."""
        places = torch.arange(self._pool.scale * side, device=self._device)
        rows, columns = (self._pool.scale * corners[..., axis, None] + places for axis in (0, 1))  # (B, 3, S)
        green = self._kinds[0][
            clip[:, None, None, None], first[:, None, None, None], rows[..., None], columns[..., None, :], 1
        ]  # (B, 3, S, S)
        sums = green.to(torch.int16).diff(dim=-1).abs().sum((-2, -1), dtype=torch.int64)  # (B, 3)
        best = (3 * sums - torch.arange(3, device=self._device)).argmax(1)
        return corners[torch.arange(len(corners), device=self._device), best]


def _gathered(
    clips: Tensor, clip: Tensor, first: Tensor, corner: Tensor, flips: Tensor, transposed: Tensor, size: tuple[int, int]
) -> Tensor:
    """Crops (B, T, 3, S, S) in 0..1 of clips (N, T, H, W, 3), for `size` (T, S)."""
    times, rows, columns = (
        start[:, None] + _places(length, flip)
        for start, length, flip in zip(
            (first, *corner.unbind(1)), (size[0], size[1], size[1]), flips.unbind(1), strict=True
        )
    )  # (B, T), (B, S), (B, S)
    turned = transposed[:, None, None]
    vertical = torch.where(turned, rows[:, None, :], rows[:, :, None])  # (B, S, S)
    horizontal = torch.where(turned, columns[:, :, None], columns[:, None, :])
    pixels = clips[clip[:, None, None, None], times[:, :, None, None], vertical[:, None], horizontal[:, None]]
    return pixels.permute(0, 1, 4, 2, 3).float().contiguous() * float(np.float32(1 / 255))


def _places(length: int, flipped: Tensor) -> Tensor:
    """0 to `length` (B, length), backwards where flipped."""
    places = torch.arange(length, device=flipped.device)
    return torch.where(flipped[:, None], places.flip(0), places)


type Pool = Dataset | DeviceDataset
type AnyBatch = Batch | DeviceBatch


def on_device(pool: Dataset, device: torch.device) -> Pool:
    """The pool in the memory of a GPU with room for it, or as it is."""
    if device.type != "cuda":
        return pool
    size = sum(clips.nbytes for number in range(len(pool)) for clips in pool.shard(number))
    if len({pool.shape(number)[1:] for number in range(len(pool))}) > 1:
        reason = "its shards have clips of different sizes"
    elif size > _SHARE * torch.cuda.mem_get_info(device)[0]:
        reason = f"it has {size >> 20:,} MiB"
    else:
        return DeviceDataset(pool, device)
    _log.info("the pool stays in the memory of the host, since %s: crops may be the bottleneck", reason)
    return pool

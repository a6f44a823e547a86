"""Scene cut detection from two neighbouring frames alone, so that a seek decides as a linear run does.

Both frames are reduced to luma thumbnails of about 32x18. Three explanations of the second by the first are tried, each
invariant to brightness and contrast: no motion; global motion (a pan, a jolt); independent small motion of every block
(people, zooms). The distance is the share of structure that the best of them leaves unexplained: 0 for equal frames,
about 0.45 for unrelated ones. A transition from or to a flat field counts as a cut as well.

Sums run in a fixed order whatever the memory layout, and in float64, so the same pixels give the same result.
Calibrated by `python -m vsadcvsr.evaluate.cuts`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from vsadcvsr.color import luma
from vsadcvsr.spec import Array

DEFAULT_THRESHOLD = 0.22
"""Above this, two frames belong to different scenes."""

_COLUMNS, _ROWS = 32, 18
_NEGLIGIBLE = 0.08
"""Below this, the more expensive explanations are not tried."""
_BLOCK, _SEARCH = 6, 4
_NOISE = 1e-4
"""Variance that counts as no structure: about 2.5 steps of 255."""
_FLAT, _BUSY = 0.01, 0.1
"""Standard deviations of an even field, and of a frame that cannot have come out of one by a fade."""

type _Luma = NDArray[np.float64]


class ThumbnailGrid(NamedTuple):
    """The blocks of a frame that become the pixels of its thumbnail: `rows` x `columns` of (down, right) pixels each,
    from (top, left).
    """

    rows: int
    columns: int
    down: int
    right: int
    top: int
    left: int

    @classmethod
    def of(cls, height: int, width: int) -> ThumbnailGrid:
        """About 32x18 blocks in the middle of a frame of that size."""
        down, right = max(1, height // _ROWS), max(1, width // _COLUMNS)
        rows, columns = height // down, width // right
        return cls(rows, columns, down, right, (height - rows * down) // 2, (width - columns * right) // 2)


def luma_thumbnail(frame: Array | NDArray[np.uint8]) -> Array:
    """The luma of a frame (3, H, W), area averaged to about 32x18 (never enlarged): float32 (h, w), on its scale."""
    rows, columns, down, right, top, left = ThumbnailGrid.of(*frame.shape[1:])
    lines = frame[:, top : top + rows * down : down].astype(np.float32)
    for step in range(1, down):
        lines += frame[:, top + step : top + rows * down : down]
    gray = luma(lines)[:, left : left + columns * right]
    small = gray[:, ::right].copy()
    for step in range(1, right):
        small += gray[:, step::right]
    return np.asarray(small / np.float32(down * right), dtype=np.float32)


def scene_distance(previous_small: Array, current_small: Array) -> float:
    """The share of structure, 0 to 1, in which two frames of one size differ beyond light and motion."""
    previous, current = previous_small.astype(np.float64), current_small.astype(np.float64)
    deviations = sorted((float(previous.std()), float(current.std())))
    if deviations[0] < _FLAT and deviations[1] > _BUSY:
        return 1.0
    unexplained = 1.0
    for explanation in (_static, _global_shift, _block_motion):
        unexplained = min(unexplained, explanation(previous, current))
        if unexplained < _NEGLIGIBLE:
            return unexplained
    return min(unexplained, _block_motion(current, previous))


def _static(first: _Luma, second: _Luma) -> float:
    """1 minus the correlation of the two as they lie."""
    first, second = first - first.mean(), second - second.mean()
    noise = _NOISE * first.size
    together = float((first * second).sum()) + noise
    return 1.0 - max(
        0.0, together / float(np.sqrt(((first * first).sum() + noise) * ((second * second).sum() + noise)))
    )


def _global_shift(first: _Luma, second: _Luma) -> float:
    """1 minus the best correlation over all shifts that leave at least half of the frame in view."""
    shape, view, valid = _overlaps(*first.shape)
    first, second = first - first.mean(), second - second.mean()
    spectrum = np.fft.rfft2(second, shape)
    shared = np.fft.irfft2(np.fft.rfft2(first, shape).conj() * spectrum, shape)[valid]
    first_energy = np.fft.irfft2(np.fft.rfft2(first * first, shape).conj() * view, shape)[valid]
    second_energy = np.fft.irfft2(view.conj() * np.fft.rfft2(second * second, shape), shape)[valid]
    noise = _NOISE * first.size
    return 1.0 - float(
        np.max(
            (shared + noise) / np.sqrt((np.maximum(first_energy, 0) + noise) * (np.maximum(second_energy, 0) + noise))
        )
    )


@lru_cache(maxsize=8)
def _overlaps(rows: int, columns: int) -> tuple[tuple[int, int], NDArray[np.complex128], NDArray[np.bool_]]:
    """The padded shape, the spectrum of the field of view in it, and which shifts keep half of the view."""
    shape = (rows + (rows + 1) // 2, columns + (columns + 1) // 2)
    view = np.fft.rfft2(np.ones((rows, columns)), shape)
    return shape, view, np.fft.irfft2(view.conj() * view, shape) >= 0.5 * rows * columns


def _block_motion(first: _Luma, second: _Luma) -> float:
    """The share of the structure in the blocks of `first` found nowhere near in `second`, whatever its contrast."""
    side = min(_BLOCK, *first.shape)
    rows, columns = first.shape[0] // side, first.shape[1] // side
    blocks = first[: rows * side, : columns * side].reshape(rows, side, columns, side).transpose(0, 2, 1, 3)
    blocks = (blocks - blocks.mean(axis=(2, 3), keepdims=True)).reshape(rows, columns, 1, side * side)
    windows = _neighbourhoods(second, rows, columns, side)  # (rows, columns, shifts, side * side)
    energy = (blocks * blocks).sum(axis=-1)[..., 0]
    noise = _NOISE * side * side
    matched = np.maximum((windows * blocks).sum(axis=-1), 0) ** 2 / ((windows * windows).sum(axis=-1) + noise)
    unmatched = (energy - matched.max(axis=-1)) / (energy + noise)
    weights = np.sqrt(energy / (side * side))
    return float((weights * unmatched).sum() / (weights.sum() + weights.size * 0.03))


def _neighbourhoods(picture: _Luma, rows: int, columns: int, side: int) -> _Luma:
    """For every block, all windows of its size within the search range, each without its mean."""
    reach = 2 * _SEARCH + 1
    windows = sliding_window_view(np.pad(picture, _SEARCH, mode="symmetric"), (side, side))
    windows = windows - windows.mean(axis=(2, 3), keepdims=True)
    near = sliding_window_view(windows, (reach, reach), axis=(0, 1))  # (.., .., side, side, reach, reach)
    near = near[::side, ::side]
    near = near[:rows, :columns].transpose(0, 1, 4, 5, 2, 3)
    return near.reshape(rows, columns, reach * reach, side * side)

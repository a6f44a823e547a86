"""Resampling filters as zimg computes them: source samples and weights of each output sample.

VapourSynth resizes with zimg, so a frame is the same wherever it is resampled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vsadcvsr.spec import Array

type Floats = NDArray[np.float64]


class Kernel(NamedTuple):
    """Filter weight by distance in samples; zero beyond `support`."""

    weight: Callable[[Floats], Floats]
    support: int


class Taps(NamedTuple):
    """For each output sample the source `indices` (outputs, taps) and their `weights` (outputs, taps), which sum to
    one.
    """

    indices: NDArray[np.int64]
    weights: Array


def catmull_rom(distance: Floats) -> Floats:
    """The bicubic kernel with b = 0 and c = 1/2, VapourSynth's usual one, for distances of 0 or more."""
    x = np.minimum(distance, 2.0)
    return np.where(x < 1, (1.5 * x - 2.5) * x * x + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2)


def triangle(distance: Floats) -> Floats:
    """The bilinear kernel, for distances of 0 or more."""
    return np.maximum(1 - distance, 0)


def resized(frame: Array, size: tuple[int, int], kernel: Kernel) -> Array:
    """A frame (C, H, W) resized to (height, width), not clamped."""
    for axis, length in zip((1, 2), size, strict=True):
        resampling = taps(kernel, frame.shape[axis], length)
        lines = np.moveaxis(frame, axis, -1)[..., resampling.indices]  # (…, outputs, taps)
        frame = np.moveaxis(np.einsum("...ot,ot->...o", lines, resampling.weights), -1, axis)
    return np.ascontiguousarray(frame)


BICUBIC = Kernel(catmull_rom, 2)
BILINEAR = Kernel(triangle, 1)


def taps(kernel: Kernel, source: int, target: int, shift: float = 0.0) -> Taps:
    """How a line of `source` samples becomes one of `target`, all moved by `shift` old samples.

    Where it gets shorter the kernel gets wider, so that nothing folds; beyond its ends the line is mirrored.
    """
    scale = target / source
    step = min(scale, 1.0)
    count = max(2 * int(np.ceil(kernel.support / step)), 1)
    centres = (np.arange(target) + 0.5) / scale + shift
    first = np.floor(centres - count / 2 + 0.5) + 0.5
    positions = first[:, None] + np.arange(count)
    weights = kernel.weight(np.abs(positions - centres[:, None]) * step)
    weights /= weights.sum(axis=1, keepdims=True)
    positions = np.where(positions < 0, -positions, np.where(positions >= source, 2 * source - positions, positions))
    indices = np.floor(np.clip(positions, 0, np.nextafter(source, 0))).astype(np.int64)
    return Taps(indices, weights.astype(np.float32))

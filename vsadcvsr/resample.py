"""How lines are resampled: which of the old samples make a new one, and with what weights; as zimg does it.

zimg is what VapourSynth resizes with, so that a picture is the same wherever it is resampled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vsadcvsr.spec import Array

type Numbers = NDArray[np.float64]


class Kernel(NamedTuple):
    """A weight for each distance, in samples; none beyond `support`."""

    weight: Callable[[Numbers], Numbers]
    support: int


class Taps(NamedTuple):
    """For each new sample the old ones `at` (new, taps), and their `weights` (new, taps), which add up to one."""

    at: NDArray[np.int64]
    weights: Array


def catmull_rom(distance: Numbers) -> Numbers:
    """The bicubic kernel with b = 0 and c = 1/2, VapourSynth's usual one, for distances of 0 or more."""
    x = np.minimum(distance, 2.0)
    return np.where(x < 1, (1.5 * x - 2.5) * x * x + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2)


def triangle(distance: Numbers) -> Numbers:
    """The bilinear kernel, for distances of 0 or more."""
    return np.maximum(1 - distance, 0)


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
    places = first[:, None] + np.arange(count)
    weights = kernel.weight(np.abs(places - centres[:, None]) * step)
    weights /= weights.sum(axis=1, keepdims=True)
    places = np.where(places < 0, -places, np.where(places >= source, 2 * source - places, places))
    at = np.floor(np.clip(places, 0, np.nextafter(source, 0))).astype(np.int64)
    return Taps(at, weights.astype(np.float32))

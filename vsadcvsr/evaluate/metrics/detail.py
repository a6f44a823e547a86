"""Detail metrics: energy and correctness of high frequencies, and sharpness of edges.

High frequencies are those that the low-resolution image cannot hold: the coefficients of the cosine transform (DCT-II
of the whole frame's studio luma, without the outer `CROP` pixels) at or above the Nyquist frequency of the low
resolution. The transform keeps energy and inner products, so both metrics can be read off it.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from vsadcvsr.evaluate.metrics.fidelity import CROP, luma
from vsadcvsr.spec import Array

_MIN_ENERGY = 1e-8
"""Energy a pixel below which there is nothing to compare: a hundredth of what rounding to 8 bits leaves."""
_FLAT = 1e-6
"""Mean gradient up to which a picture is flat."""


def high_frequencies(frame: Array, scale: int = 4, *, crop: int = CROP) -> NDArray[np.float64]:
    """The coefficients (H, W) of a frame's luma above the low resolution's Nyquist frequency, the others 0."""
    height, width = ((side - 2 * crop) // 2 * 2 for side in frame.shape[1:])  # OpenCV's transform wants even sides
    inner = luma(frame[:, crop : crop + height, crop : crop + width])
    spectrum = np.asarray(cv2.dct(np.ascontiguousarray(inner)), dtype=np.float64)
    spectrum[: math.ceil(height / scale), : math.ceil(width / scale)] = 0
    return spectrum


def detail(frame: Array, truth: Array, scale: int = 4) -> tuple[float, float]:
    """The energy of the fine detail over the truth's (1: as much), and the correlation of the two (1: all of it right).

    NaN where there is nothing to compare with, as at scale 1.
    """
    result, reference = high_frequencies(frame, scale), high_frequencies(truth, scale)
    energy, energy_true = float((result * result).sum()), float((reference * reference).sum())
    if energy_true <= _MIN_ENERGY * reference.size:
        return math.nan, math.nan
    shared = float((result * reference).sum())
    right = shared / math.sqrt(energy * energy_true) if energy > _MIN_ENERGY * result.size else math.nan
    return energy / energy_true, right


def sharpness(frame: Array, truth: Array, *, crop: int = CROP) -> float:
    """The mean gradient magnitude of studio luma over the truth's: below 1 softer, above 1 sharper or noisier.

    Gradients are central differences; the outer `crop` pixels are left out. NaN for a truth that is flat.
    """
    result, reference = (_mean_gradient(picture, crop) for picture in (frame, truth))
    return result / reference if reference > _FLAT else math.nan


def _mean_gradient(frame: Array, crop: int) -> float:
    light = luma(frame)
    across, down = (light[1:-1, 2:] - light[1:-1, :-2]) / 2, (light[2:, 1:-1] - light[:-2, 1:-1]) / 2
    inner = slice(crop - 1, 1 - crop)
    return float(np.hypot(across[inner, inner], down[inner, inner]).mean())

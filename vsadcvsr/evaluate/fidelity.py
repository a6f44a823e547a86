"""How near a frame is to the truth: PSNR and SSIM, on luma and on RGB.

Luma is that of the super-resolution literature: BT.601, studio range, so 16/255 to 235/255. The outer `CROP` pixels are
left out on every side. SSIM comes in its two common forms: `ssim` with the Gaussian window of the original, and `ssim7`
with a plain 7x7 window, sample covariance and the range of studio luma as its dynamic range.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vsadcvsr.errors import FormatError
from vsadcvsr.spec import Array

CROP = 4
_LUMA = np.array([65.481, 128.553, 24.966], dtype=np.float64) / 255
_WINDOW, _SIGMA = 11, 1.5

type _Planes = NDArray[np.float64]


@dataclass(frozen=True)
class Fidelity:
    """PSNR in dB (infinite where nothing differs) and SSIM up to 1, on luma (`_y`) and on RGB."""

    psnr_y: float
    ssim_y: float
    ssim7_y: float
    psnr_rgb: float
    ssim_rgb: float


def fidelity(frame: Array, truth: Array, *, crop: int = CROP) -> Fidelity:
    """The numbers of one frame (3, H, W), 0 to 1. Raises FormatError where sizes differ or nothing is left."""
    one, other = _measured(frame, crop), _measured(truth, crop)
    if frame.shape != truth.shape or min(one.shape[1:]) < _WINDOW:
        raise FormatError(f"cannot compare {frame.shape} with {truth.shape} after cropping {crop} pixels a side")
    y, y_true = luma(one)[None], luma(other)[None]
    return Fidelity(psnr(y, y_true), ssim(y, y_true), ssim7(y[0], y_true[0]), psnr(one, other), ssim(one, other))


def luma(frame: Array | _Planes) -> _Planes:
    """The studio-range luma (H, W), 16/255 to 235/255, of a frame (3, H, W)."""
    return np.asarray(np.tensordot(_LUMA, frame, axes=1) + 16 / 255, dtype=np.float64)


def psnr(one: _Planes, other: _Planes) -> float:
    """The peak signal-to-noise ratio in dB for a peak of 1; infinite where the two are equal."""
    error = float(np.mean((one - other) ** 2))
    return -10 * math.log10(error) if error > 0 else math.inf


def ssim(one: _Planes, other: _Planes) -> float:
    """The structural similarity of planes (C, H, W): Gaussian 11x11 of sigma 1.5, whole windows only."""
    return float(np.mean([_ssim_of_plane(plane, true) for plane, true in zip(one, other, strict=True)]))


def ssim7(one: _Planes, other: _Planes) -> float:
    """The structural similarity of studio-range luma (H, W) in plain 7x7 windows."""
    sample = 49 / 48  # the covariance of a sample, not of a population

    def blurred(plane: _Planes) -> _Planes:
        return np.asarray(cv2.blur(plane, (7, 7))[3:-3, 3:-3], dtype=np.float64)

    return _similarity(one, other, blurred, reach=219 / 255, sample=sample)


def _ssim_of_plane(one: _Planes, other: _Planes) -> float:
    edge = _WINDOW // 2

    def blurred(plane: _Planes) -> _Planes:
        soft = cv2.GaussianBlur(plane, (_WINDOW, _WINDOW), _SIGMA)
        return np.asarray(soft[edge:-edge, edge:-edge], dtype=np.float64)

    return _similarity(one, other, blurred)


def _similarity(
    one: _Planes, other: _Planes, blurred: Callable[[_Planes], _Planes], *, reach: float = 1.0, sample: float = 1.0
) -> float:
    light, contrast = (0.01 * reach) ** 2, (0.03 * reach) ** 2
    mean, mean_other = blurred(one), blurred(other)
    spread = sample * (blurred(one * one) - mean * mean)
    spread_other = sample * (blurred(other * other) - mean_other * mean_other)
    shared = sample * (blurred(one * other) - mean * mean_other)
    structure = (2 * shared + contrast) / (spread + spread_other + contrast)
    return float(np.mean(structure * (2 * mean * mean_other + light) / (mean * mean + mean_other * mean_other + light)))


def _measured(frame: Array, crop: int) -> _Planes:
    return frame[:, crop : frame.shape[1] - crop, crop : frame.shape[2] - crop].astype(np.float64)

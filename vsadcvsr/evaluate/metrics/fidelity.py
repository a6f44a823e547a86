"""Fidelity metrics: PSNR, SSIM and MS-SSIM, on luma and on RGB.

Luma is that of the super-resolution literature: BT.601, studio range, so 16/255 to 235/255. The outer `CROP` pixels are
left out on every side. SSIM comes in its two common forms: `ssim` with the Gaussian window of the original, and `ssim7`
with a plain 7x7 window, sample covariance and the range of studio luma as its dynamic range. MS-SSIM has the Gaussian
window and the five weights of Wang et al. (2003), the first few of them if a frame is too small for five scales.
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
_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)

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
    result, reference = _pair(frame, truth, crop)
    y, y_true = luma(result)[None], luma(reference)[None]
    return Fidelity(
        psnr(y, y_true), ssim(y, y_true), ssim7(y[0], y_true[0]), psnr(result, reference), ssim(result, reference)
    )


def luma_fidelity(frame: Array, truth: Array, *, crop: int = CROP) -> tuple[float, float]:
    """PSNR and SSIM on luma as in `fidelity`, without the rest of it, in a third of the time."""
    y, y_true = (luma(picture)[None] for picture in _pair(frame, truth, crop))
    return psnr(y, y_true), ssim(y, y_true)


def _pair(frame: Array, truth: Array, crop: int) -> tuple[_Planes, _Planes]:
    result, reference = _cropped(frame, crop), _cropped(truth, crop)
    if frame.shape != truth.shape or min(result.shape[1:]) < _WINDOW:
        raise FormatError(f"cannot compare {frame.shape} with {truth.shape} after cropping {crop} pixels a side")
    return result, reference


def luma(frame: Array | _Planes) -> _Planes:
    """The studio-range luma (H, W), 16/255 to 235/255, of a frame (3, H, W)."""
    return np.asarray(np.tensordot(_LUMA, frame, axes=1) + 16 / 255, dtype=np.float64)


def psnr(result: _Planes, reference: _Planes) -> float:
    """The peak signal-to-noise ratio in dB for a peak of 1; infinite where the two are equal."""
    error = float(np.mean((result - reference) ** 2))
    return -10 * math.log10(error) if error > 0 else math.inf


def ssim(result: _Planes, reference: _Planes) -> float:
    """The structural similarity of planes (C, H, W): Gaussian 11x11 of sigma 1.5, whole windows only."""
    return float(np.mean([_ssim_of_plane(plane, true) for plane, true in zip(result, reference, strict=True)]))


def ssim7(result: _Planes, reference: _Planes) -> float:
    """The structural similarity of studio-range luma (H, W) in plain 7x7 windows."""
    sample = 49 / 48  # the covariance of a sample, not of a population

    def blurred(plane: _Planes) -> _Planes:
        return np.asarray(cv2.blur(plane, (7, 7))[3:-3, 3:-3], dtype=np.float64)

    light, structure = _similarity(result, reference, blurred, reach=219 / 255, sample=sample)
    return float(np.mean(light * structure))


def scales_of(shape: tuple[int, ...], *, crop: int = CROP) -> int:
    """How many of the five scales of MS-SSIM a frame (…, H, W) has room for; 0 where not even one."""
    side = min(shape[-2:]) - 2 * crop
    return sum(side >> scale >= _WINDOW for scale in range(len(_WEIGHTS)))


def ms_ssim(frame: Array, truth: Array, *, crop: int = CROP) -> float:
    """MS-SSIM on studio luma of frames (3, H, W). Raises FormatError where sizes differ or nothing is left."""
    if frame.shape != truth.shape or not scales_of(frame.shape, crop=crop):
        raise FormatError(f"cannot compare {frame.shape} with {truth.shape} after cropping {crop} pixels a side")
    result, reference = luma(_cropped(frame, crop)), luma(_cropped(truth, crop))
    weights = _WEIGHTS[: scales_of(frame.shape, crop=crop)]
    product = 1.0
    for scale, weight in enumerate(weights):
        light, structure = _similarity(result, reference, _gaussian)
        last = scale == len(weights) - 1
        value = float(np.mean(light * structure if last else structure))
        product *= max(value, 0.0) ** (weight / sum(weights))
        result, reference = _quartered(result), _quartered(reference)
    return product


def _quartered(plane: _Planes) -> _Planes:
    height, width = plane.shape[0] // 2 * 2, plane.shape[1] // 2 * 2
    return np.asarray(plane[:height, :width].reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3)))


def _gaussian(plane: _Planes) -> _Planes:
    edge = _WINDOW // 2
    soft = cv2.GaussianBlur(plane, (_WINDOW, _WINDOW), _SIGMA)
    return np.asarray(soft[edge:-edge, edge:-edge], dtype=np.float64)


def _ssim_of_plane(result: _Planes, reference: _Planes) -> float:
    light, structure = _similarity(result, reference, _gaussian)
    return float(np.mean(light * structure))


def _similarity(
    result: _Planes,
    reference: _Planes,
    blurred: Callable[[_Planes], _Planes],
    *,
    reach: float = 1.0,
    sample: float = 1.0,
) -> tuple[_Planes, _Planes]:
    """The two factors of SSIM for every window: light, and contrast with structure."""
    light, contrast = (0.01 * reach) ** 2, (0.03 * reach) ** 2
    mean, mean_other = blurred(result), blurred(reference)
    spread = sample * (blurred(result * result) - mean * mean)
    spread_other = sample * (blurred(reference * reference) - mean_other * mean_other)
    shared = sample * (blurred(result * reference) - mean * mean_other)
    structure = (2 * shared + contrast) / (spread + spread_other + contrast)
    return (2 * mean * mean_other + light) / (mean * mean + mean_other * mean_other + light), structure


def _cropped(frame: Array, crop: int) -> _Planes:
    return frame[:, crop : frame.shape[1] - crop, crop : frame.shape[2] - crop].astype(np.float64)

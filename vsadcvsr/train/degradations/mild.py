"""Decent sources, without which a network makes a clean clip no sharper, and poor ones, which a second set of weights
learns from.

Clips are (T, H, W, 3), float32 RGB in 0..1; what comes back is uint8, `scale` times smaller. Blur is measured in
pixels of what comes back, so that sources are alike for students of every scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vsadcvsr.codecs import compress_bitrate, compress_quality, jpeg
from vsadcvsr.resample import BICUBIC, BILINEAR
from vsadcvsr.train.degradations.kernels import Kernel
from vsadcvsr.train.degradations.operators import to_uint8

type Clip = NDArray[np.float32]

_BLUR_UNIT = 4
"""The sigmas below are in quarters of a pixel."""


def light(clip: Clip, rng: np.random.Generator, scale: int) -> NDArray[np.uint8]:
    """A decent source: some optical blur, a good downscale, a little noise, a good encoder."""
    severity = rng.random() ** 1.5
    if rng.random() < 0.8:
        sigma_x = 0.3 + 2.0 * severity * rng.random()
        sigma_y = sigma_x if rng.random() < 0.7 else 0.3 + 2.0 * severity * rng.random()
        clip = _blur(clip, sigma_x, sigma_y, scale)
    low = downscale(clip, rng, scale)
    if rng.random() < 0.7:
        low = low + _sensor_noise(low, rng.random() ** 1.5 * (4 + 16 * severity) / 255, rng)
    pixels, kind = to_uint8(low), rng.random()
    if kind < 0.65:
        return compress_quality(pixels, int(rng.integers(17, 24 + int(10 * severity))))
    if kind < 0.8:
        return np.stack([jpeg(frame, int(rng.integers(60, 98))) for frame in pixels])
    return pixels


def poor(clip: Clip, rng: np.random.Generator, scale: int) -> NDArray[np.uint8]:
    """A source that needs restoring, short of a ruin: soft, noisy, strongly compressed or in an old format; mostly one
    of these more than the others.
    """
    soft, noisy, coded = rng.random(3) ** (0.6 if rng.random() < 0.3 else 1.4)
    sigma_x = 0.4 + 2.8 * soft
    sigma_y = sigma_x if rng.random() < 0.7 else 0.4 + 2.8 * rng.random()
    small = downscale(_blur(clip, sigma_x, sigma_y, scale), rng, scale)
    if rng.random() < 0.85:
        small = small + _sensor_noise(small, 15 * noisy / 255, rng)
    pixels, kind = to_uint8(small), rng.random()
    if kind < 0.55:
        return compress_quality(pixels, 16 + round(19 * coded))
    if kind < 0.85:
        return compress_bitrate(pixels, "mpeg4", int(0.3 * 5 ** (1 - coded) * pixels.shape[1] * pixels.shape[2]))
    return np.stack([jpeg(frame, 95 - round(60 * coded)) for frame in pixels])


def stream(clip: Clip, rng: np.random.Generator, scale: int) -> NDArray[np.uint8]:
    """A decent source after an encoder with too few bits, as video comes from streaming sites."""
    sigma_x, sigma_y = 0.3 + 1.4 * rng.random(2) ** 1.5
    small = downscale(_blur(clip, sigma_x, sigma_y, scale), rng, scale)
    if rng.random() < 0.6:
        small = small + _sensor_noise(small, rng.random() * 4 / 255, rng)
    return compress_quality(to_uint8(small), int(rng.integers(23, 37)))


def noisy(clip: Clip, rng: np.random.Generator, scale: int) -> NDArray[np.uint8]:
    """A grainy source, well encoded: noise of 4 to 16 steps of 255."""
    sigma = 0.3 + 1.2 * rng.random()
    small = downscale(_blur(clip, sigma, sigma, scale), rng, scale)
    small = small + _sensor_noise(small, (4 + 12 * rng.random()) / 255, rng)
    return compress_quality(to_uint8(small), int(rng.integers(14, 24)))


def clean(clip: Clip, rng: np.random.Generator, scale: int) -> NDArray[np.uint8]:
    """The clip scaled down and nothing else."""
    return to_uint8(downscale(clip, rng, scale))


def downscale(clip: Clip, rng: np.random.Generator, scale: int) -> Clip:
    """`scale` times smaller, by area or by antialiased bicubic or bilinear; pixel centres stay aligned."""
    name = str(rng.choice(["area", "cubic", "linear"], p=[0.3, 0.5, 0.2]))
    size = (clip.shape[2] // scale, clip.shape[1] // scale)
    if name == "area":
        return _clip([cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in clip])
    kernel = _antialias(name, scale)
    smooth = (cv2.sepFilter2D(frame, -1, kernel, kernel, borderType=cv2.BORDER_REPLICATE) for frame in clip)
    return _clip([frame[::scale, ::scale] for frame in smooth])[:, : size[1], : size[0]]


def _antialias(name: str, scale: int) -> Kernel:
    # Taps lie around the centre of each group of `scale` pixels; cv2 wants an odd kernel with its centre on the first
    # pixel of the group, so the taps sit half a group to the right.
    kernel = {"linear": BILINEAR, "cubic": BICUBIC}[name]
    reach = kernel.support * scale
    taps = kernel.weight(np.abs(np.arange(-reach - 2, reach + 3) - (scale - 1) / 2) / scale)
    return np.asarray(taps / taps.sum(), np.float32)


def _blur(clip: Clip, sigma_x: float, sigma_y: float, scale: int) -> Clip:
    across, along = sigma_x * scale / _BLUR_UNIT, sigma_y * scale / _BLUR_UNIT
    return _clip([cv2.GaussianBlur(frame, (0, 0), across, sigmaY=along) for frame in clip])


def _clip(frames: Sequence[np.ndarray[tuple[int, ...], np.dtype[Any]]]) -> Clip:
    return np.asarray(np.stack(frames), np.float32)


def _sensor_noise(clip: Clip, sigma: float, rng: np.random.Generator) -> Clip:
    shape = clip.shape if rng.random() < 0.6 else (*clip.shape[:3], 1)
    noise = rng.standard_normal(shape, np.float32) * np.float32(sigma)
    return (
        noise * np.sqrt(np.clip(clip, 0.02, 1)) * np.float32(1.5) if rng.random() < 0.4 else noise + np.zeros_like(clip)
    )

"""Postprocessing of output frames: colour fix, strength, clamping, NaN check."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from vsadcvsr.errors import BackendError
from vsadcvsr.output import BaseAndDetail, OutputFrame, Planes
from vsadcvsr.resample import catmull_rom
from vsadcvsr.spec import Array

_TAPS = 4
_BLOCK_PIXELS = 1 << 18
"""Pixels that are clamped and checked at a time, so that they stay in the CPU cache between the two."""


def match_statistics(output: Array, source: Array) -> Array:
    """`output` with the mean and the (unbiased) standard deviation that each channel has in `source`."""
    means, deviations = _statistics(output)
    target_means, target_deviations = _statistics(source)
    gains = np.divide(target_deviations, deviations, out=np.ones_like(deviations), where=deviations > 0)
    gains, offsets = gains.astype(np.float32), (target_means - gains * means).astype(np.float32)
    matched: Array = output * gains[:, None, None] + offsets[:, None, None]
    return matched


def _statistics(frame: Array) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    flat = frame.reshape(frame.shape[0], -1)
    return flat.mean(axis=1, dtype=np.float64), flat.std(axis=1, ddof=min(1, flat.shape[1] - 1), dtype=np.float64)


def blend_strength(output: Array, source: Array, strength: float) -> Array:
    """`output` at a strength of 0 to 1; at 0 it is the plain bicubic upscale of `source`."""
    plain = bicubic(source, output.shape[2] // source.shape[2])
    return plain + np.float32(strength) * (output - plain)


def bicubic(frame: Array, scale: int) -> Array:
    """A (3, H, W) frame upscaled as VapourSynth's `resize.Bicubic` does it (Catmull-Rom), not clamped."""
    return frame if scale == 1 else _upsample(_upsample(frame, 1, scale), 2, scale)


def _upsample(frame: Array, axis: int, scale: int) -> Array:
    margins = [(2, 2) if index == axis else (0, 0) for index in range(frame.ndim)]
    lines = np.moveaxis(np.pad(frame, margins, mode="symmetric"), axis, 0)
    count = frame.shape[axis]
    upsampled = np.empty((count, scale, *lines.shape[1:]), np.float32)
    for phase, (first, weights) in enumerate(_phases(scale)):
        upsampled[:, phase] = sum(
            np.float32(weight) * lines[first + tap : first + tap + count] for tap, weight in enumerate(weights)
        )
    return np.moveaxis(upsampled.reshape(count * scale, *lines.shape[1:]), 0, axis)


@lru_cache(maxsize=4)
def _phases(scale: int) -> tuple[tuple[int, tuple[float, ...]], ...]:
    """For each of the pixels that one becomes: its first line, counted from two before, and the weights."""
    phases = []
    for phase in range(scale):
        at = (phase + 0.5) / scale - 0.5  # between -1/2 and 1/2 of the source pixel's centre
        first = int(np.floor(at)) - 1
        phases.append((first + 2, tuple(map(float, catmull_rom(np.abs(at - first - np.arange(_TAPS)))))))
    return tuple(phases)


def clamp_and_check(output: OutputFrame) -> None:
    """Clamps an RGB frame to 0..1 in place (planes, base and detail are clamped where they are converted). Raises
    BackendError if the network produced NaN or infinity.
    """
    if isinstance(output, Planes):
        is_finite = output.is_finite
    elif isinstance(output, BaseAndDetail):
        is_finite = all(np.isfinite(part.sum()) for part in output)
    else:
        is_finite = sum(map(_clamp_has_nan, _blocks(output))) == 0
    if not is_finite:
        raise BackendError("the network gave NaN; try precision='fp32', else the weights are damaged")


def _blocks(frame: Array) -> Iterator[Array]:
    rows = max(1, _BLOCK_PIXELS // frame.shape[2])
    for channel in frame:
        for top in range(0, frame.shape[1], rows):
            yield channel[top : top + rows]


def _clamp_has_nan(block: Array) -> bool:
    """Clamps a block; returns whether it has NaN or infinity."""
    np.clip(block, 0, 1, out=block)
    return bool(np.isnan(block.max()))

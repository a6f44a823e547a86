"""Postprocessing of output frames: colour fix, strength, NaN check, clamping where they are copied."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from vsadcvsr.errors import BackendError
from vsadcvsr.output import BaseAndDetail, Planes
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


def check(output: Planes | BaseAndDetail) -> None:
    """Raises BackendError if the network produced NaN or infinity."""
    is_finite = output.is_finite if isinstance(output, Planes) else all(np.isfinite(part.sum()) for part in output)
    if not is_finite:
        raise _not_a_number()


def copy_clamped(frame: Array, planes: Sequence[Array]) -> None:
    """Copies an RGB frame, clamped to 0..1, into planes, which may be its own. Raises BackendError if the network
    produced NaN.
    """
    rows = max(1, _BLOCK_PIXELS // frame.shape[2])
    for channel, plane in zip(frame, planes, strict=True):
        for top in range(0, frame.shape[1], rows):
            block = plane[top : top + rows]
            np.clip(channel[top : top + rows], 0, 1, out=block)
            if np.isnan(block.max()):
                raise _not_a_number()


def _not_a_number() -> BackendError:
    return BackendError("the network gave NaN; try precision='fp32', else the weights are damaged")

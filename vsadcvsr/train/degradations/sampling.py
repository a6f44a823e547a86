"""Degradation of a clip by a preset: the parameters are sampled, then the operators applied."""

from __future__ import annotations

import math
from bisect import bisect
from collections.abc import Iterable, Sequence
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from vsadcvsr.train.degradations.operators import (
    Blur,
    FinalResize,
    Jpeg,
    Noise,
    Operator,
    Resize,
    Sharpen,
    Size,
    Video,
    to_uint8,
)
from vsadcvsr.train.degradations.presets import CODECS, FILTERS, KIND_ODDS, SIZES, DegradationStage, Preset, Span

_FULL_TURN = (-math.pi, math.pi)
_SMALL_KERNEL = 13  # sinc kernels below this size cut off no lower than a third of pi


def degrade(clip: NDArray[np.float32], preset: Preset, rng: np.random.Generator, scale: int) -> NDArray[np.uint8]:
    """The clip (T, H, W, 3), RGB in 0..1, degraded by a preset: 8 bit, `scale` times smaller.

    An image is a clip of one frame. All random numbers come from `rng`, so that a seed gives the same clip anywhere.
    """
    low_size = (clip.shape[2] // scale, clip.shape[1] // scale)
    frames = list(clip)
    for operator in sample_operators(preset, len(clip), low_size, rng):
        frames = operator.apply(frames)
    return np.stack([to_uint8(frame) for frame in frames])


def sample_operators(preset: Preset, frames: int, low_size: Size, rng: np.random.Generator) -> list[Operator]:
    """The operators for a clip of `frames` frames, in order, down to the (width, height) `low_size`."""
    start: list[Operator] = [Sharpen()] if preset.sharpen else []
    first, second = (_stage(stage, frames, low_size, rng) for stage in (preset.first, preset.second))
    between = _video(preset, rng)
    fit = _fit(preset, frames, low_size, rng)
    other = [second.pop()] if preset.other == "jpeg" else _video(preset, rng) if preset.other == "video" else []
    pair = [fit, other] if rng.random() < 0.5 else [other, fit]
    if preset.other == "none":
        pair = [fit]
    return [*start, *first, *between, *second, *(operator for operators in pair for operator in operators)]


def drift(
    rng: np.random.Generator, span: Span, step: float, frames: int, *, start: float | None = None
) -> tuple[float, ...]:
    """A value for each frame: `start`, or uniform in `span`, then a random walk with steps of up to `step`, within the
    span.
    """
    value = float(rng.uniform(*span)) if start is None else start
    values = [value]
    for move in rng.uniform(-step, step, frames - 1).tolist():
        values.append(min(max(values[-1] + move, span[0]), span[1]))
    return tuple(values)


def _choice[Item](items: Sequence[Item], rng: np.random.Generator, odds: Iterable[float] | None = None) -> Item:
    """A random item, uniform or by probabilities; about ten times as fast as `rng.choice`."""
    if odds is None:
        return items[int(rng.integers(len(items)))]
    return items[min(bisect(list(accumulate(odds)), rng.random()), len(items) - 1)]


def _stage(stage: DegradationStage, frames: int, low_size: Size, rng: np.random.Generator) -> list[Operator]:
    blur = [_blur(stage, frames, rng)] if rng.random() < stage.blur else []
    return [*blur, _resize(stage, frames, low_size, rng), _noise(stage, frames, rng), _jpeg(stage, frames, rng)]


def _blur(stage: DegradationStage, frames: int, rng: np.random.Generator) -> Blur:
    kind, size = _choice(list(KIND_ODDS), rng, KIND_ODDS.values()), _choice(SIZES, rng)
    drift_steps, plateau = stage.drift, kind.startswith("plateau")
    span = stage.beta_plateau if plateau else stage.beta_general
    omegas = (math.pi / (3 if size < _SMALL_KERNEL else 5), math.pi)
    return Blur(
        kind,
        size,
        sigmas=(drift(rng, stage.sigma, drift_steps.sigma, frames), drift(rng, stage.sigma, drift_steps.sigma, frames)),
        angles=drift(rng, _FULL_TURN, drift_steps.angle, frames),
        betas=drift(
            rng, span, drift_steps.beta_plateau if plateau else drift_steps.beta_general, frames,
            start=_halves(span, rng) if stage.beta_halves else None,
        ),
        omegas=drift(rng, omegas, drift_steps.omega, frames),
    )  # fmt: skip


def _halves(span: Span, rng: np.random.Generator) -> float:
    return float(rng.uniform(span[0], 1) if rng.random() < 0.5 else rng.uniform(1, span[1]))


def _resize(stage: DegradationStage, frames: int, low_size: Size, rng: np.random.Generator) -> Resize:
    direction = _choice(range(3), rng, stage.resize)
    start = float(rng.uniform(*((1.0, stage.scales[1]), (stage.scales[0], 1.0), (1.0, 1.0))[direction]))
    scales = drift(rng, stage.scales, stage.drift.scale, frames, start=start)
    return Resize(_choice(FILTERS, rng), scales, low_size if stage.of_target else None, stage.even)


def _noise(stage: DegradationStage, frames: int, rng: np.random.Generator) -> Noise:
    gaussian, gray = bool(rng.random() < stage.gaussian), bool(rng.random() < stage.gray)
    span, step = (stage.gauss, stage.drift.gauss) if gaussian else (stage.poisson, stage.drift.poisson)
    return Noise("gauss" if gaussian else "poisson", gray, drift(rng, span, step, frames), int(rng.integers(2**63)))


def _jpeg(stage: DegradationStage, frames: int, rng: np.random.Generator) -> Jpeg:
    (low, high), step = stage.quality, stage.drift.quality
    qualities = [round(rng.uniform(low, high))]
    for move in rng.uniform(-step, step, frames - 1).tolist():
        qualities.append(round(min(max(qualities[-1] + move, low), high)))
    return Jpeg(tuple(qualities))


def _video(preset: Preset, rng: np.random.Generator) -> list[Operator]:
    if preset.bits is None:
        return []
    low, high = preset.bits
    return [Video(_choice(CODECS, rng), int(rng.integers(low, high + 1)))]


def _fit(preset: Preset, frames: int, low_size: Size, rng: np.random.Generator) -> Sequence[Operator]:
    fit = FinalResize(_choice(FILTERS, rng), low_size)
    if rng.random() >= preset.sinc:
        return [fit]
    still = (0.0,) * frames  # what the kernel of a sinc filter does not ask for
    omegas = drift(rng, preset.omega, preset.omega_step, frames)
    return [fit, Blur("sinc", _choice(SIZES, rng), sigmas=(still, still), angles=still, betas=still, omegas=omegas)]

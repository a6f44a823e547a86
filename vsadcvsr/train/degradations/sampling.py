"""From a recipe to the steps of one clip: everything that chance decides."""

from __future__ import annotations

import math
from bisect import bisect
from collections.abc import Iterable, Sequence
from itertools import accumulate

import numpy as np

from vsadcvsr.train.degradations.operators import Blur, Fit, Jpeg, Noise, Resize, Sharpen, Size, Step, Video
from vsadcvsr.train.degradations.presets import CODECS, FILTERS, KIND_ODDS, SIZES, Recipe, Span, Stage

_TURN = (-math.pi, math.pi)
_SMALL = 13  # sinc kernels below this size cut off no lower than a third of pi


def draw(recipe: Recipe, frames: int, small: Size, rng: np.random.Generator) -> list[Step]:
    """The steps for a clip of `frames` frames, in their order, to a clip of the (width, height) `small`."""
    begin: list[Step] = [Sharpen()] if recipe.sharpen else []
    first, second = (_stage(stage, frames, small, rng) for stage in (recipe.first, recipe.second))
    between = _video(recipe, rng)
    fit = _fit(recipe, frames, small, rng)
    other = [second.pop()] if recipe.other == "jpeg" else _video(recipe, rng) if recipe.other == "video" else []
    pair = [fit, other] if rng.random() < 0.5 else [other, fit]
    if recipe.other == "none":
        pair = [fit]
    return [*begin, *first, *between, *second, *(step for half in pair for step in half)]


def drift(
    rng: np.random.Generator, span: Span, step: float, frames: int, *, begin: float | None = None
) -> tuple[float, ...]:
    """A number for each frame: `begin`, or uniform in `span`, then moving by up to `step` a frame, within the span."""
    value = float(rng.uniform(*span)) if begin is None else begin
    values = [value]
    for move in rng.uniform(-step, step, frames - 1).tolist():
        values.append(min(max(values[-1] + move, span[0]), span[1]))
    return tuple(values)


def _one_of[Item](items: Sequence[Item], rng: np.random.Generator, odds: Iterable[float] | None = None) -> Item:
    """One of the items, all as likely or by odds that sum to one; some ten times as fast as `rng.choice`."""
    if odds is None:
        return items[int(rng.integers(len(items)))]
    return items[min(bisect(list(accumulate(odds)), rng.random()), len(items) - 1)]


def _stage(stage: Stage, frames: int, small: Size, rng: np.random.Generator) -> list[Step]:
    blur = [_blur(stage, frames, rng)] if rng.random() < stage.blur else []
    return [*blur, _resize(stage, frames, small, rng), _noise(stage, frames, rng), _jpeg(stage, frames, rng)]


def _blur(stage: Stage, frames: int, rng: np.random.Generator) -> Blur:
    kind, size = _one_of(list(KIND_ODDS), rng, KIND_ODDS.values()), _one_of(SIZES, rng)
    steps, plateau = stage.steps, kind.startswith("plateau")
    span = stage.beta_plateau if plateau else stage.beta_general
    omegas = (math.pi / (3 if size < _SMALL else 5), math.pi)
    return Blur(
        kind,
        size,
        sigmas=(drift(rng, stage.sigma, steps.sigma, frames), drift(rng, stage.sigma, steps.sigma, frames)),
        angles=drift(rng, _TURN, steps.angle, frames),
        betas=drift(
            rng, span, steps.beta_plateau if plateau else steps.beta_general, frames,
            begin=_halves(span, rng) if stage.beta_halves else None,
        ),
        omegas=drift(rng, omegas, steps.omega, frames),
    )  # fmt: skip


def _halves(span: Span, rng: np.random.Generator) -> float:
    return float(rng.uniform(span[0], 1) if rng.random() < 0.5 else rng.uniform(1, span[1]))


def _resize(stage: Stage, frames: int, small: Size, rng: np.random.Generator) -> Resize:
    way = _one_of(range(3), rng, stage.resize)
    begin = float(rng.uniform(*((1.0, stage.scales[1]), (stage.scales[0], 1.0), (1.0, 1.0))[way]))
    scales = drift(rng, stage.scales, stage.steps.scale, frames, begin=begin)
    return Resize(_one_of(FILTERS, rng), scales, small if stage.of_target else None, stage.even)


def _noise(stage: Stage, frames: int, rng: np.random.Generator) -> Noise:
    gaussian, gray = bool(rng.random() < stage.gaussian), bool(rng.random() < stage.gray)
    span, step = (stage.gauss, stage.steps.gauss) if gaussian else (stage.poisson, stage.steps.poisson)
    return Noise("gauss" if gaussian else "poisson", gray, drift(rng, span, step, frames), int(rng.integers(2**63)))


def _jpeg(stage: Stage, frames: int, rng: np.random.Generator) -> Jpeg:
    (low, high), step = stage.quality, stage.steps.quality
    qualities = [round(rng.uniform(low, high))]
    for move in rng.uniform(-step, step, frames - 1).tolist():
        qualities.append(round(min(max(qualities[-1] + move, low), high)))
    return Jpeg(tuple(qualities))


def _video(recipe: Recipe, rng: np.random.Generator) -> list[Step]:
    if recipe.bits is None:
        return []
    low, high = recipe.bits
    return [Video(_one_of(CODECS, rng), int(rng.integers(low, high + 1)))]


def _fit(recipe: Recipe, frames: int, small: Size, rng: np.random.Generator) -> Sequence[Step]:
    fit = Fit(_one_of(FILTERS, rng), small)
    if rng.random() >= recipe.sinc:
        return [fit]
    still = (0.0,) * frames  # what the kernel of a sinc filter does not ask for
    omegas = drift(rng, recipe.omega, recipe.omega_step, frames)
    return [fit, Blur("sinc", _one_of(SIZES, rng), sigmas=(still, still), angles=still, betas=still, omegas=omegas)]

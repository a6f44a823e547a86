"""Means over clips with their 95 % confidence intervals: Student's t, each clip an independent draw."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean, and how far the interval reaches to either side of it; NaN where there are too few numbers."""

    mean: float
    half_width: float
    count: int


def estimate(values: Sequence[float]) -> Estimate:
    """The mean of the numbers that are finite. Below two of them there is no interval."""
    finite = np.asarray([value for value in values if math.isfinite(value)], dtype=np.float64)
    if finite.size < 2:
        return Estimate(float(finite[0]) if finite.size else math.nan, math.nan, int(finite.size))
    error = float(finite.std(ddof=1)) / math.sqrt(finite.size)
    return Estimate(float(finite.mean()), t_quantile(finite.size - 1) * error, int(finite.size))


@functools.cache
def t_quantile(degrees: int) -> float:
    """The t below which, either way, 95 % of Student's distribution lies: 12.706 at 1 degree of freedom."""
    low, high = 0.0, 1e4
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if _probability_within(middle, degrees) < _LEVEL else (low, middle)
    return (low + high) / 2


def _probability_within(t: float, degrees: int) -> float:
    """The share of Student's distribution within -t and t, with the angle atan(t / sqrt(freedom)) as the variable."""
    angle = math.atan(t / math.sqrt(degrees))
    at = np.linspace(0, angle, 2001)
    scale = 2 * math.exp(math.lgamma((degrees + 1) / 2) - math.lgamma(degrees / 2)) / math.sqrt(math.pi)
    return float(scale * np.trapezoid(np.cos(at) ** (degrees - 1), at))

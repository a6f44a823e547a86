"""Burn in, then clock. Times are wall-clock milliseconds per frame."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

type Act = Callable[[], object]

_BURN_IN = 3


@dataclass(frozen=True)
class Timing:
    """The median of `count` rounds, and the distance between their quartiles, both in ms."""

    median: float
    spread: float
    count: int

    @classmethod
    def of(cls, values: list[float]) -> Timing:
        """The timing of rounds that took `values` ms each."""
        low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
        return cls(float(middle), float(high - low), len(values))

    @property
    def rate(self) -> float:
        """Frames per second."""
        return 1e3 / self.median


def clock(act: Act, *, frames: int = 1) -> float:
    """How long one call takes, in ms for each of the `frames` it makes."""
    seconds, _ = clocked(act)
    return 1e3 * seconds / frames


def clocked[T](act: Callable[[], T]) -> tuple[float, T]:
    """Seconds of one call, and what it gave."""
    began = time.perf_counter()
    made = act()
    return time.perf_counter() - began, made


def timed(act: Act, *, rounds: int, frames: int = 1, burn_in: int = _BURN_IN) -> Timing:
    """The timing of `act` after `burn_in` calls that do not count."""
    for _ in range(burn_in):
        act()
    return Timing.of([clock(act, frames=frames) for _ in range(rounds)])


def compared(one: Act, other: Act, *, rounds: int, frames: int = 1) -> tuple[Timing, Timing, float]:
    """Both timings, and the median over rounds of `one` as a multiple of `other`.

    The two take turns in one run, so that a machine that slows down slows both, and the ratio stays.
    """
    for _ in range(_BURN_IN):
        one(), other()
    pairs = [(clock(one, frames=frames), clock(other, frames=frames)) for _ in range(rounds)]
    first, second = zip(*pairs, strict=True)
    return Timing.of(list(first)), Timing.of(list(second)), float(np.median([a / b for a, b in pairs]))

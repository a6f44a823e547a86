"""Timing: burn in, then measure wall-clock milliseconds per frame."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

type Action = Callable[[], object]

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


def time_action(action: Action, *, frames: int = 1) -> float:
    """How long one call takes, in ms for each of the `frames` it makes."""
    seconds, _ = timed_call(action)
    return 1e3 * seconds / frames


def timed_call[T](action: Callable[[], T]) -> tuple[float, T]:
    """Seconds of one call, and its result."""
    began = time.perf_counter()
    result = action()
    return time.perf_counter() - began, result


def measure(action: Action, *, rounds: int, frames: int = 1, burn_in: int = _BURN_IN) -> Timing:
    """The timing of `action` after `burn_in` calls that do not count."""
    for _ in range(burn_in):
        action()
    return Timing.of([time_action(action, frames=frames) for _ in range(rounds)])


def compare(
    first_action: Action, second_action: Action, *, rounds: int, frames: int = 1
) -> tuple[Timing, Timing, float]:
    """Both timings, and the median over rounds of `first_action` as a multiple of `second_action`.

    The two take turns in one run, so that a machine that slows down slows both, and the ratio stays.
    """
    for _ in range(_BURN_IN):
        first_action(), second_action()
    pairs = [
        (time_action(first_action, frames=frames), time_action(second_action, frames=frames)) for _ in range(rounds)
    ]
    first, second = zip(*pairs, strict=True)
    return Timing.of(list(first)), Timing.of(list(second)), float(np.median([a / b for a, b in pairs]))

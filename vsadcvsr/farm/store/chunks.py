"""How a film is divided into chunks. Pure: times and cuts in, ranges of frames out."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate

from vsadcvsr.errors import UsageError

LEAST = 2
"""Frames in the smallest chunk of a longer film: two key frames in a row look like one to some decoders."""


@dataclass(frozen=True)
class Chunk:
    """Pictures `begin` to `end`, made from frames `first` to `last`; both half-open, counted from 0."""

    number: int
    begin: int
    end: int
    first: int
    last: int

    def __post_init__(self) -> None:
        if not 0 <= self.first <= self.begin < self.end <= self.last:
            raise UsageError.of("chunk", self, "0 <= first <= begin < end <= last")

    @property
    def length(self) -> int:
        """How many pictures there are in it."""
        return self.end - self.begin


def plan(times: Sequence[Fraction], cuts: Iterable[int], *, seconds: Fraction, margin: int) -> tuple[Chunk, ...]:
    """The chunks of a film whose frames begin at `times` (seconds): each frame in one chunk, in order.

    `cuts` are the frames that begin a scene, at which it is divided where that leaves chunks of half to one and a half
    times `seconds`; elsewhere at `seconds`. `margin` is the number of frames that a picture depends on, to either side.
    """
    if seconds <= 0:
        raise UsageError.of("chunk length", float(seconds), "more than 0 seconds")
    if margin < 0:
        raise UsageError.of("margin", margin, "0 or more frames")
    count = len(times)
    ends = list(_ends(list(accumulate(times, max)), sorted(set(cuts)), seconds))
    return tuple(
        Chunk(number, begin, end, max(0, begin - margin), min(count, end + margin))
        for number, (begin, end) in enumerate(zip([0, *ends], ends, strict=False))
    )


def _ends(times: Sequence[Fraction], cuts: Sequence[int], seconds: Fraction) -> Iterable[int]:
    begin = 0
    while begin < len(times):
        begin = _end(times, cuts, begin, seconds)
        yield begin


def _end(times: Sequence[Fraction], cuts: Sequence[int], begin: int, seconds: Fraction) -> int:
    """Where a chunk ends that starts at `begin`."""
    count, start = len(times), times[begin]
    if times[-1] - start <= seconds * 3 / 2 or count - begin < 2 * LEAST:
        return count
    last = count - LEAST
    low = min(max(begin + LEAST, bisect_left(times, start + seconds / 2)), last)
    high = max(low, min(last, bisect_right(times, start + seconds * 3 / 2) - 1))
    near = cuts[bisect_left(cuts, low) : bisect_right(cuts, high)]
    if near:
        return min(near, key=lambda cut: abs(times[cut] - start - seconds))
    return min(max(bisect_left(times, start + seconds), low), high)

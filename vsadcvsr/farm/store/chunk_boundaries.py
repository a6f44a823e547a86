"""Division of a video into chunks: from times and cuts to frame ranges."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate

from vsadcvsr.errors import UsageError

MIN_FRAMES = 2
"""Frames in the smallest chunk of a longer video: some decoders merge two successive key frames."""


@dataclass(frozen=True)
class Chunk:
    """Output frames `begin` to `end`, rendered from frames `first` to `last`; half-open, counted from 0."""

    number: int
    begin: int
    end: int
    first: int
    last: int

    def __post_init__(self) -> None:
        if not 0 <= self.first <= self.begin < self.end <= self.last:
            raise UsageError(f"{self} has bounds out of order; they must be 0 <= first <= begin < end <= last")

    @property
    def length(self) -> int:
        """Number of output frames."""
        return self.end - self.begin


def plan_chunks(times: Sequence[Fraction], cuts: Iterable[int], *, seconds: Fraction, margin: int) -> tuple[Chunk, ...]:
    """The chunks of a video whose frames begin at `times` (seconds): each frame in one chunk, in order.

    `cuts` are the first frames of scenes, which are preferred as boundaries if they leave chunks of half to one and a
    half times `seconds`. `margin` is the number of frames that an output frame depends on, on either side.
    """
    if seconds <= 0:
        raise UsageError.of("chunk length", float(seconds), "more than 0 seconds")
    if margin < 0:
        raise UsageError.of("margin", margin, "0 or more frames")
    count = len(times)
    ends = list(_boundaries(list(accumulate(times, max)), sorted(set(cuts)), seconds))
    return tuple(
        Chunk(number, begin, end, max(0, begin - margin), min(count, end + margin))
        for number, (begin, end) in enumerate(zip([0, *ends], ends, strict=False))
    )


def _boundaries(times: Sequence[Fraction], cuts: Sequence[int], seconds: Fraction) -> Iterable[int]:
    begin = 0
    while begin < len(times):
        begin = _boundary(times, cuts, begin, seconds)
        yield begin


def _boundary(times: Sequence[Fraction], cuts: Sequence[int], begin: int, seconds: Fraction) -> int:
    """End of a chunk that starts at `begin`."""
    count, start = len(times), times[begin]
    if times[-1] - start <= seconds * 3 / 2 or count - begin < 2 * MIN_FRAMES:
        return count
    last = count - MIN_FRAMES
    low = min(max(begin + MIN_FRAMES, bisect_left(times, start + seconds / 2)), last)
    high = max(low, min(last, bisect_right(times, start + seconds * 3 / 2) - 1))
    candidates = cuts[bisect_left(cuts, low) : bisect_right(cuts, high)]
    if candidates:
        return min(candidates, key=lambda cut: abs(times[cut] - start - seconds))
    return min(max(bisect_left(times, start + seconds), low), high)

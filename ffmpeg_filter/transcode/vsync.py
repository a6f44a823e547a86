"""FFmpeg's `-fps_mode vfr`: timestamps rounded to multiples of the frame duration. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

_NEAR = Fraction(3, 5)
_AWAY_FROM_ZERO = Fraction(1, 1 << 17)
"""What FFmpeg adds to times between two ticks, so that those in the middle are not rounded to even numbers."""


def encoder_times(
    times: Sequence[Fraction], rate: Fraction, durations: Sequence[Fraction | None] = ()
) -> list[Fraction | None]:
    """Time (seconds) of each frame in the encoder; None for dropped frames.

    A frame too close to the previous one is moved to the next tick; one that lags too far behind is dropped.
    """
    next_tick = 0
    result: list[Fraction | None] = []
    for number, time in enumerate(times):
        position = time * rate
        if position.denominator > 1:
            position += _AWAY_FROM_ZERO if position > 0 else -_AWAY_FROM_ZERO
        duration = durations[number] if number < len(durations) else None
        ahead = position - next_tick + (1 if duration is None else duration * rate)
        if next_tick > position and ahead > 0:
            position = Fraction(next_tick)
        if ahead <= -_NEAR:
            result.append(None)
            continue
        if ahead > _NEAR:
            next_tick = round(position)
        result.append(next_tick / rate)
        next_tick += 1
    return result


def has_enough(
    count: int, times: Sequence[Fraction], rate: Fraction | None, durations: Sequence[Fraction | None] = (), *,
    fills_gaps: bool = False,
) -> bool:  # fmt: skip
    """Whether these frames certainly suffice for `count` frames in the output (`-frames:v`)."""
    if len(times) < count:
        return False
    if fills_gaps:
        return is_steady(times, rate) or (count == 1 and times[0] >= 0)
    kept = times if rate is None else [time for time in encoder_times(times, rate, durations) if time is not None]
    return len(kept) >= count


def is_steady(times: Sequence[Fraction], rate: Fraction | None) -> bool:
    """Whether frames are exactly one frame duration apart, from zero on."""
    return rate is not None and all(time == number / rate for number, time in enumerate(times))

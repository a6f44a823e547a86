"""When FFmpeg's encoders get frames for a container of variable rate: at whole multiples of one over the rate. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

_NEAR = Fraction(3, 5)


def encoded(
    times: Sequence[Fraction], rate: Fraction, durations: Sequence[Fraction | None] = ()
) -> list[Fraction | None]:
    """The time (seconds) of each frame in the encoder, None for one that is dropped: `-fps_mode vfr`.

    Frames that are too near to the one before them come one step after it, those far behind it are dropped.
    """
    following = 0
    found: list[Fraction | None] = []
    for number, time in enumerate(times):
        place = time * rate
        duration = durations[number] if number < len(durations) else None
        ahead = place - following + (1 if duration is None else duration * rate)
        if following > place and ahead > 0:
            place = Fraction(following)
        if ahead <= -_NEAR:
            found.append(None)
            continue
        if ahead > _NEAR:
            following = round(place)
        found.append(following / rate)
        following += 1
    return found


def is_steady(times: Sequence[Fraction], rate: Fraction | None) -> bool:
    """Whether frames come one step after the other, from zero on."""
    return rate is not None and all(time == number / rate for number, time in enumerate(times))

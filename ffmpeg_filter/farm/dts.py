"""Timestamps of packets that come from chunks, put right for the whole film. Pure."""

from __future__ import annotations

from collections.abc import Sequence


def ranks(times: Sequence[int]) -> list[int]:
    """Of each packet, in decoding order, the number of its picture in order of presentation, from its chunk's time."""
    order = sorted(range(len(times)), key=lambda at: (times[at], at))
    found = [0] * len(times)
    for rank, at in enumerate(order):
        found[at] = rank
    return found


def delay(order: Sequence[int]) -> int:
    """By how many pictures decoding has to be ahead, so that each packet comes before it is shown."""
    return max((at - rank for at, rank in enumerate(order)), default=0)


def decoding_times(times: Sequence[int], ahead: int) -> list[int]:
    """When the packets of a film are decoded, in ticks, given the times of its pictures and how far decoding is ahead.

    They rise, and none is later than its picture: they are the pictures' times, moved by `ahead` places.
    """
    if not times:
        return []
    step = max(1, times[1] - times[0] if len(times) > 1 else 1)
    before = [times[0] - step * count for count in range(ahead, 0, -1)]
    return [*before, *times[: len(times) - ahead]][: len(times)]

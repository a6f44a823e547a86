"""Decoding timestamps of concatenated chunks. Pure."""

from __future__ import annotations

from collections.abc import Sequence


def presentation_ranks(times: Sequence[int]) -> list[int]:
    """For each packet in decoding order, the rank of its presentation time."""
    order = sorted(range(len(times)), key=lambda at: (times[at], at))
    result = [0] * len(times)
    for rank, at in enumerate(order):
        result[at] = rank
    return result


def reorder_delay(order: Sequence[int]) -> int:
    """Frames by which decoding must be ahead of presentation."""
    return max((at - rank for at, rank in enumerate(order)), default=0)


def decoding_times(times: Sequence[int], ahead: int) -> list[int]:
    """Decoding times of a video's packets in ticks, from the sorted presentation times and the reorder delay `ahead`.

    Strictly increasing, and never later than the presentation time: the presentation times moved by `ahead` places,
    with those of the first frames, earlier by a delay, before them, as x264 and x265 have them.
    """
    if not times:
        return []
    delay = times[ahead] - times[0] if ahead < len(times) else 0
    before = [time - delay for time in times[:ahead]]
    return [*before, *times[: len(times) - ahead]][: len(times)]

"""The output, looked at again: FFmpeg ends with 0 for much that it should not."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av

from ffmpeg_filter.nut import exact
from ffmpeg_filter.pipeline import Outcome
from ffmpeg_filter.plan import Plan

_LIMITS = {"t", "to", "ss", "frames", "shortest", "fs"}
_TOLERANCE = Fraction(1, 500)
"""Seconds by which a container may round a timestamp; Matroska's own tick is a thousandth."""


def findings(plan: Plan, outcome: Outcome) -> Iterator[str]:
    """What is not as it should be, in words: damage in the source, frames or timestamps that did not come through."""
    if outcome.damage:
        yield str(outcome.damage)
    limited = any(option.name in _LIMITS for option in plan.output.options)
    path = plan.output.path
    if plan.part is None or limited or outcome.interrupted or not plan.keeps_times or not path.is_file():
        return
    made = _times(path)
    wanted = sorted(time for time in outcome.times if time is not None)
    if made is None:
        yield f"{path.name} cannot be opened again to be checked"
    elif len(made) != len(outcome.times):
        yield f"{len(outcome.times)} frames were passed on, {path.name} has {len(made)}"
    elif made and len(wanted) == len(made):
        shift = made[0] - wanted[0]
        worst = max(abs(after - before - shift) for after, before in zip(made, wanted, strict=True))
        if worst > _TOLERANCE:
            yield f"timestamps in {path.name} are off by up to {float(worst) * 1000:.0f} ms"


def _times(path: Path) -> list[Fraction] | None:
    """The presentation times of the largest video stream, in order; None where there is none to be read."""
    try:
        with av.open(str(path)) as file:
            stream = max(file.streams.video, key=lambda one: one.width * one.height, default=None)
            if stream is None:
                return None
            tick = exact(stream.time_base) or Fraction(1)
            return sorted(packet.pts * tick for packet in file.demux(stream) if packet.pts is not None and packet.size)
    except (av.FFmpegError, OSError):
        return None

"""Times as FFmpeg's options have them. Pure."""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction

from ffmpeg_filter.command.argv import File, Option

_TIME = re.compile(r"(-?)(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d*)?|\.\d+)(s|ms|us)?$")
_UNITS = {"ms": 1000, "us": 1_000_000}


def seconds(text: str | None) -> Fraction | None:
    """A time as FFmpeg writes it; None for what is none."""
    found = _TIME.match(text or "")
    if not found:
        return None
    sign, hours, minutes, rest, unit = found.groups()
    time = (Fraction(rest) + 60 * int(minutes or 0) + 3600 * int(hours or 0)) / _UNITS.get(unit, 1)
    return -time if sign else time


def text(time: Fraction) -> str:
    """A time (seconds) in FFmpeg's words, to the microsecond."""
    return f"{float(round(time * 1_000_000)) / 1e6:.6f}"


def offset(file: File) -> Fraction:
    """What the user adds to an input's times, in seconds."""
    return seconds(file.last("itsoffset")) or Fraction(0)


def later(file: File, by: Fraction) -> File:
    """The input with that much (seconds) added to its times."""
    if not by:
        return file
    total = offset(file) + by
    kept = file.without(lambda option: option.name == "itsoffset")
    return replace(kept, options=(Option("-itsoffset", text(total)), *kept.options)) if total else kept

"""FFmpeg's time syntax, and input offsets. Pure."""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction

from ffmpeg_filter.command.argv import File, Option

_TIME = re.compile(r"(-?)(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d*)?|\.\d+)(s|ms|us)?$")
_UNITS = {"ms": 1000, "us": 1_000_000}


def parse_seconds(text: str | None) -> Fraction | None:
    """Seconds of a time in FFmpeg's syntax; None if it is invalid."""
    match = _TIME.match(text or "")
    if not match:
        return None
    sign, hours, minutes, last, unit = match.groups()
    time = (Fraction(last) + 60 * int(minutes or 0) + 3600 * int(hours or 0)) / _UNITS.get(unit, 1)
    return -time if sign else time


def format_seconds(time: Fraction) -> str:
    """A time in FFmpeg's syntax, to the microsecond."""
    return f"{float(round(time * 1_000_000)) / 1e6:.6f}"


def input_offset(file: File) -> Fraction:
    """The value of -itsoffset in seconds."""
    return parse_seconds(file.last("itsoffset")) or Fraction(0)


def delayed(file: File, by: Fraction) -> File:
    """The input with `by` seconds added to its -itsoffset."""
    if not by:
        return file
    total = input_offset(file) + by
    others = file.without(lambda option: option.name == "itsoffset").options
    offset = (Option("-itsoffset", format_seconds(total)),) if total else ()
    return replace(file, options=(*offset, *others))

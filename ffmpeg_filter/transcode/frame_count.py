"""The number of frames that a command will make, for its progress. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from ffmpeg_filter.command import timestamps
from ffmpeg_filter.command.argv import File
from ffmpeg_filter.media.probe import Input

_RETIMING = {
    "bwdif", "concat", "decimate", "dejudder", "detelecine", "estdif", "field", "fieldmatch", "fps", "framerate",
    "framestep", "freezeframes", "loop", "minterpolate", "mpdecimate", "nnedi", "pullup", "repeatfields", "reverse",
    "select", "separatefields", "setpts", "shuffleframes", "shuffleplanes", "telecine", "thumbnail", "tile",
    "tinterlace", "tmix", "trim", "untile", "w3fdif", "yadif",
}  # fmt: skip
"""Filters behind which there may be another number of frames, or other times."""


def frames(source: File, output: File, facts: Input, filters: Iterable[str]) -> int | None:
    """How many frames of an input go through the engine, given the names of the filters before it; None if unknown."""
    video = facts.best_video()
    if video is None or not _RETIMING.isdisjoint(filters):
        return None
    rate, count = _rate(source.last("r")) or video.rate, video.frames
    if not count and facts.seconds and video.rate:
        count = round(facts.seconds * video.rate)
    whole = Fraction(count) / rate if rate and count else None
    span = _limited(output, _repeated(source, whole))
    if rate is None or span is None:
        return _at_most(output, None)
    return _at_most(output, count if span == whole else round(span * rate))


def _repeated(source: File, whole: Fraction | None) -> Fraction | None:
    """The length of an input (seconds) with its own loops and limits."""
    loops = int(loop) if (loop := source.last("stream_loop") or "").removeprefix("-").isdecimal() else 0
    start = timestamps.seconds(source.last("ss")) or Fraction(0)
    from_end = timestamps.seconds(source.last("sseof"))
    rest = whole
    if whole is not None:
        rest = min(whole, -from_end) if from_end else whole * (loops + 1) - start
    if loops < 0 or source.last("loop") == "1":
        rest = None
    return _shorter(rest, source, start)


def _limited(output: File, length: Fraction | None) -> Fraction | None:
    start = timestamps.seconds(output.last("ss")) or Fraction(0)
    return _shorter(None if length is None else length - start, output, start)


def _shorter(length: Fraction | None, file: File, start: Fraction) -> Fraction | None:
    """A length as `-t`, or else `-to`, of a file limits it."""
    limit, end = timestamps.seconds(file.last("t")), timestamps.seconds(file.last("to"))
    if limit is None and end is not None:
        limit = end - start
    if limit is None:
        return None if length is None else max(length, Fraction(0))
    return max(limit if length is None else min(length, limit), Fraction(0))


def _rate(text: str | None) -> Fraction | None:
    try:
        return Fraction(text) if text else None
    except (ValueError, ZeroDivisionError):
        return None  # a name, such as `ntsc`


def _at_most(output: File, count: int | None) -> int | None:
    limits = [output.last(key) for key in ("frames", "frames:v", "frames:v:0")]
    given = [int(limit) for limit in limits if limit is not None and limit.isdecimal()]
    return min([*given, *([] if count is None else [count])], default=None)

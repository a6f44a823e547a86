"""Number of frames that a command will produce, for progress display. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from ffmpeg_filter.command import time_syntax
from ffmpeg_filter.command.argv import File
from ffmpeg_filter.media.probe import InputInfo

_RETIMING_FILTERS = {
    "bwdif", "concat", "decimate", "dejudder", "detelecine", "estdif", "field", "fieldmatch", "fps", "framerate",
    "framestep", "freezeframes", "loop", "minterpolate", "mpdecimate", "nnedi", "pullup", "repeatfields", "reverse",
    "select", "separatefields", "setpts", "shuffleframes", "shuffleplanes", "telecine", "thumbnail", "tile",
    "tinterlace", "tmix", "trim", "untile", "w3fdif", "yadif",
}  # fmt: skip
"""Filters that may change the number of frames or their timestamps."""


def expected_frames(source: File, output: File, info: InputInfo, filters: Iterable[str]) -> int | None:
    """Frames of an input that reach the engine, given the names of the filters before it; None if unknown."""
    video = info.best_video()
    if video is None or not _RETIMING_FILTERS.isdisjoint(filters):
        return None
    rate, count = _rate(source.last("r")) or video.rate, video.frames
    if not count and info.seconds and video.rate:
        count = round(info.seconds * video.rate)
    whole = Fraction(count) / rate if rate and count else None
    span = _limited(output, _repeated(source, whole))
    if rate is None or span is None:
        return _at_most(output, None)
    return _at_most(output, count if span == whole else round(span * rate))


def _repeated(source: File, whole: Fraction | None) -> Fraction | None:
    """Duration of an input in seconds, with its loops and limits."""
    loops = loop_count(source)
    start = time_syntax.parse_seconds(source.last("ss")) or Fraction(0)
    from_end = time_syntax.parse_seconds(source.last("sseof"))
    rest = whole
    if whole is not None:
        rest = min(whole, -from_end) if from_end else whole * (loops + 1) - start
    if loops < 0 or source.last("loop") == "1":
        rest = None
    return _shorter(rest, source, start)


def loop_count(file: File) -> int:
    """How often an input is repeated (`-stream_loop`); negative without end."""
    count = file.last("stream_loop") or ""
    return int(count) if count.removeprefix("-").isdecimal() else 0


def _limited(output: File, length: Fraction | None) -> Fraction | None:
    start = time_syntax.parse_seconds(output.last("ss")) or Fraction(0)
    return _shorter(None if length is None else length - start, output, start)


def _shorter(length: Fraction | None, file: File, start: Fraction) -> Fraction | None:
    """A duration limited by `-t`, or else `-to`, of a file."""
    limit, end = time_syntax.parse_seconds(file.last("t")), time_syntax.parse_seconds(file.last("to"))
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
    return min([limit for limit in (frame_limit(output), count) if limit is not None], default=None)


def frame_limit(output: File) -> int | None:
    """The number of frames after which an output ends (`-frames:v`); None if it has no limit."""
    limits = [output.last(key) for key in ("frames", "frames:v", "frames:v:0")]
    return min((int(limit) for limit in limits if limit is not None and limit.isdecimal()), default=None)

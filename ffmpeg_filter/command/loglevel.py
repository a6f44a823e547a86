"""FFmpeg log levels. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise

from vsadcvsr.errors import UsageError, near_misses

LEVELS = {
    "quiet": -8, "panic": 0, "fatal": 8, "error": 16, "warning": 24, "info": 32, "verbose": 40, "debug": 48,
    "trace": 56,
}  # fmt: skip
FATAL, ERROR, WARNING, INFO, VERBOSE = (LEVELS[name] for name in ("fatal", "error", "warning", "info", "verbose"))
ALL = LEVELS["trace"]
_OPTIONS = {"-v", "-loglevel"}
_VALUE = re.compile(r"(?:[+-]?[a-z]+[+-])*[+]?(-?\d+|[a-z]*)$")
_FLAGS = {"repeat", "level", "time", "datetime"}


def level_of(args: Iterable[str]) -> int:
    """The log level of a command: its last -loglevel option, or info. Raises UsageError for an unknown level."""
    levels = [_parse(option, value) for option, value in pairwise(args) if option in _OPTIONS]
    return next((level for level in reversed(levels) if level is not None), INFO)


def with_level_prefix(argv: Sequence[str]) -> list[str]:
    """FFmpeg arguments changed so that each line states its level, and errors are always printed."""
    result, before = list[str](), ""
    for arg in argv:
        result.append(_prefixed_value(before, arg) if before in _OPTIONS else arg)
        before = arg
    return result


def _prefixed_value(option: str, value: str) -> str:
    level = _parse(option, value)
    repeat = "repeat+" if "repeat" in value else ""
    return f"{repeat}level+{max(INFO if level is None else level, ERROR)}"


def _parse(option: str, value: str) -> int | None:
    """The level in a value such as `repeat+level+error` or `16`; None if it has flags only."""
    match = _VALUE.match(value)
    level = match[1] if match else value
    if level in _FLAGS:
        return None
    if re.fullmatch(r"-?\d+", level):
        return int(level)
    if level not in LEVELS:
        raise UsageError.of(option, value, ", ".join(LEVELS), near_misses(level, LEVELS))
    return LEVELS[level]

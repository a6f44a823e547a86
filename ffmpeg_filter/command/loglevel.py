"""FFmpeg's log levels, and which of them a command asks for. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise

from vsadcvsr.errors import UsageError, near_misses

LEVELS = {
    "quiet": -8, "panic": 0, "fatal": 8, "error": 16, "warning": 24, "info": 32, "verbose": 40, "debug": 48,
    "trace": 56,
}  # fmt: skip
FATAL, ERROR, WARNING, INFO = (LEVELS[name] for name in ("fatal", "error", "warning", "info"))
ALL = LEVELS["trace"]
_WORDS = {"-v", "-loglevel"}
_VALUE = re.compile(r"(?:[+-]?[a-z]+[+-])*[+]?(-?\d+|[a-z]*)$")
_FLAGS = {"repeat", "level", "time", "datetime"}


def of(words: Iterable[str]) -> int:
    """The level of a command: that of its last option, `info` without one. Raises UsageError for what is no level."""
    levels = [_parsed(option, value) for option, value in pairwise(words) if option in _WORDS]
    return next((level for level in reversed(levels) if level is not None), INFO)


def levelled(argv: Sequence[str]) -> list[str]:
    """The arguments of FFmpeg so changed that each line tells its level, and errors are told in any case."""
    changed, before = list[str](), ""
    for word in argv:
        changed.append(_levelled(before, word) if before in _WORDS else word)
        before = word
    return changed


def _levelled(option: str, value: str) -> str:
    level = _parsed(option, value)
    repeat = "repeat+" if "repeat" in value else ""
    return f"{repeat}level+{max(INFO if level is None else level, ERROR)}"


def _parsed(option: str, value: str) -> int | None:
    """The level in a value such as `repeat+level+error` or `16`; None for flags alone."""
    found = _VALUE.match(value)
    level = found[1] if found else value
    if level in _FLAGS:
        return None
    if re.fullmatch(r"-?\d+", level):
        return int(level)
    if level not in LEVELS:
        raise UsageError.of(option, value, ", ".join(LEVELS), near_misses(level, LEVELS))
    return LEVELS[level]

"""Exit status and shared arguments of the commands."""

from __future__ import annotations

import logging
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping
from pathlib import Path

from vsadcvsr.errors import AdcvsrError, UsageError

USAGE_ERROR, INTERRUPTED = 2, 130
"""Exit status after what a user can mend, and after Ctrl-C."""


def status(name: str, run: Callable[[], object], *, stopped: str = "stopped") -> int:
    """Runs a command and returns its exit status: that of `run`, or 0 where it gives none.

    What a user can mend is one line on stderr, and so is Ctrl-C. Anything else is a fault of ours, and raised.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        result = run()
    except (AdcvsrError, OSError) as error:
        sys.stderr.write(f"{name}: {error}\n")
        return USAGE_ERROR
    except KeyboardInterrupt:
        sys.stderr.write(f"{name}: {stopped}\n")
        return INTERRUPTED
    return result if isinstance(result, int) else 0


def status_of_subprocess(name: str, run: Callable[[list[str]], int], *arguments: str) -> int:
    """As `status`, for a module that another command starts, with its arguments in order."""
    values = sys.argv[1:]

    def checked() -> int:
        if len(values) < len(arguments):
            raise UsageError(
                f"arguments are missing; it takes {' '.join(arguments)}, as vsadcvsr.bench.farm gives them"
            )
        return run(values)

    return status(name, checked)


def check_minimums(namespace: Namespace, minimums: Mapping[str, float]) -> None:
    """Raises UsageError where an option's number, or one of its numbers, is below the least."""
    for name, bound in minimums.items():
        value = getattr(namespace, name)
        if any(number < bound for number in (value if isinstance(value, list) else [value])):
            raise UsageError.of(f"--{name.replace('_', '-')}", value, f"{bound} or more")


def check_output(name: str, path: Path | None, suffix: str = "") -> None:
    """Raises UsageError for a file that could not be written at the end of long work: its folder does not exist, or it
    is a folder itself; and for one that does not end in `suffix`, which readers go by. None is no file.
    """
    if path is not None and suffix and path.suffix != suffix:
        raise UsageError(f"{name} {path} does not end in {suffix}; give it a name that does")
    if path is not None and not path.parent.is_dir():
        raise UsageError(f"{name} {path} is in a folder that does not exist; make it first")
    if path is not None and path.is_dir():
        raise UsageError(f"{name} {path} is a folder; give the name of a file in it")


def parse_size(name: str, text: str) -> tuple[int, int]:
    """(480, 270) of `480x270`. Raises UsageError."""
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise UsageError.of(name, text, "WIDTHxHEIGHT, such as 480x270")
    return int(width), int(height)


def parse_share(text: str) -> tuple[int, int]:
    """(0, 2) of `0/2`, the first of two shares of some work. Raises UsageError."""
    part, _, parts = text.partition("/")
    if not (part.isdecimal() and parts.isdecimal() and int(part) < int(parts)):
        raise UsageError.of("--part", text, "K/N with 0 <= K < N, such as 0/2")
    return int(part), int(parts)

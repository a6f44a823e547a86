"""Every error that AdcVSR raises on purpose.

AdcvsrError
├── UsageError(ValueError)      an argument: what was given, what is allowed, what to do
├── FormatError(ValueError)     a frame or clip that the model cannot take
├── WeightsError                unknown name, missing file, wrong sum, foreign file
├── BackendError                no such device, failed run
│   └── MissingError            a package is not installed
├── MediaError                  a child process or a stream
└── FarmError                   chunks that failed, each with its cause

Each message is one line that can be shown to users unchanged.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


class AdcvsrError(Exception):
    """The root: catch this to catch everything that AdcVSR raises on purpose."""


class UsageError(AdcvsrError, ValueError):
    """An argument is outside what is allowed."""

    @classmethod
    def of(cls, name: str, value: object, allowed: str, hint: str = "") -> UsageError:
        """The error for an argument whose value is outside a set of values."""
        return cls(f"{name} is {value!r}, allowed: {allowed}" + (f"; {hint}" if hint else ""))


class FormatError(AdcvsrError, ValueError):
    """A frame, clip or file has a format that cannot be taken."""


class WeightsError(AdcvsrError):
    """A model cannot be found or its file cannot be trusted."""


class BackendError(AdcvsrError):
    """A backend is not installed, has no such device, or failed while running."""


class MissingError(BackendError):
    """A package that an extra brings is not installed."""


class MediaError(AdcvsrError):
    """A child process or a media stream failed."""


class FarmError(AdcvsrError):
    """Chunks of a farm's work failed."""


def one_line(error: BaseException, limit: int | None = None) -> str:
    """The message of an error, ours or a library's, on one line of at most `limit` characters."""
    return " ".join(str(error).split())[:limit]


def shortened_list(names: Sequence[str], limit: int) -> str:
    """Names, comma-separated, as part of one line: the first ones, and how many more there are."""
    more = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {more} more" if more > 0 else "")


def near_misses(name: str, known: Iterable[str]) -> str:
    """`did you mean 'fast'?` for names that are close to a known one, in whatever case, else an empty string."""
    by_lower = {item.lower(): item for item in known}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1 if name.lower() in by_lower else 2, cutoff=0.5)
    close = [by_lower[item] for item in close]
    return f"did you mean {' or '.join(repr(item) for item in close)}?" if close else ""

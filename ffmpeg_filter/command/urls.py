"""FFmpeg URLs: a path, or a protocol and its address."""

from __future__ import annotations

import re
import sys
from pathlib import Path

_SCHEME = re.compile(r"([A-Za-z0-9+.\-]+):")
_WRAPPERS = {"async", "cache", "crypto"}
"""Protocols that wrap another URL; `crypto` may use a plus sign."""
SESSIONS = {"rtp", "rtsp", "rtsps", "sap", "srtp"}
"""Live protocols, whose sessions start at different times."""

STANDARD_INPUT = frozenset({"-", "pipe:", "pipe:0", "fd:", "/dev/stdin", "/dev/fd/0"})
"""URLs of an input that are standard input."""
STANDARD_OUTPUT = frozenset({"-", "pipe:", "pipe:1", "fd:", "/dev/stdout", "/dev/fd/1"})
"""URLs of an output that are standard output."""


def protocol(url: str) -> str:
    """The protocol of a URL, `file` for a path."""
    if url == "-":
        return "pipe"
    if url.startswith("subfile,"):
        return "subfile"
    match = _SCHEME.match(url)
    if match is None or (sys.platform == "win32" and len(match[1]) == 1):
        return "file"
    return match[1]


def is_pipe(url: str) -> bool:
    """Whether a URL is a pipe or another descriptor of this process, such as standard input."""
    return protocol(url) in {"pipe", "fd"}


def path(url: str) -> Path | None:
    """The path of a file URL; None for other protocols."""
    return Path(url.removeprefix("file:")) if protocol(url) == "file" else None


def from_path(name: str) -> str:
    """A URL for a path, with `file:` before it if FFmpeg would misread it."""
    return f"file:{name}" if name.startswith("-") or protocol(name) != "file" else name


def nested(url: str) -> list[Path]:
    """Files that a URL reads, also inside `concat:`, `subfile:` and wrapping protocols."""
    name = protocol(url)
    if name == "subfile":
        return nested(url.partition(":")[2])
    rest = url.removeprefix(f"{name}:")
    if name == "concat":
        return [member for part in rest.split("|") for member in nested(part)]
    if name == "concatf":
        return [member for member in [path(rest)] if member]
    if name.partition("+")[0] in _WRAPPERS and name != url:
        return nested(url.partition("+")[2] if "+" in name else rest)
    return [member for member in [path(url)] if member]

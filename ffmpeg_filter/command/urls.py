"""Names of inputs and outputs as FFmpeg reads them: a protocol and what follows it, or a path."""

from __future__ import annotations

import re
import sys
from pathlib import Path

_SCHEME = re.compile(r"([A-Za-z0-9+.\-]+):")
_WRAPPERS = {"async", "cache", "crypto"}
"""Protocols around the URL that follows them, `crypto` also with a plus sign."""


def protocol(url: str) -> str:
    """The protocol of a URL, `file` for a path: all characters before a colon make one, unless others precede it."""
    if url == "-":
        return "pipe"
    if url.startswith("subfile,"):
        return "subfile"
    found = _SCHEME.match(url)
    if found is None or (sys.platform == "win32" and len(found[1]) == 1):
        return "file"
    return found[1]


def path(url: str) -> Path | None:
    """The path of a file; None for any other protocol."""
    return Path(url.removeprefix("file:")) if protocol(url) == "file" else None


def of_path(name: str) -> str:
    """A URL for a path: the path itself, with `file:` before it where FFmpeg would take it for something else."""
    return f"file:{name}" if name.startswith("-") or protocol(name) != "file" else name


def nested(url: str) -> list[Path]:
    """The files that a URL reads, those inside `concat:`, `subfile:` and wrapping protocols included."""
    name = protocol(url)
    if name == "subfile":
        return nested(url.partition(":")[2])
    rest = url.removeprefix(f"{name}:")
    if name == "concat":
        return [one for part in rest.split("|") for one in nested(part)]
    if name == "concatf":
        return [one for one in [path(rest)] if one]
    if name.partition("+")[0] in _WRAPPERS and name != url:
        return nested(url.partition("+")[2] if "+" in name else rest)
    return [one for one in [path(url)] if one]

"""Files as they were when they were planned with, so that a change of one is noticed."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from vsadcvsr.errors import FarmError, UsageError

_SAMPLE = 1 << 20
"""Bytes that are read at either end."""
_CLOCK = 2.0
"""Seconds by which file systems may differ in what they say of the same file."""


class ChangedError(FarmError):
    """What was planned with is not what is there: no new attempt can help."""


@dataclass(frozen=True, kw_only=True)
class Fingerprint:
    """A file: its size in bytes, when it was written (seconds), and the SHA-256 of its two ends."""

    path: str
    size: int
    written: float
    ends: str

    def check(self) -> None:
        """Raises ChangedError if the file is another now, FarmError if it cannot be read."""
        try:
            now = fingerprint(Path(self.path), self.path)
        except (OSError, UsageError) as error:
            raise FarmError(f"the source cannot be read on this machine: {error}") from error
        if now.size != self.size or now.ends != self.ends:
            raise ChangedError(f"{self.path} has changed since it was planned: {_difference(self, now)}; plan it anew")
        if abs(now.written - self.written) > _CLOCK:
            raise ChangedError(f"{self.path} was written again since it was planned; plan it anew")


def fingerprint(path: Path, name: str | None = None) -> Fingerprint:
    """The file as it is now, under `name`. Raises UsageError for what is no file, OSError where it cannot be read."""
    if not path.is_file():
        raise UsageError.of("input", str(path), "a file, since several machines read it")
    stat = path.stat()
    digest = hashlib.sha256()
    with path.open("rb") as file:
        digest.update(file.read(_SAMPLE))
        if stat.st_size > _SAMPLE:
            file.seek(max(_SAMPLE, stat.st_size - _SAMPLE), os.SEEK_SET)
            digest.update(file.read())
    return Fingerprint(path=name or str(path), size=stat.st_size, written=stat.st_mtime, ends=digest.hexdigest())


def _difference(before: Fingerprint, now: Fingerprint) -> str:
    return f"{before.size} bytes then, {now.size} now" if before.size != now.size else "other bytes in it"

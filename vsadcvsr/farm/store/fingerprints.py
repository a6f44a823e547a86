"""Fingerprints of source files, by which changes after planning are noticed."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from vsadcvsr.errors import FarmError, UsageError

_SAMPLE_BYTES = 1 << 20
"""Bytes that are hashed at either end."""
_MTIME_TOLERANCE = 2.0
"""Seconds by which file systems may differ in the modification time of one file."""


class ChangedError(FarmError):
    """The job does not match its plan any more: no new attempt can help."""


@dataclass(frozen=True, kw_only=True)
class Fingerprint:
    """Size in bytes, modification time (seconds), and SHA-256 of both ends of a file."""

    path: str
    size: int
    written: float
    ends: str

    def check(self) -> None:
        """Raises ChangedError if the file has changed, FarmError if it cannot be read."""
        try:
            current = fingerprint(Path(self.path), self.path)
        except (OSError, UsageError) as error:
            raise FarmError(f"the source cannot be read on this machine: {error}") from error
        if current.size != self.size or current.ends != self.ends:
            raise ChangedError(
                f"{self.path} has changed since it was planned: {_difference(self, current)}; plan the job again"
            )
        if abs(current.written - self.written) > _MTIME_TOLERANCE:
            raise ChangedError(f"{self.path} was written again since it was planned; plan the job again")


def fingerprint(path: Path, name: str | None = None) -> Fingerprint:
    """The fingerprint of a file now, under `name`. Raises UsageError if it is no file, OSError if it cannot be read."""
    if not path.is_file():
        raise UsageError(f"input {str(path)!r} is not a file; several machines read it, so save it to one")
    stat = path.stat()
    digest = hashlib.sha256()
    with path.open("rb") as file:
        digest.update(file.read(_SAMPLE_BYTES))
        if stat.st_size > _SAMPLE_BYTES:
            file.seek(max(_SAMPLE_BYTES, stat.st_size - _SAMPLE_BYTES), os.SEEK_SET)
            digest.update(file.read())
    return Fingerprint(path=name or str(path), size=stat.st_size, written=stat.st_mtime, ends=digest.hexdigest())


def _difference(planned: Fingerprint, current: Fingerprint) -> str:
    return f"{planned.size} bytes then, {current.size} now" if planned.size != current.size else "other bytes in it"

"""Exclusive creation of files: a lock that ends with the process."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_NEW = os.O_CREAT | os.O_EXCL | os.O_RDWR


class BusyError(OSError):
    """Another process is writing the file."""


@contextmanager
def exclusive_file(path: Path, mode: int) -> Iterator[None]:
    """Creates an empty file and locks it while entered; a file without a live owner is replaced. Raises BusyError."""
    _remove_stale(path)
    try:
        descriptor = os.open(path, _NEW, mode)
    except FileExistsError:
        raise BusyError from None
    try:
        if sys.platform == "win32":
            os.close(descriptor)  # an open file could not be renamed, and cannot be removed: that is the lock
            descriptor = -1
        elif not _lock(descriptor):
            raise BusyError
        yield
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _remove_stale(path: Path) -> None:
    """Removes a file whose process has ended."""
    while (descriptor := _open_existing(path)) is not None:
        try:
            if not _lock(descriptor):
                raise BusyError
            if _is_at(descriptor, path):
                path.unlink()
                return
        finally:
            os.close(descriptor)


def _open_existing(path: Path) -> int | None:
    """A descriptor of an existing file; None if there is none, or if a non-file was removed."""
    if sys.platform != "win32":
        with suppress(OSError):
            return os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        path.unlink(missing_ok=True)
    except PermissionError:
        if sys.platform == "win32":
            raise BusyError from None
        raise
    return None


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether an open file still has that name."""
    with suppress(OSError):
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    return False


def _lock(descriptor: int) -> bool:
    """Whether the lock was acquired. True on file systems without locks."""
    if sys.platform == "win32":
        return True
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True

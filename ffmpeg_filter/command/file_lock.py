"""New files for this process alone, for as long as it writes them: a lock that ends with the process."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_NEW = os.O_CREAT | os.O_EXCL | os.O_RDWR


class BusyError(OSError):
    """Another process has the file."""


@contextmanager
def created(path: Path, mode: int) -> Iterator[None]:
    """Makes an empty file, instead of what nobody holds any more. Raises BusyError where another process holds it."""
    _clear(path)
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


def _clear(path: Path) -> None:
    """Removes what is left of a process that has ended."""
    while (descriptor := _opened(path)) is not None:
        try:
            if not _lock(descriptor):
                raise BusyError
            if _is_at(descriptor, path):
                path.unlink()
                return
        finally:
            os.close(descriptor)


def _opened(path: Path) -> int | None:
    """A descriptor of a file; None where there is none, or what is no file has been removed."""
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
    """Whether nobody else has the file. File systems without locks say that nobody has."""
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

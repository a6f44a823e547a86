"""Files: types by suffix, listing in natural order, checksums, replacement in one step."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

IMAGES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
VIDEOS = (".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpg", ".ts", ".webm")


def images_in(folder: Path) -> list[Path]:
    """The images of a folder in natural order, as the frames of a clip are numbered."""
    return sorted((path for path in folder.glob("*") if path.suffix.lower() in IMAGES), key=natural_key)


def files_below(folders: Sequence[Path], suffixes: tuple[str, ...]) -> list[Path]:
    """The files with these suffixes below the folders, or those that were named themselves, sorted."""
    paths = (path for folder in folders for path in (folder.rglob("*") if folder.is_dir() else [folder]))
    return sorted({path for path in paths if path.suffix.lower() in suffixes})


def natural_key(path: Path) -> list[tuple[int, str]]:
    """A key that sorts `2.png` before `10.png`."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", path.stem)]


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A new path in the same folder for the contents of `path`, which it replaces at the end; removed on errors. A
    device or pipe is written as it is.

    Raises OSError with the name that was given where it cannot be that of a file.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path.parent))
    if path.exists() and not path.is_file():
        yield path
        return
    unfinished = path.with_name(f"{secrets.token_hex(8)}.part")
    try:
        yield unfinished
        flush_to_disk(unfinished)  # else a loss of power can leave the new name with no content
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Writes a text file, which appears whole or not at all; links are followed. Raises OSError."""
    with replacing(path.resolve()) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


def flush_to_disk(path: Path) -> None:
    """Flushes a file to disk, where its file system can. Raises OSError if the disk is full or fails."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP}:
            raise
    finally:
        os.close(descriptor)

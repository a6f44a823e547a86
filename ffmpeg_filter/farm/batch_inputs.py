"""Input files of a batch: a folder, a glob pattern, or a list file. Skipped files are logged."""

from __future__ import annotations

import codecs
import glob
import logging
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ffmpeg_filter.command.argv import File, path_of
from ffmpeg_filter.media.probe import probe
from vsadcvsr.errors import UsageError, shortened_list

_log = logging.getLogger(__name__)

_VIDEO_SUFFIXES = {
    ".264", ".265", ".3gp", ".asf", ".av1", ".avi", ".dv", ".f4v", ".flv", ".h264", ".h265", ".hevc", ".ivf", ".m1v",
    ".m2t", ".m2ts", ".m2v", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".nut", ".obu", ".ogm",
    ".ogv", ".rm", ".rmvb", ".ts", ".vob", ".webm", ".wmv", ".y4m",
}  # fmt: skip
_IMAGE_SUFFIXES = {
    ".apng", ".avif", ".bmp", ".dpx", ".exr", ".gif", ".heic", ".jpeg", ".jpg", ".jxl", ".pgm", ".png", ".ppm", ".tga",
    ".tif", ".tiff", ".webp",
}  # fmt: skip
_TEXT_DECODERS = {"ansi", "bintext", "idf", "xbin"}
"""Decoders that render text files, such as `.nfo`, as video."""
MAX_NAMES = 5
"""File names in one log line."""


def files_of(url: str) -> list[str]:
    """Paths that the first input of a batch stands for, without duplicates, in order. Raises UsageError if there are
    none.

    An existing file stands for itself, even if its name contains pattern characters.
    """
    path = path_of(url)
    if url.startswith("@") and not path.is_file():
        paths: Iterable[str] = _in_list(Path(url[1:]))
    elif path.is_dir():
        paths = _in_folder(path)
    else:
        paths = [str(path)] if path.is_file() else _matching(str(path))
    by_absolute_path = {os.path.abspath(path): path for path in paths}  # noqa: PTH100 - links are titles of their own
    if not by_absolute_path:
        raise UsageError(
            f"no videos in input {url!r}; give a file, a folder, a pattern in quotes, or @ and a list of files"
        )
    return list(by_absolute_path.values())


def _matching(pattern: str) -> list[str]:
    """Files that match a pattern; if there are none, brackets are taken literally, as in `[Group] Title *.mkv`."""
    for candidate in (pattern, pattern.replace("[", "[[]")):
        paths = sorted(glob.glob(candidate, recursive=True))  # noqa: PTH207 - Path.glob takes no absolute pattern
        if files := [path for path in paths if Path(path).is_file()]:
            _log_skipped(pattern, [path for path in paths if path not in files])
            return files
    return []


def _in_folder(folder: Path) -> list[str]:
    """Videos of a folder; images only if there are no videos. Hidden files are ignored."""
    paths = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    videos = [path for path in paths if _is_video(path)]
    selected = videos or [path for path in paths if path.is_file() and path.suffix.lower() in _IMAGE_SUFFIXES]
    _log_skipped(str(folder), [path.name for path in paths if path not in selected and path.suffix != ".farm"])
    return [str(path) for path in selected]


def _is_video(path: Path) -> bool:
    """Whether a file holds video; it is probed if its suffix is unknown."""
    if not path.is_file() or path.suffix.lower() in _IMAGE_SUFFIXES:
        return False
    if path.suffix.lower() in _VIDEO_SUFFIXES:
        return True
    streams = probe(File((), f"file:{path}", is_input=True)).of_kind("video")
    return any(not stream.is_cover and stream.codec not in _TEXT_DECODERS for stream in streams)


def _log_skipped(folder: str, names: Sequence[str]) -> None:
    if names:
        _log.warning("%s: skipped, since they are no videos: %s", folder, shortened_list(names, MAX_NAMES))


def _in_list(path: Path) -> Iterator[str]:
    """Files named in a list, one per line, relative to the list. Raises UsageError.

    A line that begins with `#` is a comment, unless a file of that name exists.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"the list in input '@{path}' cannot be read ({error.strerror}); give a text file with one file name per "
            "line"
        ) from error
    for number, line in enumerate(_lines(content), 1):
        member = next(
            (candidate for name in _possible_names(line) if (candidate := path.parent / path_of(name)).is_file()), None
        )
        if member is not None:
            yield str(member)
        elif line.strip() and not line.startswith(b"#"):
            name = os.fsdecode(line)
            raise UsageError(
                f"line {number} of {path}: no file {name!r} in {path.parent}; names are relative to the list"
            )


def _lines(content: bytes) -> list[bytes]:
    for mark, encoding in ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")):
        if content.startswith(mark):
            content = content.decode(encoding, "replace").encode()
    return re.split(rb"\r\n|\n|\r", content.removeprefix(codecs.BOM_UTF8))


def _possible_names(line: bytes) -> Iterator[str]:
    """Readings of a line, most likely first: verbatim, stripped, without quotes, each in UTF-8 and in Windows-1252."""
    for text in dict.fromkeys((os.fsdecode(line), line.decode("cp1252", "replace"))):
        stripped = text.strip()
        yield from (name for name in (text, stripped, stripped.strip("\"'")) if name and "\0" not in name)

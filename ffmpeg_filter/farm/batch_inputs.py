"""The files of a batch: those of a folder, of a pattern or of a list. What is left out is said."""

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
from vsadcvsr.errors import UsageError

_log = logging.getLogger(__name__)

_VIDEOS = {
    ".264", ".265", ".3gp", ".asf", ".av1", ".avi", ".dv", ".f4v", ".flv", ".h264", ".h265", ".hevc", ".ivf", ".m1v",
    ".m2t", ".m2ts", ".m2v", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".nut", ".obu", ".ogm",
    ".ogv", ".rm", ".rmvb", ".ts", ".vob", ".webm", ".wmv", ".y4m",
}  # fmt: skip
_PICTURES = {
    ".apng", ".avif", ".bmp", ".dpx", ".exr", ".gif", ".heic", ".jpeg", ".jpg", ".jxl", ".pgm", ".png", ".ppm", ".tga",
    ".tif", ".tiff", ".webp",
}  # fmt: skip
_TEXTS = {"ansi", "bintext", "idf", "xbin"}
"""Decoders that make pictures of texts, such as `.nfo`."""
_SHOWN = 5
"""Names in a line on files that are left out."""


def files_of(url: str) -> list[str]:
    """The paths that the first input of a batch stands for, each once, in order. Raises UsageError for none.

    An existing file stands for itself, whatever signs of a pattern are in its name.
    """
    path = path_of(url)
    if url.startswith("@") and not path.is_file():
        found: Iterable[str] = _listed(Path(url[1:]))
    elif path.is_dir():
        found = _in_folder(path)
    else:
        found = [str(path)] if path.is_file() else _matching(str(path))
    once = {os.path.abspath(one): one for one in found}  # noqa: PTH100 - links are titles of their own
    if not once:
        raise UsageError.of("input", url, "a file, a folder, 'pattern*' or @list in which there are films")
    return list(once.values())


def _matching(pattern: str) -> list[str]:
    """The files of a pattern, else those of the pattern whose brackets are meant as such: `[Group] Title *.mkv`."""
    for tried in (pattern, pattern.replace("[", "[[]")):
        found = sorted(glob.glob(tried, recursive=True))  # noqa: PTH207 - Path.glob takes no absolute pattern
        if files := [path for path in found if Path(path).is_file()]:
            _say_left_out(pattern, [path for path in found if path not in files])
            return files
    return []


def _in_folder(folder: Path) -> list[str]:
    """The films of a folder; pictures only where there is nothing else. Hidden files are passed over."""
    paths = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    films = [path for path in paths if _is_film(path)]
    chosen = films or [path for path in paths if path.is_file() and path.suffix.lower() in _PICTURES]
    _say_left_out(str(folder), [path.name for path in paths if path not in chosen and path.suffix != ".farm"])
    return [str(path) for path in chosen]


def _is_film(path: Path) -> bool:
    """Whether a file holds moving pictures; it is looked into where its name does not say."""
    if not path.is_file() or path.suffix.lower() in _PICTURES:
        return False
    if path.suffix.lower() in _VIDEOS:
        return True
    streams = probe(File((), f"file:{path}", is_input=True)).of_kind("video")
    return any(not stream.is_cover and stream.codec not in _TEXTS for stream in streams)


def _say_left_out(where: str, names: Sequence[str]) -> None:
    if names:
        _log.warning("%s: left out, as no film: %s", where, listing(names))


def listing(names: Sequence[str]) -> str:
    """The first names in a line."""
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def _listed(path: Path) -> Iterator[str]:
    """The files of a list, one a line; names in it are from where the list is. Raises UsageError.

    A line that begins with `#` is a comment, unless it is the name of a file.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError.of("input", f"@{path}", "a text file with a file a line", str(error.strerror)) from error
    for number, line in enumerate(_lines(content), 1):
        found = next((one for name in _readings(line) if (one := path.parent / path_of(name)).is_file()), None)
        if found is not None:
            yield str(found)
        elif line.strip() and not line.startswith(b"#"):
            name = os.fsdecode(line)
            raise UsageError(f"line {number} of {path}: no file {name!r} in {path.parent}; names are from where it is")


def _lines(content: bytes) -> list[bytes]:
    for mark, encoding in ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")):
        if content.startswith(mark):
            content = content.decode(encoding, "replace").encode()
    return re.split(rb"\r\n|\n|\r", content.removeprefix(codecs.BOM_UTF8))


def _readings(line: bytes) -> Iterator[str]:
    """The names that a line may mean, the likeliest first: as it is, without spaces or quotes around it, in Latin-1."""
    for text in dict.fromkeys((os.fsdecode(line), line.decode("cp1252", "replace"))):
        bare = text.strip()
        yield from (one for one in (text, bare, bare.strip("\"'")) if one and "\0" not in one)

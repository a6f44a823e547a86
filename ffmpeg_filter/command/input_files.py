"""Files that a command reads: inputs, members of lists and sequences, and files opened by filters and options."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from ffmpeg_filter.command import filtergraph, urls
from ffmpeg_filter.command.argv import Command, File, Option
from vsadcvsr.errors import UsageError

_FILE_OPTIONS = {"attach", "filter_complex_script", "filter_script", "presetfile", "pre", "fpre", "vpre", "apre"}
"""Options whose value is a file to read."""
_LISTS = {".ffconcat", ".m3u8", ".m3u", ".txt", ".lst"}
_LONGEST_LIST = 1 << 20  # bytes
_ENTRY = re.compile(r"\s*file\s+(.+?)\s*$")
SEQUENCE_NUMBER = re.compile(r"%0?\d*d")
"""The number pattern in the name of an image sequence."""


def files(command: Command) -> Iterator[Path]:
    """Paths of all of them, existing or not, unordered, possibly repeated."""
    for file in command.inputs:
        yield from of_input(file)
    yield from _pass_logs(command)
    for option in command.options():
        yield from _of_option(option)


def of_input(file: File) -> Iterator[Path]:
    """Paths that one input reads."""
    form = file.last("f") or ""
    if form == "lavfi":
        yield from _of_graph(file.url)
        return
    for path in urls.nested(file.url):
        yield path
        if not path.exists():
            yield from _matching(path)
        elif form in {"concat", "hls"} or urls.protocol(file.url) == "concatf" or path.suffix.lower() in _LISTS:
            yield from _in_list(path)


def _matching(path: Path) -> Iterator[Path]:
    """Members of an image sequence (`%03d`) or glob pattern."""
    pattern = "*".join(glob.escape(part) for part in SEQUENCE_NUMBER.split(path.name))
    folder = path.parent
    if folder.is_dir():
        yield from folder.glob(pattern if SEQUENCE_NUMBER.search(path.name) else path.name)


def _in_list(path: Path) -> Iterator[Path]:
    """Members of a concat script or playlist."""
    try:
        if not path.is_file() or path.stat().st_size > _LONGEST_LIST:
            return
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return
    yield from list_members(text, path.parent)


def list_members(text: str, folder: Path) -> Iterator[Path]:
    """Files named in the text of a list, relative to its folder."""
    is_playlist = text.startswith("#EXTM3U")
    for line in text.splitlines():
        entry = _ENTRY.match(line)
        name = filtergraph.unescape(entry[1]) if entry else line.strip() if is_playlist and line[:1] != "#" else ""
        for member in urls.nested(name) if name else ():
            yield folder / member


def _pass_logs(command: Command) -> Iterator[Path]:
    """Log files of the first pass."""
    for option in command.options():
        if option.name == "passlogfile" and option.value:
            path = Path(option.value)
            yield from path.parent.glob(f"{glob.escape(path.name)}-*.log*") if path.parent.is_dir() else ()


def _of_option(option: Option) -> Iterator[Path]:
    value = option.value or ""
    if option.name in {"filter", "filter_complex"}:
        yield from _of_graph(value)
    elif option.name in _FILE_OPTIONS or option.token.startswith("-/"):
        yield from urls.nested(value)


def _of_graph(text: str) -> Iterator[Path]:
    """Any filter argument that may be a file name: `movie`, `subtitles`, `lut3d` and others each have their own option
    names.
    """
    try:
        nodes = [node for _, _, node in filtergraph.parse(text).nodes()]
    except UsageError:
        return
    yield from of_filters(nodes)


def of_filters(nodes: Iterable[filtergraph.Node]) -> Iterator[Path]:
    """Paths that filters may read, existing or not."""
    for node in nodes:
        yield from _of_arguments(filtergraph.fields(node.arguments))


def _of_arguments(fields: Iterable[str]) -> Iterator[Path]:
    for field in fields:
        for value in (field, field.partition("=")[2]):
            if value:
                yield from urls.nested(filtergraph.unescape(value))

"""The files that a command reads: inputs, what lists and patterns name, what filters and options open."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from ffmpeg_filter.command import filtergraph, urls
from ffmpeg_filter.command.argv import Command, File, Option
from vsadcvsr.errors import UsageError

_READING = {"attach", "filter_complex_script", "filter_script", "presetfile", "pre", "fpre", "vpre", "apre"}
"""Options whose value is the name of a file that is read."""
_LISTS = {".ffconcat", ".m3u8", ".m3u", ".txt", ".lst"}
_LONGEST_LIST = 1 << 20  # bytes
_ENTRY = re.compile(r"\s*file\s+(.+?)\s*$")
SEQUENCE_NUMBER = re.compile(r"%0?\d*d")
"""The place of the number in the name of an image sequence."""


def files(command: Command) -> Iterator[Path]:
    """The paths of all of them, whether they are there or not, in no order and perhaps more than once."""
    for number, file in enumerate(command.inputs):
        yield from of_input(file)
        yield from _passes(command, number)
    for option in command.options():
        yield from _of_option(option)


def of_input(file: File) -> Iterator[Path]:
    """What one input reads."""
    form = file.last("f") or ""
    if form == "lavfi":
        yield from _of_graph(file.url)
        return
    for path in urls.nested(file.url):
        yield path
        if not path.exists():
            yield from _matching(path)
        elif form in {"concat", "hls"} or urls.protocol(file.url) == "concatf" or path.suffix.lower() in _LISTS:
            yield from _listed(path)


def _matching(path: Path) -> Iterator[Path]:
    """The members of an image sequence, `%03d` or a glob."""
    pattern = "*".join(glob.escape(part) for part in SEQUENCE_NUMBER.split(path.name))
    folder = path.parent
    if folder.is_dir():
        yield from folder.glob(pattern if SEQUENCE_NUMBER.search(path.name) else path.name)


def _listed(path: Path) -> Iterator[Path]:
    """The members of a concat script or a playlist."""
    try:
        if not path.is_file() or path.stat().st_size > _LONGEST_LIST:
            return
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return
    yield from members(text, path.parent)


def members(text: str, folder: Path) -> Iterator[Path]:
    """The files that the text of a list names, as seen from its folder."""
    is_playlist = text.startswith("#EXTM3U")
    for line in text.splitlines():
        entry = _ENTRY.match(line)
        name = filtergraph.unescaped(entry[1]) if entry else line.strip() if is_playlist and line[:1] != "#" else ""
        for member in urls.nested(name) if name else ():
            yield folder / member


def _passes(command: Command, number: int) -> Iterator[Path]:
    """The logs of a first pass."""
    if number:
        return
    for option in command.options():
        if option.name == "passlogfile" and option.value:
            path = Path(option.value)
            yield from path.parent.glob(f"{glob.escape(path.name)}-*.log*") if path.parent.is_dir() else ()


def _of_option(option: Option) -> Iterator[Path]:
    value = option.value or ""
    if option.name in {"filter", "filter_complex"}:
        yield from _of_graph(value)
    elif option.name in _READING or option.word.startswith("-/"):
        yield from urls.nested(value)


def _of_graph(text: str) -> Iterator[Path]:
    """Whatever an argument of a filter may name: `movie`, `subtitles`, `lut3d` and others have many names for it."""
    try:
        nodes = [node for _, _, node in filtergraph.parse(text).nodes()]
    except UsageError:
        return
    for node in nodes:
        yield from _of_arguments(filtergraph.fields(node.arguments))


def _of_arguments(fields: Iterable[str]) -> Iterator[Path]:
    for field in fields:
        for value in (field, field.partition("=")[2]):
            if value:
                yield from urls.nested(filtergraph.unescaped(value))

"""What `-farm …` asks for, apart from the command itself, and the titles that it is asked for.

A command is a batch where its output's name has `{name}` in it: it is then run for each file of its first input, which
is a folder, a pattern, or @list with a file a line; `{name}` is the file's, without what follows its last dot.
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from ffmpeg_filter.command import loglevel, output_files, urls
from ffmpeg_filter.command.argv import FARM, Command, File, Option, parse, path_of
from ffmpeg_filter.farm.batch_inputs import files_of, listing
from vsadcvsr.errors import UsageError, near_misses
from vsadcvsr.farm.monitor.views import Style

_log = logging.getLogger(__name__)

HELP = """On a farm: -farm ADDRESS            where: local (Ray, started on this machine), auto (the cluster that runs
                                    here), ray://host:port, or host:port on a node of it
           -farm_workers N          at most so many workers; else as many as there is room for
           -farm_gpus G             GPUs of a worker, such as 0.5; 0 for workers on CPUs
           -farm_cpus C             cores of a worker, by itself up to 4, or 1 beside a GPU
           -farm_chunk S            length of a chunk in seconds, 20 by itself
           -farm_intermediate I     auto, ffv1 (chunks kept without loss), or none (chunks as encoded)
           -farm_folder DIR         for the chunks, on storage that all nodes see; OUTPUT.farm by itself
           -farm_keep               leave it there at the end, for ffadcvsr farm report
           -farm_report             at the end, a page on who made what when: OUTPUT.html
           -farm_progress P         rich, plain or json, which goes to standard output
With {name} in the output, for each file of a folder, 'pattern*' or @list: -farm local -i 'in/*.mp4' … 'out/{name}.mkv'
"""

_NAME = "{name}"
_LONGEST = 1e12
"""Seconds in a chunk that is longer than any film."""
_KEPT = "farm_intermediate"
"""The option of a farm that is part of what is made."""
_STYLES: dict[str, Style] = {"rich": "rich", "plain": "plain", "json": "json"}


@dataclass(frozen=True, kw_only=True)
class Orders:
    """Where and how the work is done. What is None is found out."""

    address: str
    folder: Path | None = None
    keep: bool = False
    report: bool = False
    workers: int | None = None
    gpus: float | None = None
    cpus: float | None = None
    seconds: Fraction = Fraction(20)
    style: Style | None = None
    least: int = logging.INFO
    """The level of `logging` from which on something is said, where no style is asked for."""


@dataclass(frozen=True)
class Title:
    """The words of a command for one machine, without `-y`, whether that was there, and whether it is of a batch."""

    words: tuple[str, ...]
    output: str
    overwrite: bool
    is_one_of_many: bool = False

    @property
    def path(self) -> Path:
        """Where its film is to be, if that is a file."""
        return path_of(self.output)


def orders(command: Command) -> Orders:
    """Raises UsageError."""
    check_names(command)
    folder, style = command.value("farm_folder"), command.value("farm_progress")
    if style is not None and style not in _STYLES:
        raise UsageError.of("-farm_progress", style, ", ".join(_STYLES), near_misses(style, _STYLES))
    workers = _number(command, "farm_workers", "1 or more", lambda value: value >= 1 and value == int(value))
    chunk = command.value("farm_chunk")
    return Orders(
        address=command.value("farm") or "",
        folder=None if folder is None else Path(folder).resolve(),
        keep=command.has("farm_keep"),
        report=command.has("farm_report"),
        workers=None if workers is None else int(workers),
        gpus=_number(
            command, "farm_gpus", "0, a part of 1, or whole GPUs", lambda gpus: gpus in {0, 1} or _share(gpus)
        ),
        cpus=_number(command, "farm_cpus", "more than 0 cores", lambda value: value > 0),
        seconds=Orders.seconds if chunk is None else _chunk_seconds(chunk),
        style=None if style is None else _STYLES[style],
        least=logging.INFO if style else _least(loglevel.of(command.words())),
    )


def _least(level: int) -> int:
    """A log level of FFmpeg's as one of `logging`."""
    if level >= loglevel.INFO:
        return logging.INFO
    return logging.WARNING if level >= loglevel.WARNING else logging.ERROR


def check_names(command: Command) -> None:
    """Raises UsageError for options of a farm that there are not, or that have no farm."""
    for option in command.options():
        if option.name.startswith("farm") and option.name not in FARM:
            known = [f"-{name}" for name in FARM]
            raise UsageError.of(option.word, option.value, ", ".join(known), near_misses(option.word, known))
        if option.name.startswith("farm_") and option.name != _KEPT and not command.has("farm"):
            raise UsageError.of(option.word, option.value, "beside -farm ADDRESS", "such as -farm local")


def titles(command: Command) -> list[Title]:
    """What is to be made: a command for one machine each. Raises UsageError where a batch finds no or too few files."""
    overwrite = command.has("y")
    bare = _without(command, lambda option: option.name == "y" or (option.name in FARM and option.name != _KEPT))
    named = [file.url for file in bare.outputs]
    if not any(_NAME in url for url in named):
        return [Title(tuple(bare.words()), named[0] if named else "", overwrite)]
    if not bare.inputs:
        raise UsageError.of("command", "without an input", "a command with -i")
    if nameless := next((file.url for file in bare.outputs if _NAME not in file.url and _is_file(file)), None):
        raise UsageError(f"output {nameless!r} has no {_NAME} in it, as every file of a batch must; quote patterns")
    made = {path: _title(bare, path, overwrite) for path in files_of(bare.inputs[0].url)}
    twice = [name for name, count in Counter(title.output for title in made.values()).items() if count > 1]
    if twice:
        raise UsageError.of("output", twice[0], "another for each file", "files of one name are in this batch")
    left = made if overwrite else _without_results(made)
    output_files.check_apart(Command(tuple(file for title in left.values() for file in parse(title.words).files)))
    return list(left.values())


def _is_file(file: File) -> bool:
    return urls.path(file.url) is not None and file.last("f") not in {"null", "tee"}


def _without_results(made: dict[str, Title]) -> dict[str, Title]:
    """The titles without those whose source is what an earlier run of the batch made of another one."""
    results = {output_files.identity(title.path): path for path, title in made.items()}
    results.pop(None, None)
    found = [path for path in made if results.get(output_files.identity(Path(path)), path) != path]
    if found:
        _log.warning("left out, as made by this batch before: %s", listing(found))
    return {path: title for path, title in made.items() if path not in found}


def _without(command: Command, unwanted: Callable[[Option], bool]) -> Command:
    rest = tuple(option for option in command.rest if not unwanted(option))
    return Command(tuple(file.without(unwanted) for file in command.files), rest)


def _title(command: Command, path: str, overwrite: bool) -> Title:
    first, name = command.inputs[0], Path(path).stem

    def changed(file: File) -> File:
        url = path if file is first else file.url.replace(_NAME, name)
        return replace(file, url=urls.of_path(url) if file is first or file.url.startswith(_NAME) else url)

    made = replace(command, files=tuple(changed(file) for file in command.files))
    output = next(file.url for file in made.outputs)
    return Title(tuple(made.words()), output, overwrite, is_one_of_many=True)


def seconds(text: str) -> Fraction:
    """The length of chunks, such as `20`, `7.5` or `1001/30`. Raises ValueError for what is none."""
    above, slash, below = text.partition("/")
    for number in (above, *([below] if slash else [])):
        value = float(number)  # before there is a Fraction of 1e999999999, which takes for ever
        if not 0 < value < _LONGEST or not 0 < 1 / value < _LONGEST:
            raise ValueError(text)
    return Fraction(text)


def _chunk_seconds(text: str) -> Fraction:
    try:
        return seconds(text)
    except ValueError:
        raise UsageError.of("-farm_chunk", text, "more than 0 seconds") from None


def _number(command: Command, name: str, allowed: str, is_allowed: Callable[[float], bool]) -> float | None:
    text = command.value(name)
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or not is_allowed(value):
        raise UsageError.of(f"-{name}", text, allowed)
    return value


def _share(gpus: float) -> bool:
    """Whether Ray can hand out so much of a GPU."""
    return 0 < gpus < 1 or (gpus > 0 and gpus == int(gpus))

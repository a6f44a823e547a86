"""Options of `-farm`, and the titles that a command asks for.

A command is a batch if its output name contains `{name}`: it is run for each file of its first input, which is a
folder, a pattern, or @list with a file per line; `{name}` is the file's stem.
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
from ffmpeg_filter.command.argv import ADCVSR_OPTIONS, FARM_OPTIONS, Command, File, Option, parse, path_of
from ffmpeg_filter.farm.batch_inputs import MAX_NAMES, files_of
from vsadcvsr.errors import UsageError, near_misses, shortened_list
from vsadcvsr.farm.monitor.views import Style

_log = logging.getLogger(__name__)

HELP = """On a farm: -farm ADDRESS            where: local (Ray, started on this machine), auto (the cluster that runs
                                    here), ray://host:port, or host:port on a node of it
           -farm_workers N          maximum number of workers; default as many as fit
           -farm_gpus G             GPUs per worker, such as 0.5; 0 for CPU workers
           -farm_cpus C             CPU cores per worker; default up to 4, or 1 with a GPU
           -farm_chunk S            chunk length in seconds; default 20
           -farm_intermediate I     auto, ffv1 (lossless chunks), or none (chunks in the final encoding)
           -farm_folder DIR         job folder, on storage that all nodes share; default OUTPUT.farm
           -farm_keep               keep the job folder, for ffadcvsr farm report
           -farm_report             write a report page, OUTPUT.html
           -farm_progress P         rich, plain or json, which goes to standard output
With {name} in the output, for each file of a folder, 'pattern*' or @list: -farm local -i 'in/*.mp4' … 'out/{name}.mkv'
"""

_NAME_FIELD = "{name}"
_MAX_SECONDS = 1e12
"""Upper limit of a chunk's length."""
_JOB_OPTION = "farm_intermediate"
"""The farm option that affects the output."""
_STYLES: dict[str, Style] = {"rich": "rich", "plain": "plain", "json": "json"}


@dataclass(frozen=True, kw_only=True)
class FarmOptions:
    """Where and how the work is done. None means automatic."""

    address: str
    """The value of -farm: local, auto, ray://host:port or host:port."""
    folder: Path | None = None
    """Job folder."""
    keep: bool = False
    """Whether the job folder stays after the merge."""
    report: bool = False
    """Whether a report page is written."""
    workers: int | None = None
    """Maximum number of workers."""
    gpus: float | None = None
    """GPUs per worker, may be a fraction."""
    cpus: float | None = None
    """CPU cores per worker."""
    chunk_seconds: Fraction = Fraction(20)
    """Chunk length."""
    style: Style | None = None
    """Style of the progress display."""
    min_level: int = logging.INFO
    """Lowest `logging` level that is shown, unless a style is given."""


@dataclass(frozen=True)
class Title:
    """One input file of a batch with the command for it; without a batch, the command itself."""

    args: tuple[str, ...]
    """The command for one machine, without `-y`."""
    output: str
    """The output's URL."""
    overwrite: bool
    """Whether `-y` was given."""
    is_in_batch: bool = False
    """Whether it belongs to a batch."""

    @property
    def path(self) -> Path:
        """The output's path, if it is a file."""
        return path_of(self.output)


def parse_options(command: Command) -> FarmOptions:
    """The farm options of a command. Raises UsageError."""
    check_option_names(command)
    folder, style = command.value("farm_folder"), command.value("farm_progress")
    if style is not None and style not in _STYLES:
        raise UsageError.of("-farm_progress", style, ", ".join(_STYLES), near_misses(style, _STYLES))
    if style == "json" and (output := next(filter(_is_standard_output, command.outputs), None)):
        raise UsageError(
            f"-farm_progress json goes to standard output, as output {output.url!r} does; give a file, or "
            "-farm_progress plain"
        )
    workers = _parse_number(command, "farm_workers", "1 or more", lambda value: value >= 1 and value == int(value))
    chunk = command.value("farm_chunk")
    return FarmOptions(
        address=command.value("farm") or "",
        folder=None if folder is None else Path(folder).resolve(),
        keep=command.has("farm_keep"),
        report=command.has("farm_report"),
        workers=None if workers is None else int(workers),
        gpus=_parse_number(command, "farm_gpus", "0, a part of 1, or whole GPUs", _is_gpu_count),
        cpus=_parse_number(command, "farm_cpus", "more than 0 cores", lambda value: value > 0),
        chunk_seconds=FarmOptions.chunk_seconds if chunk is None else _parse_chunk_seconds(chunk),
        style=None if style is None else _STYLES[style],
        min_level=logging.INFO if style else _python_level(loglevel.level_of(command.args())),
    )


def _is_standard_output(file: File) -> bool:
    return file.url in urls.STANDARD_OUTPUT and file.last("f") != "null"


def _python_level(level: int) -> int:
    """The `logging` level of an FFmpeg log level."""
    if level >= loglevel.INFO:
        return logging.INFO
    return logging.WARNING if level >= loglevel.WARNING else logging.ERROR


def check_option_names(command: Command) -> None:
    """Raises UsageError for unknown options of ours, and for farm options without -farm."""
    for option in command.options():
        if option.name.startswith("adcvsr_") and option.name not in ADCVSR_OPTIONS:
            known = [f"-{name}" for name in sorted(ADCVSR_OPTIONS) if name.startswith("adcvsr_")]
            hint = near_misses(option.token, known) or "see ffadcvsr -h"
            raise UsageError(f"{option.token} is no option of ffadcvsr; its own are {', '.join(known)}; {hint}")
        if option.name.startswith("farm") and option.name not in FARM_OPTIONS:
            known = [f"-{name}" for name in FARM_OPTIONS]
            hint = near_misses(option.token, known) or "see ffadcvsr -h"
            raise UsageError(f"{option.token} is no option of farms; they are {', '.join(known)}; {hint}")
        if option.name.startswith("farm_") and option.name != _JOB_OPTION and not command.has("farm"):
            raise UsageError(f"{option.token} needs -farm ADDRESS, such as -farm local")


def parse_titles(command: Command) -> list[Title]:
    """The titles of a command. Raises UsageError if a batch has no input files, or outputs that collide."""
    overwrite = command.has("y")
    command_without_farm = _without(
        command, lambda option: option.name == "y" or (option.name in FARM_OPTIONS and option.name != _JOB_OPTION)
    )
    urls_of_outputs = [file.url for file in command_without_farm.outputs]
    if not any(_NAME_FIELD in url for url in urls_of_outputs):
        return [Title(tuple(command_without_farm.args()), urls_of_outputs[0] if urls_of_outputs else "", overwrite)]
    if not command_without_farm.inputs:
        raise UsageError("a batch needs an input; add one with -i")
    if nameless := next(
        (file.url for file in command_without_farm.outputs if _NAME_FIELD not in file.url and _is_file(file)), None
    ):
        raise UsageError(
            f"output {nameless!r} has no {_NAME_FIELD} in it, as every file of a batch must; quote patterns"
        )
    titles_by_path = {
        path: _title_of(command_without_farm, path, overwrite) for path in files_of(command_without_farm.inputs[0].url)
    }
    repeated = [name for name, count in Counter(title.output for title in titles_by_path.values()).items() if count > 1]
    if repeated:
        raise UsageError(f"output {repeated[0]!r} has several inputs of the same name; run a batch for each")
    remaining = titles_by_path if overwrite else _without_results(titles_by_path)
    output_files.check_distinct(
        Command(tuple(file for title in remaining.values() for file in parse(title.args).files))
    )
    return list(remaining.values())


def _is_file(file: File) -> bool:
    return urls.path(file.url) is not None and file.last("f") not in {"null", "tee"}


def _without_results(titles_by_path: dict[str, Title]) -> dict[str, Title]:
    """The titles without those whose input is an output of an earlier run of the batch."""
    results = {output_files.identity(title.path): path for path, title in titles_by_path.items()}
    results.pop(None, None)
    skipped = [path for path in titles_by_path if results.get(output_files.identity(Path(path)), path) != path]
    if skipped:
        _log.warning("left out, as made by this batch before: %s", shortened_list(skipped, MAX_NAMES))
    return {path: title for path, title in titles_by_path.items() if path not in skipped}


def _without(command: Command, unwanted: Callable[[Option], bool]) -> Command:
    rest = tuple(option for option in command.trailing if not unwanted(option))
    return Command(tuple(file.without(unwanted) for file in command.files), rest)


def _title_of(command: Command, path: str, overwrite: bool) -> Title:
    first, name = command.inputs[0], Path(path).stem

    def for_path(file: File) -> File:
        url = path if file is first else file.url.replace(_NAME_FIELD, name)
        return replace(file, url=urls.from_path(url) if file is first or file.url.startswith(_NAME_FIELD) else url)

    title_command = replace(command, files=tuple(for_path(file) for file in command.files))
    output = next(file.url for file in title_command.outputs)
    return Title(tuple(title_command.args()), output, overwrite, is_in_batch=True)


def parse_seconds(text: str) -> Fraction:
    """A chunk length such as `20`, `7.5` or `1001/30`. Raises ValueError."""
    above, slash, below = text.partition("/")
    for number in (above, *([below] if slash else [])):
        value = float(number)  # before there is a Fraction of 1e999999999, which takes for ever
        if not 0 < value < _MAX_SECONDS or not 0 < 1 / value < _MAX_SECONDS:
            raise ValueError(text)
    return Fraction(text)


def _parse_chunk_seconds(text: str) -> Fraction:
    try:
        return parse_seconds(text)
    except ValueError:
        raise UsageError.of("-farm_chunk", text, "more than 0 seconds") from None


def _parse_number(command: Command, name: str, allowed: str, is_allowed: Callable[[float], bool]) -> float | None:
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


def _is_gpu_count(gpus: float) -> bool:
    """Whether Ray accepts the number of GPUs."""
    return 0 <= gpus < 1 or (gpus >= 1 and gpus.is_integer())

"""Filter graphs that a command keeps in files: `-/filter:v FILE`, `-filter_script:v FILE` and the like."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ffmpeg_filter.command import filtergraph, urls
from ffmpeg_filter.command.argv import Command, File, Option
from vsadcvsr.errors import MediaError

_READ = {
    "filter_complex_script": "-filter_complex", "/filter_complex": "-filter_complex", "/lavfi": "-filter_complex",
    "filter_script": "-filter", "/filter": "-filter", "/vf": "-filter:v", "/af": "-filter:a",
}  # fmt: skip
_GRAPHS = {"filter", "filter_complex"}


def read_in(command: Command) -> Command:
    """The command with the text of such files in the place of their names, if any graph of it may hold `adcvsr`."""
    texts = {option: _text(option) for option in command.options() if option.name in _READ}
    literal = [option.value for option in command.options() if option.name in _GRAPHS]
    if not any(filtergraph.mentions(text) for text in (*literal, *texts.values())):
        return command

    def changed(option: Option) -> Option:
        text = texts.get(option)
        if text is None:
            return option
        word = _READ[option.name]
        return Option(f"{word}:{option.specifier}" if option.specifier else word, text)

    def with_texts(file: File) -> File:
        return replace(file, options=tuple(map(changed, file.options)))

    return Command(tuple(map(with_texts, command.files)), tuple(map(changed, command.rest)))


def _text(option: Option) -> str | None:
    """The graph in a file; None where FFmpeg has to say what is wrong. Raises MediaError."""
    path = urls.path(option.value or "") or Path()
    if not path.exists() or path.is_dir():
        return None
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise MediaError(f"the filter graph in {path} cannot be read: {error.strerror}") from error

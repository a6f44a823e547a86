"""Filter graphs stored in files: `-/filter:v FILE`, `-filter_script:v FILE` and the like."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ffmpeg_filter.command import filtergraph, urls
from ffmpeg_filter.command.argv import Command, File, Option
from vsadcvsr.errors import MediaError

_INLINE_OPTIONS = {
    "filter_complex_script": "-filter_complex", "/filter_complex": "-filter_complex", "/lavfi": "-filter_complex",
    "filter_script": "-filter", "/filter": "-filter", "/vf": "-filter:v", "/af": "-filter:a",
}  # fmt: skip
_GRAPH_OPTIONS = {"filter", "filter_complex"}


def inline_scripts(command: Command) -> Command:
    """The command with such files replaced by their text, if any graph may contain `adcvsr`."""
    texts = {option: _text(option) for option in command.options() if option.name in _INLINE_OPTIONS}
    inline_graphs = [option.value for option in command.options() if option.name in _GRAPH_OPTIONS]
    if not any(filtergraph.mentions(text) for text in (*inline_graphs, *texts.values())):
        return command

    def changed(option: Option) -> Option:
        text = texts.get(option)
        if text is None:
            return option
        token = _INLINE_OPTIONS[option.name]
        return Option(f"{token}:{option.specifier}" if option.specifier else token, text)

    def with_texts(file: File) -> File:
        return replace(file, options=tuple(map(changed, file.options)))

    return Command(tuple(map(with_texts, command.files)), tuple(map(changed, command.trailing)))


def _text(option: Option) -> str | None:
    """The text of a graph file; None if FFmpeg should report the problem. Raises MediaError."""
    path = urls.path(option.value or "") or Path()
    if not path.exists() or path.is_dir():
        return None
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise MediaError(f"the filter graph in {path} cannot be read: {error.strerror}") from error

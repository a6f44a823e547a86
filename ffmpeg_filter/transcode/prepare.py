"""A command parsed, probed and split, before anything is run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ffmpeg_filter.command import filter_scripts
from ffmpeg_filter.command.argv import Command, File, Option, parse
from ffmpeg_filter.media.binary import Binary, find
from ffmpeg_filter.media.probe import Input, probe
from ffmpeg_filter.transcode.split import Plan, plan
from vsadcvsr.errors import UsageError


class Ordered(NamedTuple):
    """A command that was parsed and planned for one machine."""

    command: Command
    inputs: Sequence[Input]
    plan: Plan
    binary: Binary


def ordered(words: list[str]) -> Ordered:
    """A farm's command, as it would be run here. Raises UsageError for one without adcvsr."""
    command = filter_scripts.read_in(parse(words))
    inputs = [probe(file) for file in command.inputs]
    binary = find()
    made = plan(command, inputs, version=binary.version, alone=True)
    if made is None:
        raise UsageError.of("command", "without adcvsr", "with -vf adcvsr or in -filter_complex")
    if command.has("adcvsr_metadata"):
        command = with_note(command, made)
    made = plan(command, inputs, version=binary.version, alone=True)
    assert made is not None, "a note takes no filter away"
    return Ordered(command, inputs, made, binary)


def with_note(command: Command, made: Plan) -> Command:
    """The command with a metadata line in the output: in MP4 the comment, for it keeps no names of one's own."""
    name = "comment" if made.output.url.rpartition(".")[2] in {"mp4", "m4v", "mov"} else "ADCVSR"
    note = Option("-metadata", f"{name}=adcvsr {made.options.described()}")
    files = tuple(_noted(file, note) if file is made.output else file for file in command.files)
    return Command(files, command.rest)


def _noted(file: File, note: Option) -> File:
    return File((*file.options, note), file.url, file.is_input)

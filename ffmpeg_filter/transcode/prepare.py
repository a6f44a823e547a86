"""Preparation of a command: parsed, probed and split, with nothing run yet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ffmpeg_filter.command import filter_scripts
from ffmpeg_filter.command.argv import Command, File, Option, parse
from ffmpeg_filter.media.binary import Binary, find_binary
from ffmpeg_filter.media.probe import InputInfo, probe
from ffmpeg_filter.transcode.split import SplitCommand, split_command
from vsadcvsr.errors import UsageError


class PreparedCommand(NamedTuple):
    """A command that is ready to run."""

    command: Command
    inputs: Sequence[InputInfo]
    split: SplitCommand
    binary: Binary


def prepare_command(args: list[str]) -> PreparedCommand:
    """Prepares a farm's command as it would run here. Raises UsageError if it lacks adcvsr."""
    command = filter_scripts.inline_scripts(parse(args))
    inputs = [probe(file) for file in command.inputs]
    binary = find_binary()
    split = split_command(command, inputs, version=binary.version, alone=True)
    if split is None:
        raise UsageError("the command has no adcvsr; add it to -vf or -filter_complex")
    if command.has("adcvsr_metadata"):
        command = with_metadata_note(command, split)
        split = split_command(command, inputs, version=binary.version, alone=True)
        assert split is not None, "a note takes no filter away"
    return PreparedCommand(command, inputs, split, binary)


def with_metadata_note(command: Command, split: SplitCommand) -> Command:
    """The command with model and options noted in the output's metadata: in MP4 as comment, since it stores no custom
    names.
    """
    name = "comment" if split.output.url.rpartition(".")[2] in {"mp4", "m4v", "mov"} else "ADCVSR"
    note = Option("-metadata", f"{name}=adcvsr {split.filter_options.summary()}")
    files = tuple(_with_option(file, note) if file is split.output else file for file in command.files)
    return Command(files, command.trailing)


def _with_option(file: File, note: Option) -> File:
    return File((*file.options, note), file.url, file.is_input)

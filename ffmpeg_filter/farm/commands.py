"""The two commands of a run, changed into those of a farm: begun elsewhere, for one chunk, or with finished pictures.

Pure: commands are lists of words, read and written by `argv`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from ffmpeg_filter.command import timestamps
from ffmpeg_filter.command.argv import Command, File, Option, parse
from ffmpeg_filter.farm.division import is_of_video, pins

_LIMITS = {"ss", "t", "to", "sseof", "itsoffset", "seek_timestamp", "accurate_seek", "noaccurate_seek"}
_OF_THE_PIPE = {"itsoffset", "seek_timestamp", "c", "f", "loglevel"}
_LISTS = {"x265-params"}
_PICTURES_ALONE = (Option("-map", "0:v:0"), Option("-map_metadata", "-1"), Option("-map_chapters", "-1"))
_REPEATABLE = (Option("-fflags", "+bitexact"), Option("-f", "matroska"), Option("-y"))
"""A file whose bytes are the same each time that it is made."""


def raw(words: Sequence[str]) -> list[str]:
    """The decoder's command for its first frame alone, whose time is the source's own."""
    command = parse(words)
    files = [file.without(lambda option: option.name == "itsoffset") for file in command.inputs]
    first = command.outputs[0]
    only = replace(first, options=(*first.options, Option("-frames:v", "1")))
    return _raw(Command((*files, only), command.rest))


def sought(words: Sequence[str], at: Fraction) -> list[str]:
    """The decoder's command from the last key frame before `at` (seconds, in the source's own time), in such times."""
    command = parse(words)
    opened = [file.without(lambda option: option.name in _LIMITS) for file in command.inputs]
    seek = (Option("-noaccurate_seek"), Option("-seek_timestamp", "1"), Option("-ss", timestamps.text(at)))
    files = [replace(file, options=(*file.options, *seek)) for file in opened]
    return _raw(Command((*files, command.outputs[0]), command.rest))


def _raw(command: Command) -> list[str]:
    return command.words() if command.has("copyts") else ["-copyts", *command.words()]


def of_chunk(words: Sequence[str], codec: str, path: str, tick: Fraction) -> list[str]:
    """The encoder's command for the pictures of one chunk, each of them at its own time, in ticks (seconds), with
    nothing beside them, into a file at `path`.
    """
    command = parse(words)
    pictures, output = command.inputs[0], command.outputs[0]
    kept = [option for option in output.options if is_of_video(option) and option.name != "c"]
    kept = _pinned(kept, pins(codec))
    clock = [Option("-fps_mode", "passthrough"), Option("-enc_time_base", f"{tick.numerator}/{tick.denominator}")]
    options = [*_PICTURES_ALONE, *clock, *kept, Option("-c:v", codec), *_REPEATABLE]
    quiet = (*pictures.without(lambda one: one.name == "loglevel").options, Option("-loglevel", _loglevel(command)))
    return Command((replace(pictures, options=quiet), File(tuple(options), path, is_input=False))).words()


def _pinned(options: Sequence[Option], pinned: Sequence[str]) -> list[Option]:
    """The options with those that pin an encoder, where the user says nothing of the same."""
    made = [*options]
    for pin in _options(pinned):
        same = [at for at, option in enumerate(made) if option.name == pin.name]
        if not same:
            made.append(pin)
        elif pin.name in _LISTS:
            at = same[-1]
            made[at] = replace(made[at], value=f"{pin.value}:{made[at].value}")
    return made


def _options(words: Sequence[str]) -> list[Option]:
    return list(parse([*words, "-"]).files[0].options)


def passes(words: Sequence[str], log: str) -> list[list[str]]:
    """The encoder's commands for as many passes as it takes: the command itself, but for `-pass 2`, which a first one
    goes before, with notes in the file `log` if the command names none.
    """
    command = parse(words)
    if not any(option.name == "pass" for option in command.options()):
        return [list(words)]
    return [Command(tuple(_in_pass(file, number, log) for file in command.files)).words() for number in ("1", "2")]


def _in_pass(file: File, number: str, log: str) -> File:
    if not file.has("pass"):
        return file
    options = [replace(one, value=number) if one.name == "pass" else one for one in file.options]
    noted = options if file.has("passlogfile") else [*options, Option("-passlogfile", log)]
    return replace(file, options=(*noted, Option("-y")))


def with_pictures(words: Sequence[str], path: str, begin: Fraction, aspect: Fraction | None) -> list[str]:
    """The encoder's command with finished pictures in the file at `path`, which are copied: their film begins at
    `begin` (seconds), and `aspect` is that of the display, if the file does not say.
    """
    command = parse(words)
    pictures, output = command.inputs[0], command.outputs[0]
    opening = [one for one in pictures.options if one.name not in _OF_THE_PIPE]
    opening += [Option("-loglevel", _loglevel(command))]
    shift = [Option("-itsoffset", timestamps.text(begin))] if begin and not command.has("copyts") else []
    opened = File((*opening, *shift), path, is_input=True)
    made = [one for one in output.options if not is_of_video(one)]
    shape = [Option("-aspect:v:0", f"{aspect.numerator}:{aspect.denominator}")] if aspect else []
    written = replace(output, options=(*made, *shape, Option("-c:v:0", "copy")))
    changed = {id(pictures): opened, id(output): written}
    return Command(tuple(changed.get(id(file), file) for file in command.files), command.rest).words()


def _loglevel(command: Command) -> str:
    return command.value("loglevel") or "warning"

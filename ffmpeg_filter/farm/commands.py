"""Variants of the decode and encode commands for farms: seeking, one chunk, two passes, muxing of finished video.

Pure: commands are argument lists, parsed and printed by `argv`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from ffmpeg_filter.command import time_syntax
from ffmpeg_filter.command.argv import Command, File, Option, parse
from ffmpeg_filter.farm.chunk_encoding import is_video_option, pinned_options
from ffmpeg_filter.transcode.parameter_lists import PARAMETER_LISTS

_INPUT_LIMITS = {"ss", "t", "to", "sseof", "itsoffset", "seek_timestamp", "accurate_seek", "noaccurate_seek"}
_PIPE_OPTIONS = {"itsoffset", "seek_timestamp", "c", "f", "loglevel"}
_ONLY_VIDEO = (Option("-map", "0:v:0"), Option("-map_metadata", "-1"), Option("-map_chapters", "-1"))
_REPEATABLE = (Option("-fflags", "+bitexact"), Option("-f", "matroska"), Option("-y"))
"""Output options that make the file's bytes reproducible."""


def first_frame_command(args: Sequence[str]) -> list[str]:
    """The decode command for the first frame only, with the source's own timestamps."""
    command = parse(args)
    files = [file.without(lambda option: option.name == "itsoffset") for file in command.inputs]
    first = command.outputs[0]
    only = replace(first, options=(*first.options, Option("-frames:v", "1")))
    return _with_copyts(Command((*files, only), command.trailing))


def seeking_command(args: Sequence[str], at: Fraction) -> list[str]:
    """The decode command from the last key frame before `at` (seconds, source timestamps), with source timestamps."""
    command = parse(args)
    opened = [file.without(lambda option: option.name in _INPUT_LIMITS) for file in command.inputs]
    seek = (Option("-noaccurate_seek"), Option("-seek_timestamp", "1"), Option("-ss", time_syntax.format_seconds(at)))
    files = [replace(file, options=(*file.options, *seek)) for file in opened]
    return _with_copyts(Command((*files, command.outputs[0]), command.trailing))


def _with_copyts(command: Command) -> list[str]:
    return command.args() if command.has("copyts") else ["-copyts", *command.args()]


def chunk_command(args: Sequence[str], codec: str, path: str, time_base: Fraction) -> list[str]:
    """The encode command for the video of one chunk into the file at `path`, without other streams.

    Timestamps pass unchanged in ticks of `time_base` seconds.
    """
    command = parse(args)
    source, output = command.inputs[0], command.outputs[0]
    video_options = [option for option in output.options if is_video_option(option) and option.name != "c"]
    video_options = _with_pinned(video_options, pinned_options(codec))
    timing = [
        Option("-fps_mode", "passthrough"),
        Option("-enc_time_base", f"{time_base.numerator}/{time_base.denominator}"),
    ]
    options = [*_ONLY_VIDEO, *timing, *video_options, Option("-c:v", codec), *_REPEATABLE]
    reading_options = (
        *source.without(lambda option: option.name == "loglevel").options,
        Option("-loglevel", _loglevel(command)),
    )
    return Command((replace(source, options=reading_options), File(tuple(options), path, is_input=False))).args()


def _with_pinned(options: Sequence[Option], pinned: Sequence[str]) -> list[Option]:
    """The options plus those that pin an encoder's thread count, unless the user sets them."""
    result = [*options]
    for pin in _options(pinned):
        same = [at for at, option in enumerate(result) if option.name == pin.name]
        if not same:
            result.append(pin)
        elif pin.name in PARAMETER_LISTS:
            at = same[-1]
            result[at] = replace(result[at], value=f"{pin.value}:{result[at].value}")
    return result


def _options(args: Sequence[str]) -> list[Option]:
    return list(parse([*args, "-"]).files[0].options)


def encoder_passes(args: Sequence[str], log: str) -> list[list[str]]:
    """The encode commands of all passes: two for `-pass 2`, else the command itself.

    Pass logs are written to `log` unless the command names a file.
    """
    command = parse(args)
    if not any(option.name == "pass" for option in command.options()):
        return [list(args)]
    return [Command(tuple(_with_pass(file, number, log) for file in command.files)).args() for number in ("1", "2")]


def _with_pass(file: File, number: str, log: str) -> File:
    if not file.has("pass"):
        return file
    options = [replace(option, value=number) if option.name == "pass" else option for option in file.options]
    logged = options if file.has("passlogfile") else [*options, Option("-passlogfile", log)]
    return replace(file, options=(*logged, Option("-y")))


def muxing_command(
    args: Sequence[str], path: str, begin: Fraction, aspect: Fraction | None, *, has_final_times: bool = False
) -> list[str]:
    """The encode command with already encoded video from the file at `path`, copied.

    The video starts at `begin` seconds, in the file at zero unless it `has_final_times`; `aspect` is the display aspect
    ratio if the file lacks it.
    """
    command = parse(args)
    source, output = command.inputs[0], command.outputs[0]
    input_options = [option for option in source.options if option.name not in _PIPE_OPTIONS]
    input_options += [Option("-loglevel", _loglevel(command))]
    is_moved_to_zero = not command.has("copyts") or command.has("start_at_zero")  # by FFmpeg, when it opens the file
    is_late = begin and (is_moved_to_zero or not has_final_times)
    shift = [Option("-itsoffset", time_syntax.format_seconds(begin))] if is_late else []
    opened = File((*input_options, *shift), path, is_input=True)
    kept_options = [option for option in output.options if not is_video_option(option)]
    aspect_options = [Option("-aspect:v:0", f"{aspect.numerator}:{aspect.denominator}")] if aspect else []
    written = replace(output, options=(*kept_options, *aspect_options, Option("-c:v:0", "copy")))
    replacements = {id(source): opened, id(output): written}
    return Command(tuple(replacements.get(id(file), file) for file in command.files), command.trailing).args()


def _loglevel(command: Command) -> str:
    return command.value("loglevel") or "warning"

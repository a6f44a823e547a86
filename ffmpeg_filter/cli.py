"""Command line of `ffadcvsr`: an FFmpeg command with `adcvsr` in, FFmpeg's exit status out."""

from __future__ import annotations

import logging
import os
import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

from ffmpeg_filter.command import filter_options, filter_scripts, loglevel, output_files
from ffmpeg_filter.command.argv import ADCVSR_OPTIONS, HELP_OPTIONS, Command, parse
from ffmpeg_filter.command.filtergraph import mentions
from ffmpeg_filter.farm import options
from ffmpeg_filter.media.binary import Binary, find_binary
from ffmpeg_filter.media.probe import probe
from ffmpeg_filter.media.process import INTERRUPTED, ProgramError, exec_program
from ffmpeg_filter.media.relay import InputRelays
from ffmpeg_filter.transcode.encode_command import StartInfo
from ffmpeg_filter.transcode.prepare import with_metadata_note
from ffmpeg_filter.transcode.progress import print_line, reader_may_leave
from ffmpeg_filter.transcode.run import transcode
from ffmpeg_filter.transcode.split import SplitCommand, mentions_adcvsr, split_command
from vsadcvsr.errors import AdcvsrError, UsageError, one_line
from vsadcvsr.plugin import output_shape

USAGE = """usage: ffadcvsr <an ffmpeg command line with adcvsr[=key=value:...] in -vf or -filter_complex>
       ffadcvsr y4m [key=value:...]          YUV4MPEG2 from standard input to standard output
       ffadcvsr farm plan|work|merge|…       one command, many machines; see ffadcvsr farm -h
       ffadcvsr -h filter=adcvsr             the filter's options

Further options: -adcvsr_dry_run        print the commands instead of running them
                 -adcvsr_on_corrupt P   warn (default) or fail if the source is damaged
                 -adcvsr_metadata       store model and options in the output's metadata
"""
_Y4M_USAGE = """usage: ffadcvsr y4m [key=value:...]       YUV4MPEG2 from standard input to standard output

The options are those of the filter, but enable:
"""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_FAILURE = 1


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command in `argv` (default: the program's arguments) and returns its exit status."""
    args = list(sys.argv[1:] if argv is None else argv)
    logging.basicConfig(level=logging.WARNING, format="ffadcvsr: %(message)s", stream=sys.stderr)
    try:
        with _resizes_shown(is_on=_loglevel(args) >= loglevel.VERBOSE):
            return _run(args)
    except KeyboardInterrupt:
        return INTERRUPTED
    except (AdcvsrError, OSError) as error:
        if _loglevel(args) >= loglevel.FATAL:
            print_line(f"ffadcvsr: {one_line(error)}")
        return _status(error)


@contextmanager
def _resizes_shown(*, is_on: bool) -> Iterator[None]:
    """Shows that a resize follows the network, at the level at which FFmpeg shows the scalers that it inserts."""
    logger = logging.getLogger(output_shape.__name__)
    before = logger.level
    logger.setLevel(logging.INFO if is_on else before)
    try:
        yield
    finally:
        logger.setLevel(before)


def _status(error: Exception) -> int:
    """The exit status of an error: FFmpeg's own, if it has one."""
    if isinstance(error, output_files.OutputError):
        return error.status(find_binary().version)
    return error.status if isinstance(error, ProgramError) else _FAILURE


def _loglevel(args: Sequence[str]) -> int:
    try:
        return loglevel.level_of(args)
    except UsageError:
        return loglevel.INFO


def _run(args: list[str]) -> int:
    if not args:
        print_line(USAGE)
        return _FAILURE
    if args[0] in {"y4m", "farm"}:
        return (_run_y4m if args[0] == "y4m" else _run_farm)(args[1:])
    question = [arg for arg in args if arg != "-hide_banner"]
    if question[:1] and question[0] in HELP_OPTIONS and question[1:] in ([], ["filter=adcvsr"]):
        with reader_may_leave():
            print(filter_options.help_text() if question[1:] else f"{USAGE}{options.HELP}")
        return 0
    command = filter_scripts.inline_scripts(parse(args))
    options.check_option_names(command)
    is_farmed = command.has("farm") and not command.has("adcvsr_dry_run")
    return (_run_on_farm if is_farmed else _run_local)(command)


def _run_local(command: Command) -> int:
    binary = find_binary()
    if not mentions_adcvsr(command):
        return _exec_ffmpeg(binary, command)
    with closing(InputRelays(command, binary)) as relays:
        try:
            return _run_with_relays(binary, relays)
        except AdcvsrError as error:
            relays.check()
            error.args = (relays.with_original_names(str(error)),)
            raise


def _run_with_relays(binary: Binary, relays: InputRelays) -> int:
    command = relays.command
    inputs = [probe(file, relays.probing(number)) for number, file in enumerate(command.inputs)]
    relays.check()
    split = split_command(command, inputs, version=binary.version)
    if split is None:
        relays.refuse_all()
        return _exec_ffmpeg(binary, command)
    split_with_note = split
    if command.has("adcvsr_metadata"):
        split_with_note = split_command(with_metadata_note(command, split), inputs, version=binary.version) or split
    if command.has("adcvsr_dry_run"):
        _print_commands(binary, split_with_note, relays)
        return 0
    return transcode(binary, command, split_with_note, inputs, relays)


def _run_farm(args: Sequence[str]) -> int:
    from ffmpeg_filter.farm.cli import main as farm

    return farm(args)


def _run_on_farm(command: Command) -> int:
    from ffmpeg_filter.farm import exit_status, run

    quiet = loglevel.level_of(command.args()) < loglevel.FATAL
    return exit_status.run_guarded(lambda: run.run(command), quiet=quiet)


def _run_y4m(args: Sequence[str]) -> int:
    from ffmpeg_filter.upscale import y4m

    if args and args[0] in HELP_OPTIONS:
        with reader_may_leave():
            print(f"{_Y4M_USAGE}{filter_options.help_text()}")
        return 0
    if len(args) > 1:
        raise UsageError(f"y4m takes one argument, such as model=fast:scale=2; {len(args)} are given")
    parsed_options = filter_options.parse(args[0] if args else "")
    if parsed_options.enable is not None:
        raise UsageError("y4m has no timeline for enable=…; use -vf adcvsr in an FFmpeg command")
    y4m.run(*y4m.standard_streams(), sized=parsed_options.upscale_arguments)
    return 0


def _exec_ffmpeg(binary: Binary, command: Command) -> int:
    """Runs FFmpeg itself, for a command without adcvsr."""
    adcvsr_options = [option.token for option in command.options() if option.name in ADCVSR_OPTIONS]
    if adcvsr_options:
        raise UsageError(f"{adcvsr_options[0]} needs adcvsr in the command; add it to -vf or -filter_complex")
    if graph := next((file.url for file in command.inputs if file.last("f") == "lavfi" and mentions(file.url)), None):
        raise UsageError(f"adcvsr is in the input {graph!r}, allowed: -vf and -filter_complex; move it there")
    return exec_program([binary.path, *command.args()])


def _print_commands(binary: Binary, split: SplitCommand, relays: InputRelays) -> None:
    encoder_args = [relays.with_original_names(arg) for arg in split.encoder_args(StartInfo())]
    companion = [*split.companion_track.output_args, "pipe:3"] if split.companion_track else []
    decoder = [
        relays.with_original_names(arg).replace(f"{split.format_filter},", "")
        for arg in [*split.decoder_args, *companion]
    ]
    with reader_may_leave():
        print(_shell_quoted([binary.path, *decoder]))
        print(f"# adcvsr {ascii(split.filter_options.summary())[1:-1]}")
        print(_shell_quoted([binary.path, *encoder_args]))


def _shell_quoted(args: Sequence[str]) -> str:
    """A command for bash, ksh and zsh, also with arguments that are not text or contain control characters."""
    return " ".join(shlex.quote(arg) if _is_printable(arg) else f"$'{_ansi_c_quoted(arg)}'" for arg in args)


def _is_printable(arg: str) -> bool:
    try:
        arg.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return not _CONTROL.search(arg)


def _ansi_c_quoted(arg: str) -> str:
    return "".join(
        f"\\x{byte:02x}" if byte < 0x20 or byte > 0x7E else f"\\{byte:c}" if byte in b"\\'" else f"{byte:c}"
        for byte in os.fsencode(arg)
    )

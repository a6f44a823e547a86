"""`ffadcvsr`: an ffmpeg command line in, FFmpeg's exit status out."""

from __future__ import annotations

import logging
import os
import re
import shlex
import sys
from collections.abc import Sequence
from contextlib import closing

from ffmpeg_filter.command import filter_options, filter_scripts, loglevel, output_files
from ffmpeg_filter.command.argv import OURS, Command, parse
from ffmpeg_filter.farm import options
from ffmpeg_filter.media.binary import Binary, find
from ffmpeg_filter.media.probe import probe
from ffmpeg_filter.media.process import ProgramError, become
from ffmpeg_filter.media.relay import Relays
from ffmpeg_filter.transcode.encode_command import Start
from ffmpeg_filter.transcode.pipeline import INTERRUPTED
from ffmpeg_filter.transcode.prepare import with_note
from ffmpeg_filter.transcode.progress import say
from ffmpeg_filter.transcode.run import transcode
from ffmpeg_filter.transcode.split import Plan, mentions_us, plan
from vsadcvsr.errors import AdcvsrError, UsageError, one_line

USAGE = """usage: ffadcvsr <an ffmpeg command line with adcvsr[=key=value:...] in -vf or -filter_complex>
       ffadcvsr y4m [adcvsr's options]       YUV4MPEG2 from standard input to standard output
       ffadcvsr farm plan|work|merge|…       one command, many machines; see ffadcvsr farm -h
       ffadcvsr -h filter=adcvsr             the filter's options

Options beside FFmpeg's: -adcvsr_dry_run        print the commands that would be run
                         -adcvsr_on_corrupt P   warn (default) or fail, if the source is damaged
                         -adcvsr_metadata       note model and settings in the output's metadata
"""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_FAILED = 1


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command of `argv` (the program's own by default); the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    logging.basicConfig(level=logging.WARNING, format="ffadcvsr: %(message)s", stream=sys.stderr)
    try:
        return _run(words)
    except KeyboardInterrupt:
        return INTERRUPTED
    except (AdcvsrError, OSError) as error:
        if _loglevel(words) >= loglevel.FATAL:
            say(f"ffadcvsr: {one_line(error)}")
        return _status(error)


def _status(error: Exception) -> int:
    """FFmpeg's exit status for what went wrong, where it has one of its own."""
    if isinstance(error, output_files.OutputError):
        return error.status(find().version)
    return error.status if isinstance(error, ProgramError) else _FAILED


def _loglevel(words: Sequence[str]) -> int:
    try:
        return loglevel.of(words)
    except UsageError:
        return loglevel.INFO


def _run(words: list[str]) -> int:
    if not words:
        say(USAGE)
        return _FAILED
    if words[0] in {"y4m", "farm"}:
        return (_y4m if words[0] == "y4m" else _farm)(words[1:])
    if words[0] in {"-h", "-help", "--help", "-?"} and words[1:] in ([], ["filter=adcvsr"]):
        print(filter_options.help_text() if words[1:] else f"{USAGE}{options.HELP}")
        return 0
    command = filter_scripts.read_in(parse(words))
    options.check_names(command)
    is_farmed = command.has("farm") and not command.has("adcvsr_dry_run")
    return (_on_a_farm if is_farmed else _here)(command)


def _here(command: Command) -> int:
    binary = find()
    if not mentions_us(command):
        return _plain(binary, command)
    with closing(Relays(command, binary)) as relays:
        try:
            return _with_relays(binary, relays)
        except AdcvsrError as error:
            relays.check()
            error.args = (relays.original(str(error)),)
            raise


def _with_relays(binary: Binary, relays: Relays) -> int:
    command = relays.command
    inputs = [probe(file, relays.probing(number)) for number, file in enumerate(command.inputs)]
    relays.check()
    made = plan(command, inputs, version=binary.version)
    if made is None:
        relays.refuse()
        return _plain(binary, command)
    noted = made
    if command.has("adcvsr_metadata"):
        noted = plan(with_note(command, made), inputs, version=binary.version) or made
    if command.has("adcvsr_dry_run"):
        _show(binary, noted, relays)
        return 0
    return transcode(binary, command, noted, inputs, relays)


def _farm(words: Sequence[str]) -> int:
    from ffmpeg_filter.farm.cli import main as farm

    return farm(words)


def _on_a_farm(command: Command) -> int:
    from ffmpeg_filter.farm import exit_status, run

    quiet = loglevel.of(command.words()) < loglevel.FATAL
    return exit_status.guarded(lambda: run.run(command), quiet=quiet)


def _y4m(words: Sequence[str]) -> int:
    from ffmpeg_filter.upscale import y4m

    if len(words) > 1:
        raise UsageError.of("y4m", " ".join(words), "one argument, such as model=fast:scale=2")
    chosen = filter_options.parse(words[0] if words else "")
    if chosen.enable is not None:
        raise UsageError.of("y4m", f"enable={chosen.enable}", "options that hold for all frames", "use -vf adcvsr")
    y4m.run(*y4m.standard_streams(), sized=chosen.upscaling)
    return 0


def _plain(binary: Binary, command: Command) -> int:
    """FFmpeg itself, for a command that does not need us."""
    ours = [option.word for option in command.options() if option.name in OURS]
    if ours:
        raise UsageError.of(ours[0], "without adcvsr in the command", "with -vf adcvsr or in -filter_complex")
    return become([binary.path, *command.words()])


def _show(binary: Binary, made: Plan, relays: Relays) -> None:
    encoder = [relays.original(word) for word in made.encoder(Start())]
    companion = [*made.companion.words, "pipe:3"] if made.companion else []
    decoder = [relays.original(word).replace(f"{made.formats},", "") for word in [*made.decoder, *companion]]
    print(_in_shell([binary.path, *decoder]))
    print(f"# adcvsr {ascii(made.options.described())[1:-1]}")
    print(_in_shell([binary.path, *encoder]))


def _in_shell(words: Sequence[str]) -> str:
    """A command as bash, ksh and zsh read it, names that are no text or hold control characters included."""
    return " ".join(shlex.quote(word) if _is_printable(word) else f"$'{_escaped(word)}'" for word in words)


def _is_printable(word: str) -> bool:
    try:
        word.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return not _CONTROL.search(word)


def _escaped(word: str) -> str:
    return "".join(
        f"\\x{byte:02x}" if byte < 0x20 or byte > 0x7E else f"\\{byte:c}" if byte in b"\\'" else f"{byte:c}"
        for byte in os.fsencode(word)
    )

"""`ffadcvsr`: an ffmpeg command line in, FFmpeg's exit status out."""

from __future__ import annotations

import logging
import os
import re
import shlex
import sys
from collections.abc import Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path

from ffmpeg_filter import farm_orders, filtergraph, graph_files, loglevel, options, outputs, program, totals, verify
from ffmpeg_filter.argv import OURS, Command, File, Option, parse
from ffmpeg_filter.binary import Binary, find
from ffmpeg_filter.children import become
from ffmpeg_filter.encoder import ProgramError
from ffmpeg_filter.facts import Input, probe
from ffmpeg_filter.farm_recipe import Ordered
from ffmpeg_filter.pipeline import INTERRUPTED, Job, Outcome, Transcode
from ffmpeg_filter.plan import Plan, Start, mentions_us, plan
from ffmpeg_filter.progress import Reporter, reporter, say
from ffmpeg_filter.read_once import Relays
from ffmpeg_filter.shown import LOST_KEYS
from vsadcvsr.errors import AdcvsrError, MediaError, UsageError, one_line

USAGE = """usage: ffadcvsr <an ffmpeg command line with adcvsr[=key=value:...] in -vf or -filter_complex>
       ffadcvsr y4m [adcvsr's options]       YUV4MPEG2 from standard input to standard output
       ffadcvsr farm plan|work|merge|…       one command, many machines; see ffadcvsr farm -h
       ffadcvsr -h filter=adcvsr             the filter's options

Options beside FFmpeg's: -adcvsr_dry_run        print the commands that would be run
                         -adcvsr_on_corrupt P   warn (default) or fail, if the source is damaged
                         -adcvsr_metadata       note model and settings in the output's metadata
"""
run = program.run
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_FAILED = 1
_INVALID = 183
"""FFmpeg's status for a file that holds nothing it knows."""


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
    if isinstance(error, outputs.OutputError):
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
        print(options.help_text() if words[1:] else f"{USAGE}{farm_orders.HELP}")
        return 0
    command = graph_files.read_in(parse(words))
    farm_orders.check_names(command)
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
        noted = plan(_with_note(command, made), inputs, version=binary.version) or made
    if command.has("adcvsr_dry_run"):
        _show(binary, noted, relays)
        return 0
    return _transcode(binary, command, noted, inputs, relays)


def _farm(words: Sequence[str]) -> int:
    from ffmpeg_filter import farm

    return farm.main(words, ordered)


def _on_a_farm(command: Command) -> int:
    from ffmpeg_filter import farm, farm_run

    quiet = loglevel.of(command.words()) < loglevel.FATAL
    return farm.guarded(lambda: farm_run.run(command, ordered), quiet=quiet)


def ordered(words: list[str]) -> Ordered:
    """A farm's command, as it would be run here. Raises UsageError for one without adcvsr."""
    command = graph_files.read_in(parse(words))
    inputs = [probe(file) for file in command.inputs]
    binary = find()
    made = plan(command, inputs, version=binary.version, alone=True)
    if made is None:
        raise UsageError.of("command", "without adcvsr", "with -vf adcvsr or in -filter_complex")
    if command.has("adcvsr_metadata"):
        command = _with_note(command, made)
    made = plan(command, inputs, version=binary.version, alone=True)
    assert made is not None, "a note takes no filter away"
    return Ordered(command, inputs, made, binary)


def _y4m(words: Sequence[str]) -> int:
    from ffmpeg_filter import y4m

    if len(words) > 1:
        raise UsageError.of("y4m", " ".join(words), "one argument, such as model=fast:scale=2")
    chosen = options.parse(words[0] if words else "")
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


def _with_note(command: Command, made: Plan) -> Command:
    """The command with a metadata line in the output: in MP4 the comment, for it keeps no names of one's own."""
    name = "comment" if made.output.url.rpartition(".")[2] in {"mp4", "m4v", "mov"} else "ADCVSR"
    note = Option("-metadata", f"{name}=adcvsr {made.options.described()}")
    files = tuple(_noted(file, note) if file is made.output else file for file in command.files)
    return Command(files, command.rest)


def _noted(file: File, note: Option) -> File:
    return File((*file.options, note), file.url, file.is_input)


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


def _transcode(binary: Binary, command: Command, made: Plan, inputs: Sequence[Input], relays: Relays) -> int:
    level = loglevel.of(command.words())
    policy = command.value("adcvsr_on_corrupt") or "warn"
    if policy not in {"warn", "fail"}:
        raise UsageError.of("-adcvsr_on_corrupt", policy, "warn, fail")
    _check_inputs(command)
    outputs.check(command, overwrite=command.has("y"), also_read=relays.listed())
    source = inputs[made.source]
    total = totals.frames(command.inputs[made.source], made.output, source, _filters(made.decoder))
    job = Job(
        binary=binary,
        decoder=made.decoder,
        encoder=lambda start: outputs.overwriting(made.encoder(start)),
        options=made.options.upscaling,
        active=made.options.active(),
        codec=made.codec,
        rotates=made.rotates,
        companion=made.companion,
        info=made.info,
        strict=policy == "fail",
        reads_stdin=made.reads_stdin,
        has_keys=not command.has("nostdin") and not relays.use_stdin,
        loglevel=level,
        relays=relays,
    )
    quiet = command.has("nostats") or command.has("stats") or level < loglevel.INFO
    with outputs.claimed(command), reporter(total, wanted=False if quiet else None) as live:
        if made.loses_keys and level >= loglevel.WARNING:
            live.say(f"warning: {LOST_KEYS}")
        try:
            outcome = Transcode(job, live).run()
            relays.check()
        except BaseException:
            outputs.discard(command)
            raise
        if outcome.damage and level >= loglevel.WARNING:
            live.say(f"warning: {outcome.damage}")
        _publish(command, made, outcome, live)
    return outcome.status


def _publish(command: Command, made: Plan, outcome: Outcome, live: Reporter) -> None:
    """Gives outputs their final names if they are whole. Raises MediaError where a check fails."""
    parts = outputs.begun(command)
    left = f"what there is of it is left in {', '.join(parts)}"
    if outcome.interrupted or outcome.status:
        if parts:
            live.say(f"the output is not finished; {left}")
        return
    if made.part is not None:
        for fault in verify.findings(made, outcome, Path(made.part)):
            raise MediaError(f"{fault}; {left}")
    for file in command.outputs:
        outputs.publish(file)


def _check_inputs(command: Command) -> None:
    """FFmpeg has no plain word for a file without a byte."""
    for file in command.inputs:
        path = file.path
        if path.is_file() and not path.stat().st_size:
            raise ProgramError(f"{path} is empty", _INVALID)


def _filters(decoder: Sequence[str]) -> list[str]:
    """The names of the filters in the decoder's graph."""
    graphs = [value for option, value in pairwise(decoder) if option in {"-filter:v", "-filter_complex"}]
    return [node.name for graph in graphs for _, _, node in filtergraph.parse(graph).nodes()]

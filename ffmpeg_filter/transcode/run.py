"""A transcode from its checks to the final names of its outputs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from ffmpeg_filter.command import filtergraph, loglevel, output_files
from ffmpeg_filter.command.argv import Command
from ffmpeg_filter.media.binary import Binary
from ffmpeg_filter.media.probe import Input
from ffmpeg_filter.media.process import ProgramError
from ffmpeg_filter.media.relay import Relays
from ffmpeg_filter.media.showinfo import LOST_KEYS
from ffmpeg_filter.transcode import frame_count, verify
from ffmpeg_filter.transcode.pipeline import Job, Outcome, Transcode
from ffmpeg_filter.transcode.progress import Reporter, reporter
from ffmpeg_filter.transcode.split import Plan
from vsadcvsr.errors import MediaError, UsageError

_INVALID = 183
"""FFmpeg's status for a file that holds nothing it knows."""


def transcode(binary: Binary, command: Command, made: Plan, inputs: Sequence[Input], relays: Relays) -> int:
    level = loglevel.of(command.words())
    policy = command.value("adcvsr_on_corrupt") or "warn"
    if policy not in {"warn", "fail"}:
        raise UsageError.of("-adcvsr_on_corrupt", policy, "warn, fail")
    _check_inputs(command)
    output_files.check(command, overwrite=command.has("y"), also_read=relays.listed())
    source = inputs[made.source]
    total = frame_count.frames(command.inputs[made.source], made.output, source, _filters(made.decoder))
    job = Job(
        binary=binary,
        decoder=made.decoder,
        encoder=lambda start: output_files.overwriting(made.encoder(start)),
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
    with output_files.claimed(command), reporter(total, wanted=False if quiet else None) as live:
        if made.loses_keys and level >= loglevel.WARNING:
            live.say(f"warning: {LOST_KEYS}")
        try:
            outcome = Transcode(job, live).run()
            relays.check()
        except BaseException:
            output_files.discard(command)
            raise
        if outcome.damage and level >= loglevel.WARNING:
            live.say(f"warning: {outcome.damage}")
        _publish(command, made, outcome, live)
    return outcome.status


def _publish(command: Command, made: Plan, outcome: Outcome, live: Reporter) -> None:
    """Gives outputs their final names if they are whole. Raises MediaError where a check fails."""
    parts = output_files.begun(command)
    left = f"what there is of it is left in {', '.join(parts)}"
    if outcome.interrupted or outcome.status:
        if parts:
            live.say(f"the output is not finished; {left}")
        return
    if made.part is not None:
        for fault in verify.findings(made, outcome, Path(made.part)):
            raise MediaError(f"{fault}; {left}")
    for file in command.outputs:
        output_files.publish(file)


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

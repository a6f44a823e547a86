"""A whole transcode: checks, the pipeline, verification, and final file names."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from ffmpeg_filter.command import filtergraph, loglevel, output_files
from ffmpeg_filter.command.argv import Command
from ffmpeg_filter.media.binary import Binary
from ffmpeg_filter.media.probe import InputInfo
from ffmpeg_filter.media.process import ProgramError
from ffmpeg_filter.media.relay import InputRelays
from ffmpeg_filter.transcode import frame_count, verify
from ffmpeg_filter.transcode.pipeline import Outcome, Transcode, TranscodeJob
from ffmpeg_filter.transcode.progress import Reporter, make_reporter
from ffmpeg_filter.transcode.split import SplitCommand
from vsadcvsr.errors import AdcvsrError, MediaError, UsageError

_INVALID_DATA = 183
"""FFmpeg's exit status for "Invalid data found"."""


def transcode(
    binary: Binary, command: Command, split: SplitCommand, inputs: Sequence[InputInfo], relays: InputRelays
) -> int:
    """Runs a split command and returns the exit status. Raises UsageError, MediaError, and what the engine raises."""
    level = loglevel.level_of(command.args())
    policy = command.value("adcvsr_on_corrupt") or "warn"
    if policy not in {"warn", "fail"}:
        raise UsageError.of("-adcvsr_on_corrupt", policy, "warn, fail")
    _check_inputs(command)
    output_files.check(command, overwrite=command.has("y"), also_read=relays.list_members())
    source = inputs[split.source]
    total = frame_count.expected_frames(
        command.inputs[split.source], split.output, source, _filter_names(split.decoder_args)
    )
    job = TranscodeJob(
        binary=binary,
        decoder_args=split.decoder_args,
        encoder_args=lambda start: output_files.with_overwrite(split.encoder_args(start)),
        upscale_options=split.filter_options.upscale_arguments,
        is_active=split.filter_options.activity(),
        codec=split.codec,
        rotates=split.rotates,
        companion_track=split.companion_track,
        stream_info=split.stream_info,
        fails_on_damage=policy == "fail",
        reads_stdin=split.reads_stdin,
        reads_keys=not command.has("nostdin") and not relays.uses_stdin,
        loglevel=level,
        relays=relays,
        warnings=split.warnings,
        frame_limit=_frame_limit(command, split),
        fills_gaps=split.fills_gaps,
    )
    quiet = command.has("nostats") or command.has("stats") or level < loglevel.INFO
    with output_files.claim_outputs(command), make_reporter(total, enabled=False if quiet else None) as reporter:
        try:
            outcome = Transcode(job, reporter).run()
            relays.check()
        except BaseException as error:
            output_files.discard(command)
            if isinstance(error, AdcvsrError):
                error.args = (output_files.with_final_names(command, str(error)),)
            raise
        if outcome.damage and level >= loglevel.WARNING:
            reporter.notify(f"warning: {outcome.damage}")
        _publish(command, split, outcome, reporter)
    return outcome.status


def _frame_limit(command: Command, split: SplitCommand) -> int | None:
    """The frames that are needed for `-frames:v`; None if the encoder has to say when it has enough."""
    is_simple = split.keeps_times and len(command.outputs) == 1 and not split.output.has("ss")
    return (frame_count.frame_limit(split.output) or None) if is_simple else None


def _publish(command: Command, split: SplitCommand, outcome: Outcome, reporter: Reporter) -> None:
    """Verifies the output and renames the files. Raises MediaError if verification fails."""
    parts = output_files.unfinished_files(command)
    remainder = f"its unfinished part is kept in {', '.join(parts)}"
    if outcome.was_interrupted or outcome.status:
        if parts:
            reporter.notify(f"the output is not finished; {remainder}")
        return
    if split.temporary_output is not None:
        for fault in verify.find_faults(split, outcome, Path(split.temporary_output)):
            raise MediaError(f"{fault}; {remainder}")
    for file in command.outputs:
        output_files.publish(file)


def _check_inputs(command: Command) -> None:
    """Raises ProgramError for an empty file, for which FFmpeg's message is unclear."""
    for file in command.inputs:
        name = str(file.path)  # of any length, where it is a graph of lavfi or data in a URL
        if os.path.isfile(name) and not os.path.getsize(name):  # noqa: PTH113, PTH202 - Path refuses long names
            raise ProgramError(f"{name} is empty", _INVALID_DATA)


def _filter_names(decoder: Sequence[str]) -> list[str]:
    """Names of the filters in the decode command."""
    graphs = [value for option, value in pairwise(decoder) if option in {"-filter:v", "-filter_complex"}]
    return [node.name for graph in graphs for _, _, node in filtergraph.parse(graph).nodes()]

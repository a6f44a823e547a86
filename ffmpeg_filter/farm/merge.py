"""Merge of a job's chunks into the output: concatenation of encoded chunks, or one encode of lossless chunks."""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.stream import Disposition

from ffmpeg_filter.command import containers, loglevel, output_files
from ffmpeg_filter.farm import commands, dts, frame_index, intermediate
from ffmpeg_filter.farm.job_context import JobContext
from ffmpeg_filter.media.nut import to_fraction
from ffmpeg_filter.media.process import ChildProcess, ProgramError
from ffmpeg_filter.transcode import verify
from ffmpeg_filter.transcode.encoder import Encoder
from ffmpeg_filter.transcode.pipeline import Outcome
from ffmpeg_filter.transcode.progress import Reporter
from vsadcvsr.errors import FarmError, MediaError
from vsadcvsr.farm.store.chunk_boundaries import Chunk
from vsadcvsr.farm.store.ledger import LedgerEntry

_MILLISECOND = Fraction(1, 1000)
_MATROSKA = {"matroska", "mkv"}
_EXPECTED_WARNINGS = re.compile(r"has not been used for any stream|Overriding aspect ratio with stream copy")
"""FFmpeg warnings that do not apply: unused encoder options, and an aspect ratio set on purpose."""
_LEFTOVER = re.compile(r"video\.[0-9a-f]{16}\.\w+|pass-[0-9a-f]{16}-[\w.-]+|trial-\w{8}|[\w.-]+\.[0-9a-f]{16}\.part")
"""Names of temporary files and folders in a job's folder, which a plan or merge that was killed has left."""


@dataclass(frozen=True)
class _EncodedChunk:
    """An encoded chunk file."""

    path: Path
    extradata: bytes
    """The codec's header."""
    begin: int
    """Number of its first frame in the video."""
    ranks: Sequence[int]
    """Presentation rank of each packet within the chunk."""


def merge(context: JobContext, lines: Sequence[LedgerEntry], reporter: Reporter) -> None:
    """Makes the output of the command from the chunks of `lines`, which must be complete.

    Raises FarmError if chunks do not fit together or the result is not as planned; the output then keeps its temporary
    name.
    """
    split = context.split
    _remove_leftovers(context.job.folder)
    paths = [context.job.chunk_folder / line.file for line in lines]
    try:
        (_join_chunks if context.spec.mode == "direct" else _encode_video)(context, paths, reporter)
    except BaseException:
        output_files.discard(context.command)
        raise
    if split.temporary_output is None:
        return
    index = context.index
    durations = [duration * index.time_base or None for duration in index.durations]
    outcome = Outcome(times=[*index.seconds], durations=durations, rate=context.stream_info.pipe_rate)
    for fault in verify.find_faults(split, outcome, Path(split.temporary_output)):
        raise FarmError(f"the merged output differs from the plan: {fault}")
    for file in context.command.outputs:
        output_files.publish(file)


def _remove_leftovers(folder: Path) -> None:
    for path in folder.iterdir():
        if _LEFTOVER.fullmatch(path.name):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _encode_video(context: JobContext, paths: Sequence[Path], reporter: Reporter) -> None:
    """Encodes all lossless chunks as one video, in one or two passes."""
    log = context.job.folder / f"pass-{secrets.token_hex(8)}"
    try:
        for args in commands.encoder_passes(context.encoder_args, str(log)):
            _encode_pass(context, args, paths, reporter)
    finally:
        for path in log.parent.glob(f"{log.name}-*"):
            path.unlink(missing_ok=True)


def _encode_pass(context: JobContext, args: Sequence[str], paths: Sequence[Path], reporter: Reporter) -> None:
    encoder: Encoder | None = None
    try:
        for frame in _intermediate_frames(context, paths):
            argv = [context.binary.path, *output_files.with_overwrite(args)]
            encoder = encoder or Encoder(argv, frame, context.stream_info, reporter.notify)
            if not encoder.write(frame):
                break
            reporter.frame(float((frame.pts or 0) * context.index.time_base))
        assert encoder is not None, "a video has frames"
        encoder.finish()
    finally:
        if encoder is not None:
            encoder.kill()


def _intermediate_frames(context: JobContext, paths: Sequence[Path]) -> Iterator[av.VideoFrame]:
    """Frames of all chunks, in order, with timestamps. Raises MediaError if a chunk has too few."""
    for chunk, path in zip(context.job.chunks, paths, strict=True):
        frames = intermediate.read(path, context.spec.pixel_format)
        end = chunk.begin
        for frame in frame_index.with_times(frames, context.index, chunk.begin):
            yield frame
            end += 1
        if end != chunk.end:
            raise MediaError(f"{path.name} has {end - chunk.begin} frames instead of {chunk.length}")


def _join_chunks(context: JobContext, paths: Sequence[Path], reporter: Reporter) -> None:
    """Concatenates encoded chunks without re-encoding and muxes the other streams."""
    form = containers.muxer_of(context.split.output)
    ending = "mkv" if form in _MATROSKA else form
    video = context.job.folder / f"video.{secrets.token_hex(8)}.{ending}"
    has_final_times = ending == "mkv" and context.encoder_index.seconds[0] >= 0
    times, start = _video_times(context, are_final=has_final_times)
    try:
        _write_video(
            video,
            [_inspect_chunk(path, chunk) for path, chunk in zip(paths, context.job.chunks, strict=True)],
            times,
            context,
        )
        args = commands.muxing_command(
            context.encoder_args, str(video), start, _aspect(paths[0], video), has_final_times=has_final_times
        )
        _run_merge([context.binary.path, *output_files.with_overwrite(args)], reporter.notify)
    finally:
        video.unlink(missing_ok=True)


def _aspect(chunk: Path, video: Path) -> Fraction | None:
    """The display aspect ratio, if a chunk's container states one and that of the concatenated file does not."""
    with av.open(str(chunk)) as before, av.open(str(video)) as after:
        stream = before.streams.video[0]
        ratio, stated = (to_fraction(file.streams.video[0].sample_aspect_ratio) for file in (before, after))
        return ratio * Fraction(stream.width, stream.height) if ratio and ratio != stated else None


def _run_merge(argv: Sequence[str], on_message: Callable[[str], None]) -> None:
    child = ChildProcess(
        "merging FFmpeg", loglevel.with_level_prefix(argv), on_message=on_message,
        on_line=lambda line: _EXPECTED_WARNINGS.search(line) is not None, stdout=None,
        max_level=loglevel.level_of(argv), reports=True,
    )  # fmt: skip
    try:
        status = child.wait_unless_killed()
    finally:
        child.kill()
    if status:
        raise ProgramError(f"the merge failed: {child.log.reason()}", status)
    if child.log.write_error:
        raise MediaError(f"the merge failed: {child.log.write_error}")
    child.log.flush(0)


def _video_times(context: JobContext, *, are_final: bool) -> tuple[Sequence[int], Fraction]:
    """Presentation times in the concatenated file (ticks), and its start in the output (seconds).

    In containers with millisecond timestamps the file keeps the final times, so that they are rounded only once.
    """
    index = context.encoder_index
    start = index.seconds[0]
    if not are_final:
        return [time - index.times[0] for time in index.times], start
    return index.times, round(start * 1000) * _MILLISECOND


def _inspect_chunk(path: Path, chunk: Chunk) -> _EncodedChunk:
    """Header and packet order of a chunk file. Raises FarmError if it cannot be concatenated."""
    try:
        with av.open(str(path)) as file:
            packets = [(packet.pts or 0, packet.is_keyframe) for packet in file.demux(video=0) if packet.size]
            extradata = bytes(file.streams.video[0].codec_context.extradata or b"")
    except (av.FFmpegError, IndexError) as error:
        raise FarmError(f"{path.name} cannot be read: {error}") from error
    ranks = dts.presentation_ranks([time for time, _ in packets])
    if len(ranks) != chunk.length or not packets[0][1] or ranks[0] != 0:
        raise FarmError(f"{path.name} does not begin with a key frame or has not {chunk.length} frames")
    return _EncodedChunk(path, extradata, chunk.begin, ranks)


def _write_video(video: Path, chunks: Sequence[_EncodedChunk], times: Sequence[int], context: JobContext) -> None:
    """Writes the packets of all chunks into one file. Raises FarmError if their codec headers differ."""
    different = [chunk.path.name for chunk in chunks if chunk.extradata != chunks[0].extradata]
    if different:
        raise FarmError(
            f"{', '.join(different[:5])} differ in encoding from {chunks[0].path.name}; is it the same FFmpeg "
            "everywhere?"
        )
    index = context.encoder_index
    decoded_at = iter(dts.decoding_times(times, max(dts.reorder_delay(chunk.ranks) for chunk in chunks)))
    with av.open(str(chunks[0].path)) as first, av.open(str(video), "w") as file:
        stream = _stream(file, first.streams.video[0], index.time_base)
        stream.disposition = Disposition(context.stream_info.disposition)
        for chunk in chunks:
            for number, packet in _packets(chunk):
                packet.stream = stream
                packet.pts, packet.dts, packet.time_base = times[number], next(decoded_at), index.time_base
                packet.duration = index.durations[number]
                file.mux(packet)


def _stream(file: av.container.OutputContainer, like: av.VideoStream, time_base: Fraction) -> av.VideoStream:
    """A new stream with the parameters of another."""
    stream = file.add_stream_from_template(like, opaque=True)
    stream.codec_context.codec_tag = like.codec_context.codec_tag  # of ProRes, the only note of the profile
    stream.codec_context.framerate = like.average_rate or Fraction(0)
    stream.time_base = time_base
    return stream


def _packets(chunk: _EncodedChunk) -> Iterator[tuple[int, av.Packet[av.VideoStream]]]:
    """The packets of a chunk, each with its frame number in the video."""
    with av.open(str(chunk.path)) as file:
        packets = (packet for packet in file.demux(video=0) if packet.size)
        yield from zip((chunk.begin + rank for rank in chunk.ranks), packets, strict=True)

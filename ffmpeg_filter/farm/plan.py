"""Planning of a job: model and encoders are tried, the source is decoded once and indexed, and divided into chunks."""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av

from ffmpeg_filter.command import containers, loglevel, urls
from ffmpeg_filter.command.argv import Command, File, Option, parse
from ffmpeg_filter.farm import commands, frame_index
from ffmpeg_filter.farm.chunk_encoding import ChunkEncoding, choose_encoding, filter_files, preroll_frames
from ffmpeg_filter.farm.frame_index import FrameIndex, Indexer, frame_checksum
from ffmpeg_filter.farm.job_context import EncodeSpec, check_inputs, check_outputs, job_request
from ffmpeg_filter.media import color_tags
from ffmpeg_filter.media.damage import Damage
from ffmpeg_filter.media.matroska import NO_SIDE_DATA
from ffmpeg_filter.media.nut import to_fraction
from ffmpeg_filter.media.process import ProgramError
from ffmpeg_filter.media.showinfo import ROTATION, FrameInfo, lost_side_data_warning
from ffmpeg_filter.transcode import frame_writer, stream_side_data, vsync
from ffmpeg_filter.transcode.decoder import Decoder, open_decoder
from ffmpeg_filter.transcode.encoder import Encoder
from ffmpeg_filter.transcode.frame_writer import StreamInfo
from ffmpeg_filter.transcode.pipeline import INTERLACED
from ffmpeg_filter.transcode.prepare import PreparedCommand
from ffmpeg_filter.transcode.progress import Reporter
from ffmpeg_filter.transcode.split import SplitCommand
from ffmpeg_filter.upscale.stream import open_engine
from vsadcvsr.errors import MediaError, UsageError
from vsadcvsr.farm.store.chunk_boundaries import plan_chunks
from vsadcvsr.farm.store.fingerprints import fingerprint
from vsadcvsr.farm.store.job import Job, check_folder, has_job, write_once
from vsadcvsr.farm.store.ledger import LedgerEntry, worker_name

_TRIAL_SECONDS = "0.2"
"""Seconds of blank video that each encoder is tried with."""


@dataclass(frozen=True)
class _ScannedVideo:
    """Result of the first pass over the frames."""

    index: FrameIndex
    first_info: FrameInfo
    """showinfo of the first frame."""
    pixel_format: str
    size: tuple[int, int]
    """(width, height)."""
    is_interlaced: bool
    """Whether any frame is interlaced."""
    lost_side_data: frozenset[str]
    """Kinds of side data that the output will lack."""


def plan_job(folder: Path, prepared: PreparedCommand, seconds: Fraction, reporter: Reporter) -> Job:
    """The job of a folder: the existing one if it is for the same command, else a new one.

    Raises ChangedError if the folder holds another job, UsageError for what a farm cannot do, and MediaError if a
    program fails.
    """
    command, _, split, binary = prepared
    check_inputs(command)
    check_outputs(command, binary)
    _check_passes(command)
    request = job_request(command.args(), binary, split.filter_options, seconds)
    if has_job(folder):
        job = Job.read(folder)
        job.check_request(request)
        job.check_sources()
        return job
    started = time.time()
    check_folder(folder)
    sources = [fingerprint(file.path) for file in command.inputs]
    margin = _try_model_and_encoders(folder, prepared)
    video = _scan_video(prepared, reporter)
    spec = _with_seeking(prepared, video, _encode_spec(prepared, video))
    if spec.mode == "direct":  # else the merge reads them, once
        sources += [fingerprint(path) for path in dict.fromkeys(filter_files(split)) if path.is_file()]
    text = video.index.to_text().encode()
    write_once(folder / frame_index.file_name(spec.index_checksum), text)
    chunks = plan_chunks(video.index.seconds, video.index.cuts, seconds=seconds, margin=margin)
    job = Job(folder=folder, request=request, recipe=spec.to_json(), sources=sources, chunks=chunks).write()
    now = time.time()
    job.ledger.append(
        LedgerEntry(event="planned", plan=job.key, worker=worker_name(), at=now, seconds=round(now - started, 3))
    )
    return job


def _try_model_and_encoders(folder: Path, prepared: PreparedCommand) -> int:
    """Loads the model and tries the encoders on the first frames, before the whole video is decoded.

    Returns the model's lookahead: the frames before and after a chunk that its output depends on. Raises as `plan_job`
    does.
    """
    with open_decoder([prepared.binary.path, *prepared.split.decoder_args]) as decoder:
        first_frames = _scan_frames(prepared.split, islice(decoder, 2))
        if first_frames is None:
            raise _undecodable(decoder, decoder.child.wait_unless_killed())
    options = prepared.split.filter_options.upscale_arguments(*first_frames.size)
    engine = open_engine(options, first_frames.size)
    _try_encoders(folder, prepared, _encode_spec(prepared, first_frames), first_frames)
    return engine.lookahead


def _undecodable(running: Decoder, status: int) -> ProgramError:
    return ProgramError(f"the source cannot be decoded: {running.child.log.reason()}", status or 1)


def _scan_video(prepared: PreparedCommand, reporter: Reporter) -> _ScannedVideo:
    """The first pass: decodes everything as a run on one machine would, and keeps only the index."""
    command, _, split, binary = prepared
    level = loglevel.level_of(command.args())
    argv = [binary.path, *split.decoder_args]
    with open_decoder(argv, lambda message: reporter.notify(f"decoder: {message}"), level) as decoder:
        video = _scan_frames(split, decoder, reporter.frame)
        status = decoder.child.wait_unless_killed()
        if video is None or status:
            raise _undecodable(decoder, status)
        decoder.child.log.flush(0)
    _check_damage(command, decoder.damage)
    if level >= loglevel.WARNING:
        for message in _warnings(video, prepared, decoder.damage):
            reporter.notify(f"warning: {message}")
    return video


def _warnings(video: _ScannedVideo, prepared: PreparedCommand, damage: Damage) -> Iterator[str]:
    split = prepared.split
    if damage:
        yield str(damage)
    yield from color_tags.lost_metadata(video.first_info)
    side_data = stream_side_data.from_first_frame(video.first_info, None)
    yield from stream_side_data.lost_warnings(
        side_data, video.first_info, split.codec, is_stated=_has_header(split, video), reaches_encoder=True
    )
    kept = {ROTATION} if _rotation_options(prepared, video) else set()
    if lost := video.lost_side_data - stream_side_data.warned_kinds(side_data) - kept:
        yield lost_side_data_warning(lost)
    yield from split.warnings
    if video.is_interlaced:
        yield INTERLACED


def _rotation_options(prepared: PreparedCommand, video: _ScannedVideo) -> list[str]:
    version, rotates = prepared.binary.version, prepared.split.rotates
    return stream_side_data.rotation_options(video.first_info, version, rotates=rotates)


def _scan_frames(
    split: SplitCommand,
    frames: Iterable[tuple[av.VideoFrame, FrameInfo]],
    on_frame: Callable[[float], None] = lambda _: None,
) -> _ScannedVideo | None:
    """The facts of frames; None if there are none. `on_frame` is called with the time of each."""
    indexer = Indexer(split.filter_options.sc_threshold)
    first: tuple[FrameInfo, str, tuple[int, int]] | None = None
    is_interlaced = False
    lost_side_data: set[str] = set()
    for frame, frame_info in frames:
        is_interlaced |= frame_info.field != "P"
        lost_side_data |= frame_info.lost_side_data(rotates=split.rotates)
        first = first or (frame_info, frame.format.name, (frame.width, frame.height))
        if (frame.format.name, (frame.width, frame.height)) != first[1:]:
            raise UsageError("the video changes its size or format in the middle; put scale or format before adcvsr")
        indexer.add(frame)
        on_frame(float((frame.pts or 0) * (to_fraction(frame.time_base) or 0)))
    return None if first is None else _ScannedVideo(indexer.index(), *first, is_interlaced, frozenset(lost_side_data))


def _check_passes(command: Command) -> None:
    passes = {option.value for option in command.options() if option.name == "pass"}
    if passes - {"2"}:
        raise UsageError(
            f"-pass {', '.join(sorted(map(str, passes)))} cannot be used on a farm; give -pass 2: the merge runs both "
            "passes"
        )


def _check_damage(command: Command, damage: Damage) -> None:
    if damage and command.value("adcvsr_on_corrupt") == "fail":
        raise MediaError(f"{damage}; no job is planned because of -adcvsr_on_corrupt fail")


def _encode_spec(prepared: PreparedCommand, video: _ScannedVideo) -> EncodeSpec:
    command, inputs, split, binary = prepared
    first, info = video.first_info, _stream_info(split, video)
    side_data = stream_side_data.from_first_frame(first, None) if _has_header(split, video) else NO_SIDE_DATA
    encoding = choose_encoding(command, split, inputs, command.value("farm_intermediate"))
    if encoding.mode == "direct":
        encoding = _checked_encoding(encoding, prepared, video, info)
    return EncodeSpec(
        mode=encoding.mode,
        reason=encoding.reason,
        pixel_format=video.pixel_format,
        index_checksum=hashlib.sha256(video.index.to_text().encode()).hexdigest(),
        filters=[
            *frame_writer.restoring_filters(video.pixel_format, info, binary.version),
            *color_tags.filters(first, binary.version),
        ],
        options=color_tags.encoder_options(first, split.codec, binary.version, is_graded=any(side_data)),
        input_options=[
            *_rotation_options(prepared, video),
            *frame_writer.input_options(_blank_frames(split, video)[0], info),
        ],
        start_time=str(video.index.seconds[0]),
        time_base=str(first.time_base),
        rate=str(first.rate or ""),
        pts_shift=None,
        preroll=None,
        side_data=side_data,
    )


def _with_seeking(prepared: PreparedCommand, video: _ScannedVideo, spec: EncodeSpec) -> EncodeSpec:
    """The spec plus what decoders need to start in the middle, if they can."""
    preroll = preroll_frames(prepared.command, prepared.split) if video.index.is_increasing else None
    pts_shift = None if preroll is None else _find_pts_shift(prepared, video.index)
    return spec if pts_shift is None else replace(spec, pts_shift=pts_shift, preroll=preroll)


def _checked_encoding(
    encoding: ChunkEncoding, prepared: PreparedCommand, video: _ScannedVideo, info: StreamInfo
) -> ChunkEncoding:
    """The encoding, lossless if frames are too close together for separate encoding."""
    try:
        index = frame_index.rounded_to_rate(video.index, info.pipe_rate)
        if prepared.split.fills_gaps and not vsync.is_steady(index.seconds, info.pipe_rate):
            raise ValueError("FFmpeg repeats frames across gaps in time")
    except ValueError as error:
        if prepared.command.value("farm_intermediate") == "none":
            message = f"chunks cannot be encoded separately: {error}; leave -farm_intermediate out"
            raise UsageError(message) from error
        return ChunkEncoding("lossless", str(error))
    return encoding


def _find_pts_shift(prepared: PreparedCommand, index: FrameIndex) -> int | None:
    """Source timestamp minus index timestamp in ticks; None if it cannot be determined."""
    args = commands.first_frame_command(prepared.split.decoder_args)
    with open_decoder([prepared.binary.path, *args]) as decoder:
        for frame, _ in decoder:
            is_same = to_fraction(frame.time_base) == index.time_base and frame_checksum(frame) == index.checksums[0]
            return frame.pts - index.times[0] if is_same and frame.pts is not None else None
        decoder.child.wait_unless_killed()
    return None


def _try_encoders(folder: Path, prepared: PreparedCommand, spec: EncodeSpec, video: _ScannedVideo) -> None:
    """Encodes a few blank frames with every command that will be needed. Raises ProgramError, UsageError or
    MediaError.
    """
    _, _, split, _ = prepared
    args = split.encoder_args(spec.start_info(split))
    with tempfile.TemporaryDirectory(dir=folder, prefix="trial-") as trial_folder:
        if split.temporary_output is not None or _can_be_redirected(split.output):
            first, *_ = commands.encoder_passes(_redirected(args, Path(trial_folder)), f"{trial_folder}/pass")
            _try_encoder(prepared, first, video, spec)
        if spec.mode == "direct":
            chunk = commands.chunk_command(
                args, split.codec, f"{trial_folder}/chunk.mkv", 1 / spec.stream_info(split).pipe_rate
            )
            _try_encoder(prepared, chunk, video, spec)


def _can_be_redirected(output: File) -> bool:
    """Whether an output without a temporary name can be tried under another name: a pipe, or a file without a
    format.
    """
    return containers.is_one_file(output) and urls.protocol(output.url) in {"file", "pipe", "fd"}


def _redirected(args: Sequence[str], folder: Path) -> list[str]:
    """The encode command for a moment of blank video, into other files."""
    command = parse(args)

    def redirected(number: int, file: File) -> File:
        options = (*file.options, Option("-t", _TRIAL_SECONDS), Option("-y"))
        return replace(file, options=options, url=str(folder / f"{number}{Path(file.url).suffix}"))

    files = [redirected(number, file) if file.is_output else file for number, file in enumerate(command.files)]
    return Command(tuple(files), command.trailing).args()


def _try_encoder(prepared: PreparedCommand, args: Sequence[str], video: _ScannedVideo, spec: EncodeSpec) -> None:
    frames = list(islice(_blank_frames(prepared.split, video), 2))
    argv, info = [prepared.binary.path, *args], spec.stream_info(prepared.split)
    encoder = Encoder(argv, frames[0], info, lambda _: None, reports=False)
    try:
        for frame in frames:
            if not encoder.write(frame):
                break
        encoder.finish()
    finally:
        encoder.kill()


def _stream_info(split: SplitCommand, video: _ScannedVideo) -> StreamInfo:
    return split.stream_info(video.first_info.time_base, video.first_info.rate, video.index.seconds[0])


def _has_header(split: SplitCommand, video: _ScannedVideo) -> bool:
    """Whether the pipe is Matroska, whose header states side data."""
    return frame_writer.is_matroska(_blank_frames(split, video)[0], _stream_info(split, video))


def _blank_frames(split: SplitCommand, video: _ScannedVideo) -> list[av.VideoFrame]:
    """Blank frames of the output size, at the first timestamps."""
    width, height = split.filter_options.output_size(*video.size)
    frames = []
    for pts in video.index.times[:2]:
        frame = av.VideoFrame(width, height, video.pixel_format)
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        frame.pts, frame.time_base = pts, video.index.time_base
        frames.append(frame)
    return frames

"""A command becomes a job: its frames are counted, and what can go wrong is tried before anything else."""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import cast

import av

from ffmpeg_filter.command import containers, loglevel, urls
from ffmpeg_filter.command.argv import Command, File, Option, parse
from ffmpeg_filter.farm import commands, frame_index, intermediate
from ffmpeg_filter.farm.decode import Decoding, decoding
from ffmpeg_filter.farm.division import Division, divided, run_up
from ffmpeg_filter.farm.frame_index import Index, Indexer, sum_of
from ffmpeg_filter.farm.job_context import Recipe, check_inputs, check_outputs, request
from ffmpeg_filter.media import color_tags
from ffmpeg_filter.media.damage import Damage
from ffmpeg_filter.media.matroska import NO_SIDE_DATA
from ffmpeg_filter.media.nut import exact
from ffmpeg_filter.media.process import ProgramError, killed
from ffmpeg_filter.media.showinfo import LOST_KEYS, Shown, lost_words
from ffmpeg_filter.transcode import frame_writer, stream_side_data, vsync
from ffmpeg_filter.transcode.encoder import Encoder
from ffmpeg_filter.transcode.frame_writer import StreamInfo
from ffmpeg_filter.transcode.pipeline import INTERLACED
from ffmpeg_filter.transcode.prepare import Ordered
from ffmpeg_filter.transcode.progress import Reporter
from ffmpeg_filter.transcode.split import Plan
from ffmpeg_filter.upscale.stream import Model
from vsadcvsr.engine import Engine
from vsadcvsr.errors import MediaError, UsageError
from vsadcvsr.farm.store.chunks import plan as chunks
from vsadcvsr.farm.store.fingerprints import fingerprint
from vsadcvsr.farm.store.job import Job, check_folder, write_once
from vsadcvsr.farm.store.ledger import Line, worker_name

_TRIAL = "0.2"
"""Seconds of a film that is encoded to see whether it can be."""


@dataclass(frozen=True)
class _Film:
    """What the first pass over the frames has found. `first` was said of the first frame, `shape` is its size."""

    index: Index
    first: Shown
    pixels: str
    shape: tuple[int, int]
    is_interlaced: bool
    lost: frozenset[str]
    """Kinds of side data that the output will lack."""


def make(folder: Path, ordered: Ordered, seconds: Fraction, reporter: Reporter) -> Job:
    """The job of a folder: as it was planned for the same command, else planned now.

    Raises ChangedError where the folder holds a plan of something else, UsageError for what a farm cannot do, and
    MediaError where a program does not do what it is told.
    """
    command, _, plan, binary = ordered
    check_inputs(command)
    check_outputs(command, binary)
    _check_passes(command)
    asked = request(command.words(), binary, plan.options, seconds)
    if (folder / "job.json").exists():
        job = Job.read(folder)
        job.check_request(asked)
        job.check_sources()
        return job
    begun = time.time()
    check_folder(folder)
    sources = [fingerprint(file.path) for file in command.inputs]
    margin = _try_all(folder, ordered)
    film = _film(ordered, reporter)
    recipe = _seekable(ordered, film, _recipe(ordered, film))
    text = film.index.text().encode()
    write_once(folder / frame_index.name(recipe.index), text)
    divided_film = chunks(film.index.seconds, film.index.cuts, seconds=seconds, margin=margin)
    job = Job(folder=folder, request=asked, recipe=recipe.plain(), sources=sources, chunks=divided_film).write()
    now = time.time()
    job.ledger.append(Line(event="planned", plan=job.key, worker=worker_name(), at=now, seconds=round(now - begun, 3)))
    return job


def _try_all(folder: Path, ordered: Ordered) -> int:
    """Tries the model and the encoders on the first frames, before a whole film is decoded for nothing.

    Returns the frames to either side that a picture depends on; the model is loaded for it, on whatever is here.
    Raises as `make` does.
    """
    with decoding(ordered.binary, ordered.plan.decoder) as running:
        beginning = _indexed(ordered.plan, islice(running, 2))
        if beginning is None:
            status = running.child.wait()
            raise _undecodable(running, status)
    options = ordered.plan.options.upscaling(*beginning.shape)
    engine = Engine.open(**cast(Model, {name: options[name] for name in options if name in Model.__annotations__}))
    _try(folder, ordered, _recipe(ordered, beginning), beginning)
    return engine.lookahead


def _undecodable(running: Decoding, status: int) -> ProgramError:
    reason = killed("decoder", status) if status < 0 else running.child.speech.reason()
    return ProgramError(f"the source cannot be decoded: {reason}", status or 1)


def _film(ordered: Ordered, reporter: Reporter) -> _Film:
    """The first pass: everything is decoded, as a single run would, and nothing kept."""
    command, _, plan, binary = ordered
    level = loglevel.of(command.words())
    with decoding(binary, plan.decoder, lambda words: reporter.say(f"decoder: {words}"), level) as running:
        film = _indexed(plan, running, reporter.frame)
        status = running.child.wait()
        if film is None or status:
            raise _undecodable(running, status)
        running.child.speech.let_out(0)
    _judge(command, running.damage)
    if level >= loglevel.WARNING:
        for words in _warnings(film, plan, running.damage):
            reporter.say(f"warning: {words}")
    return film


def _warnings(film: _Film, plan: Plan, damage: Damage) -> Iterator[str]:
    if damage:
        yield str(damage)
    yield from color_tags.lost(film.first)
    said = stream_side_data.of(film.first, None)
    yield from stream_side_data.lost(said, film.first, plan.codec, is_stated=_has_header(plan, film), is_taken=True)
    if lost := film.lost - stream_side_data.kinds(said):
        yield lost_words(lost)
    if plan.loses_keys:
        yield LOST_KEYS
    if film.is_interlaced:
        yield INTERLACED


def _indexed(
    plan: Plan, frames: Iterable[tuple[av.VideoFrame, Shown]], count: Callable[[float], None] = lambda _: None
) -> _Film | None:
    """What there is to know of frames; None where there are none. `count` is called with the time of each."""
    indexer = Indexer(plan.options.sc_threshold)
    first: tuple[Shown, str, tuple[int, int]] | None = None
    is_interlaced = False
    lost: set[str] = set()
    for frame, shown in frames:
        is_interlaced |= shown.field != "P"
        lost |= shown.lost(rotates=plan.rotates)
        first = first or (shown, frame.format.name, (frame.width, frame.height))
        if (frame.format.name, (frame.width, frame.height)) != first[1:]:
            raise UsageError("the film changes its size or format in the middle; put scale or format before adcvsr")
        indexer.take(frame)
        count(float((frame.pts or 0) * (exact(frame.time_base) or 0)))
    return None if first is None else _Film(indexer.index(), *first, is_interlaced, frozenset(lost))


def _check_passes(command: Command) -> None:
    passes = {option.value for option in command.options() if option.name == "pass"}
    if passes - {"2"}:
        hint = "both passes are made at the merge, of the same pictures"
        raise UsageError.of("-pass", ", ".join(sorted(map(str, passes))), "2", hint)


def _judge(command: Command, damage: Damage) -> None:
    if damage and command.value("adcvsr_on_corrupt") == "fail":
        raise MediaError(f"{damage}; nothing is planned, as -adcvsr_on_corrupt fail says")


def _recipe(ordered: Ordered, film: _Film) -> Recipe:
    command, inputs, plan, binary = ordered
    first, info = film.first, _info(plan, film)
    said = stream_side_data.of(first, None) if _has_header(plan, film) else NO_SIDE_DATA
    division = divided(command, plan, inputs, command.value("farm_intermediate"))
    if division.mode == "direct":
        division = _checked(division, ordered, film, info)
    return Recipe(
        mode=division.mode,
        why=division.why,
        pixels=film.pixels,
        index=hashlib.sha256(film.index.text().encode()).hexdigest(),
        filters=[*frame_writer.filters(film.pixels, info, binary.version), *color_tags.filters(first, binary.version)],
        options=color_tags.encoder_options(first, plan.codec, binary.version, is_graded=any(said)),
        reading=frame_writer.options(_blank(plan, film)[0], info),
        begin=str(film.index.seconds[0]),
        tick=str(first.time_base),
        rate=str(first.rate or ""),
        shift=None,
        run_up=None,
        said=said,
    )


def _seekable(ordered: Ordered, film: _Film, recipe: Recipe) -> Recipe:
    """The recipe with what a decoder must know to begin in the middle of the film, where it can."""
    ahead = run_up(ordered.command, ordered.plan) if film.index.rises else None
    shift = None if ahead is None else _shift(ordered, film.index)
    return recipe if shift is None else replace(recipe, shift=shift, run_up=ahead)


def _checked(division: Division, ordered: Ordered, film: _Film, info: StreamInfo) -> Division:
    """The division of a film whose frames may be too near to each other to be encoded each by itself."""
    try:
        index = frame_index.encoded(film.index, info.sent_rate)
        if ordered.plan.fills_gaps and not vsync.is_steady(index.seconds, info.sent_rate):
            raise ValueError("FFmpeg repeats frames where time goes on")
    except ValueError as error:
        if ordered.command.value("farm_intermediate") == "none":
            words = f"chunks cannot be encoded by themselves: {error}; leave -farm_intermediate out"
            raise UsageError(words) from error
        return Division("lossless", str(error))
    return division


def _shift(ordered: Ordered, index: Index) -> int | None:
    """What the source's own times have more than the index's, in ticks; None where that is not to be found out."""
    with decoding(ordered.binary, commands.raw(ordered.plan.decoder)) as running:
        for frame, _ in running:
            same = exact(frame.time_base) == index.tick and sum_of(frame) == index.sums[0]
            return frame.pts - index.times[0] if same and frame.pts is not None else None
    return None


def _try(folder: Path, ordered: Ordered, recipe: Recipe, film: _Film) -> None:
    """Encodes a moment of nothing in every way that will be needed. Raises ProgramError, UsageError or MediaError."""
    _, _, plan, _ = ordered
    words = plan.encoder(recipe.start(plan))
    with tempfile.TemporaryDirectory(dir=folder, prefix="trial-") as place:
        if plan.part is not None or _has_one_name(plan.output):
            first, *_ = commands.passes(_elsewhere(words, Path(place)), f"{place}/pass")
            _encode(ordered, first, film, recipe)
        if recipe.mode == "direct":
            chunk = commands.of_chunk(words, plan.codec, f"{place}/chunk.mkv", 1 / recipe.info(plan).sent_rate)
            _encode(ordered, chunk, film, recipe)
        else:
            _try_lossless(Path(place), film)


def _has_one_name(output: File) -> bool:
    """Whether an output that has no temporary name can be tried under another: a pipe, or a file without a format."""
    return containers.is_one_file(output) and urls.protocol(output.url) in {"file", "pipe", "fd"}


def _elsewhere(words: Sequence[str], folder: Path) -> list[str]:
    """The encoder's command for a moment of film, into other files."""
    command = parse(words)

    def moved(number: int, file: File) -> File:
        options = (*file.options, Option("-t", _TRIAL), Option("-y"))
        return replace(file, options=options, url=str(folder / f"{number}{Path(file.url).suffix}"))

    files = [file if file.is_input else moved(number, file) for number, file in enumerate(command.files)]
    return Command(tuple(files), command.rest).words()


def _encode(ordered: Ordered, words: Sequence[str], film: _Film, recipe: Recipe) -> None:
    said: list[str] = []
    blank = list(islice(_blank(ordered.plan, film), 2))
    encoder = Encoder([ordered.binary.path, *words], blank[0], recipe.info(ordered.plan), said.append)
    try:
        for frame in blank:
            if not encoder.take(frame):
                break
        encoder.finish()
    finally:
        encoder.kill()


def _info(plan: Plan, film: _Film) -> StreamInfo:
    return plan.info(film.first.time_base, film.first.rate, film.index.seconds[0])


def _has_header(plan: Plan, film: _Film) -> bool:
    """Whether pictures come to the encoder in Matroska, whose header says how they are graded."""
    return frame_writer.is_matroska(_blank(plan, film)[0], _info(plan, film))


def _blank(plan: Plan, film: _Film) -> list[av.VideoFrame]:
    """Pictures of the size that is to come, at the first times of the film."""
    width, height = _out_size(plan, film.shape)
    made = []
    for moment in film.index.times[:2]:
        frame = av.VideoFrame(width, height, film.pixels)
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        frame.pts, frame.time_base = moment, film.index.tick
        made.append(frame)
    return made


def _out_size(plan: Plan, shape: tuple[int, int]) -> tuple[int, int]:
    chosen = plan.options.upscaling(*shape)
    width, height = chosen.get("width"), chosen.get("height")
    scale = plan.options.scale
    return (int(str(width)), int(str(height))) if width and height else (shape[0] * scale, shape[1] * scale)


def _try_lossless(folder: Path, film: _Film) -> None:
    frame = av.VideoFrame(64, 48, film.pixels)
    path = folder / f"pictures{intermediate.suffix(film.pixels)}"
    try:
        intermediate.write(path, [frame])
        kept = list(intermediate.read(path, film.pixels))
    except (MediaError, av.FFmpegError, ValueError) as error:
        raise UsageError.of("pixel format", film.pixels, "one that can be kept; put format=… before adcvsr") from error
    assert len(kept) == 1, "one was written"

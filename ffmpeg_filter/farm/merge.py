"""The chunks of a job become its film: joined as they are, or encoded as the one film that they are."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.stream import Disposition

from ffmpeg_filter.command import containers, loglevel, output_files
from ffmpeg_filter.farm import commands, dts, intermediate
from ffmpeg_filter.farm.job_context import Kitchen
from ffmpeg_filter.media.nut import exact
from ffmpeg_filter.media.process import Child, ProgramError, killed
from ffmpeg_filter.transcode import verify
from ffmpeg_filter.transcode.encoder import Encoder
from ffmpeg_filter.transcode.pipeline import Outcome
from ffmpeg_filter.transcode.progress import Reporter
from vsadcvsr.errors import FarmError, MediaError
from vsadcvsr.farm.store.chunks import Chunk
from vsadcvsr.farm.store.ledger import Line

_MILLISECOND = Fraction(1, 1000)
_MATROSKA = {"matroska", "mkv"}
_MEANT = re.compile(r"has not been used for any stream|Overriding aspect ratio with stream copy")
"""Complaints of FFmpeg's on options of an encoder that is not needed any more, and on what we know better."""


@dataclass(frozen=True)
class _Coded:
    """A chunk that was encoded: its codec's header, and of each packet the place of its picture in the chunk."""

    path: Path
    head: bytes
    begin: int
    order: Sequence[int]


def merge(kitchen: Kitchen, lines: Sequence[Line], reporter: Reporter) -> None:
    """Makes the output of the command from the chunks of `lines`, which are all there.

    Raises FarmError where they do not fit together or the film that came of them is not what was planned; the output
    then keeps its temporary name.
    """
    plan = kitchen.plan
    paths = [kitchen.job.store / line.file for line in lines]
    try:
        (_join if kitchen.recipe.mode == "direct" else _encode)(kitchen, paths, reporter)
    except BaseException:
        output_files.discard(kitchen.command)
        raise
    if plan.part is None:
        return
    index = kitchen.index
    durations = [duration * index.tick or None for duration in index.durations]
    passed = Outcome(times=[*index.seconds], durations=durations, rate=kitchen.info.sent_rate)
    for words in verify.findings(plan, passed, Path(plan.part)):
        raise FarmError(f"the film is not what was planned: {words}")
    for file in kitchen.command.outputs:
        output_files.publish(file)


def _encode(kitchen: Kitchen, paths: Sequence[Path], reporter: Reporter) -> None:
    """The second command of a single run, in as many passes as it takes, with the pictures that are there already."""
    log = kitchen.job.folder / f"pass-{secrets.token_hex(8)}"
    try:
        for words in commands.passes(kitchen.encoder, str(log)):
            _encode_once(kitchen, words, paths, reporter)
    finally:
        for path in log.parent.glob(f"{log.name}-*"):
            path.unlink(missing_ok=True)


def _encode_once(kitchen: Kitchen, words: Sequence[str], paths: Sequence[Path], reporter: Reporter) -> None:
    encoder: Encoder | None = None
    try:
        for picture in _pictures(kitchen, paths):
            argv = [kitchen.binary.path, *output_files.overwriting(words)]
            encoder = encoder or Encoder(argv, picture, kitchen.info, reporter.say)
            if not encoder.take(picture):
                break
            reporter.frame(float((picture.pts or 0) * kitchen.index.tick))
        assert encoder is not None, "a film has pictures"
        encoder.finish()
    finally:
        if encoder is not None:
            encoder.kill()


def _pictures(kitchen: Kitchen, paths: Sequence[Path]) -> Iterator[av.VideoFrame]:
    """All pictures, in order, at their times. Raises MediaError where a chunk has not as many as it should."""
    index = kitchen.index
    for chunk, path in zip(kitchen.job.chunks, paths, strict=True):
        kept = intermediate.read(path, kitchen.recipe.pixels)
        number = chunk.begin
        for number, picture in enumerate(kept, chunk.begin):
            picture.pts, picture.dts, picture.time_base = index.times[number], None, index.tick
            picture.duration = index.durations[number]
            yield picture
        if number + 1 != chunk.end:
            raise MediaError(f"{path.name} has {number + 1 - chunk.begin} pictures instead of {chunk.length}")


def _join(kitchen: Kitchen, paths: Sequence[Path], reporter: Reporter) -> None:
    """The chunks' packets in one file, and that beside everything else, without encoding."""
    form = containers.form(kitchen.plan.output)
    ending = "mkv" if form in _MATROSKA else form
    film = kitchen.job.folder / f"film.{secrets.token_hex(8)}.{ending}"
    times, begin = _stamps(kitchen, in_milliseconds=ending == "mkv")
    try:
        _write(
            film, [_coded(path, chunk) for path, chunk in zip(paths, kitchen.job.chunks, strict=True)], times, kitchen
        )
        words = commands.with_pictures(kitchen.encoder, str(film), begin, _aspect(paths[0], film))
        _run([kitchen.binary.path, *output_files.overwriting(words)], reporter.say)
    finally:
        film.unlink(missing_ok=True)


def _aspect(chunk: Path, film: Path) -> Fraction | None:
    """The shape of the display, where that was said in a chunk's container and is lost in the film's."""
    with av.open(str(chunk)) as before, av.open(str(film)) as after:
        told, now = before.streams.video[0], after.streams.video[0]
        ratio, there = exact(told.sample_aspect_ratio), exact(now.sample_aspect_ratio)
        return ratio * Fraction(told.width, told.height) if ratio and ratio != there else None


def _run(argv: Sequence[str], say: Callable[[str], None]) -> None:
    child = Child(
        "merge", loglevel.levelled(argv), heard=lambda line: _MEANT.search(line) is not None, say=say, stdout=None,
        limit=loglevel.of(argv),
    )  # fmt: skip
    try:
        status = child.wait()
    finally:
        child.kill()
    if status < 0:
        raise MediaError(killed("merging FFmpeg", status))
    if status:
        raise ProgramError(f"the merge failed: {child.speech.reason()}", status)
    if child.speech.unwritten:
        raise MediaError(f"the merge failed: {child.speech.unwritten}")
    child.speech.let_out(0)


def _stamps(kitchen: Kitchen, *, in_milliseconds: bool) -> tuple[list[int], Fraction]:
    """The times of the pictures in a file of their own, in ticks, and when they begin in the film (seconds).

    Where a container counts in milliseconds they stand in that file as in the film: so they are rounded but once.
    """
    index = kitchen.encoded
    begin = index.seconds[0]
    if not in_milliseconds or begin < 0:
        return [time - index.times[0] for time in index.times], begin
    ahead = round((index.seconds[0] - begin) / index.tick)
    return [time - ahead for time in index.times], round(begin * 1000) * _MILLISECOND


def _coded(path: Path, chunk: Chunk) -> _Coded:
    """A chunk looked into. Raises FarmError where it cannot stand in the middle of a film."""
    try:
        with av.open(str(path)) as file:
            packets = [(packet.pts or 0, packet.is_keyframe) for packet in file.demux(video=0) if packet.size]
            head = bytes(file.streams.video[0].codec_context.extradata or b"")
    except (av.FFmpegError, IndexError) as error:
        raise FarmError(f"{path.name} cannot be read: {error}") from error
    order = dts.ranks([time for time, _ in packets])
    if len(order) != chunk.length or not packets[0][1] or order[0] != 0:
        raise FarmError(f"{path.name} does not begin with a key frame or has not {chunk.length} pictures")
    return _Coded(path, head, chunk.begin, order)


def _write(film: Path, chunks: Sequence[_Coded], times: Sequence[int], kitchen: Kitchen) -> None:
    """A file with nothing but the pictures. Raises FarmError where the chunks were not encoded alike."""
    other = [chunk.path.name for chunk in chunks if chunk.head != chunks[0].head]
    if other:
        raise FarmError(f"{', '.join(other[:5])} were encoded otherwise than {chunks[0].path.name}; is it one FFmpeg?")
    index = kitchen.encoded
    decoded_at = iter(dts.decoding_times(times, max(dts.delay(chunk.order) for chunk in chunks)))
    with av.open(str(chunks[0].path)) as first, av.open(str(film), "w") as file:
        stream = _stream(file, first.streams.video[0], index.tick)
        stream.disposition = Disposition(kitchen.info.disposition)
        for chunk in chunks:
            for number, packet in _packets(chunk):
                packet.stream = stream
                packet.pts, packet.dts, packet.time_base = times[number], next(decoded_at), index.tick
                packet.duration = index.durations[number]
                file.mux(packet)


def _stream(file: av.container.OutputContainer, like: av.VideoStream, tick: Fraction) -> av.VideoStream:
    """A stream for packets as in another."""
    stream = file.add_stream_from_template(like, opaque=True)
    stream.codec_context.framerate = like.average_rate or Fraction(0)
    stream.time_base = tick
    return stream


def _packets(chunk: _Coded) -> Iterator[tuple[int, av.Packet[av.VideoStream]]]:
    """The packets of a chunk, each with its picture's number in the film."""
    with av.open(str(chunk.path)) as file:
        packets = (packet for packet in file.demux(video=0) if packet.size)
        yield from zip((chunk.begin + rank for rank in chunk.order), packets, strict=True)

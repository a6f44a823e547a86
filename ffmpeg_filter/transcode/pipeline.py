"""A transcode: FFmpeg decodes, the engine upscales, FFmpeg encodes, each at its own pace.

Nothing is trusted that can be checked: both programs' statuses, the damage that the decoder speaks of, and the number
of frames on the way.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import chain

import av

from ffmpeg_filter.command import loglevel
from ffmpeg_filter.frames import upscale_frames
from ffmpeg_filter.media import color_tags
from ffmpeg_filter.media.binary import Binary
from ffmpeg_filter.media.damage import Damage
from ffmpeg_filter.media.nut import exact
from ffmpeg_filter.media.pipe_formats import carrier_of
from ffmpeg_filter.media.process import Child, ProgramError, killed, pipe
from ffmpeg_filter.media.relay import Relays
from ffmpeg_filter.media.showinfo import ROTATION, Reader, Shown, lost_words
from ffmpeg_filter.transcode import companion, frame_writer, quit_key, stream_side_data
from ffmpeg_filter.transcode.companion import Companion, Packets
from ffmpeg_filter.transcode.encode_command import Start
from ffmpeg_filter.transcode.encoder import Encoder
from ffmpeg_filter.transcode.frame_reader import Words, is_no_complaint, read
from ffmpeg_filter.transcode.frame_writer import StreamInfo
from ffmpeg_filter.transcode.progress import Reporter
from ffmpeg_filter.upscale.prefetch import ahead
from vsadcvsr.errors import MediaError

INTERRUPTED = 255
"""The exit status of FFmpeg, and ours, after Ctrl-C."""
_ROTATION_OPTION = (58, 2)
"""libavutil from which FFmpeg can be told how an input is rotated (FFmpeg 6)."""
INTERLACED = "the source is interlaced and is upscaled as if it were not; deinterlace first (bwdif)"


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is to be run. `encoder` makes the encoder's arguments from what only the first frame tells, `options` those
    of `upscale_frames` from its width and height.
    """

    binary: Binary
    decoder: Sequence[str]
    encoder: Callable[[Start], Sequence[str]]
    options: Callable[[int, int], dict[str, object]]
    info: Callable[[Fraction, Fraction | None, Fraction | None], StreamInfo]
    """As a plan has it."""
    active: Callable[[Fraction | None, int], bool] | None = None
    codec: str = ""
    strict: bool = False
    """Whether damage is the end of it (`-adcvsr_on_corrupt fail`)."""
    reads_stdin: bool = False
    has_keys: bool = False
    """Whether keys on standard input are for us."""
    companion: Companion | None = None
    """A further output of the decoder, for a companion of the pictures."""
    rotates: bool = True
    """Whether FFmpeg rotates pictures; else it leaves that to players."""
    relays: Relays | None = None
    """Inputs that can be read once."""
    loglevel: int = loglevel.INFO
    """Of FFmpeg's, what is said."""


@dataclass
class Outcome:
    """How a job ended: FFmpeg's exit status, and the presentation times and durations (seconds) of the frames that were
    passed on; their rate, if that is what FFmpeg rounds the times to.
    """

    status: int = 0
    times: list[Fraction | None] = field(default_factory=list)
    durations: list[Fraction | None] = field(default_factory=list)
    rate: Fraction | None = None
    damage: Damage = field(default_factory=Damage)
    interrupted: bool = False
    is_cut: bool = False
    """Whether it was ended by `q`, with what there was."""


class Transcode:
    """One run of a job. What may wait for another program does so on a thread of its own, so that Ctrl-C is heard."""

    def __init__(self, job: Job, reporter: Reporter) -> None:
        self.job = job
        self.reporter = reporter
        self.outcome = Outcome()
        self._words = Words()
        self._reader = Reader(self._words.put)
        self._first: Shown | None = None
        self._asked = 0
        self._is_interlaced = False
        self._packets: Packets | None = None
        self._lost: frozenset[str] = frozenset()
        """Kinds of side data that have been warned of."""

    def run(self) -> Outcome:
        """To the end. Raises MediaError with the words of whichever program failed, and what the engine raises."""
        readable, writable = pipe()
        with self._inputs(is_decoder=True) as inputs, self._companion() as (beside, outputs):
            decoder = Child(
                "decoder", [self.job.binary.path, *self.job.decoder, *beside], heard=self._heard,
                say=lambda words: self.reporter.say(f"decoder: {words}"),
                stdin=None if self.job.reads_stdin else subprocess.DEVNULL, stdout=writable, limit=self.job.loglevel,
                pass_fds=[*inputs, *outputs], done=self._words.end,
            )  # fmt: skip
        os.close(writable)
        pictures = ahead(self._pictures(readable), 1)
        try:
            with _interrupts(lambda: self._interrupt(decoder)), self._keys(decoder):
                self._through(pictures, decoder)
        finally:
            decoder.kill()
            pictures.close()
            os.close(readable)
        return self.outcome

    def _inputs(self, *, is_decoder: bool) -> AbstractContextManager[Sequence[int]]:
        return self.job.relays.given(is_decoder=is_decoder) if self.job.relays else nullcontext(())

    @contextmanager
    def _companion(self) -> Iterator[tuple[Sequence[str], Sequence[int]]]:
        """The words of the decoder's output for a companion, if there is to be one, and what it inherits for that."""
        if self.job.companion is None:
            yield (), ()
            return
        with companion.receiving(self.job.companion.codec) as (self._packets, name, inherited):
            yield [*self.job.companion.words, name], inherited

    def _interrupt(self, decoder: Child) -> None:
        """At first, the pictures end here; the next time, everything does."""
        if self.outcome.interrupted:
            raise KeyboardInterrupt
        self.outcome.interrupted, self.outcome.status = True, INTERRUPTED
        self._end_sources(decoder)

    def _cut(self, decoder: Child) -> None:
        self.outcome.is_cut = True
        self._end_sources(decoder)

    def _keys(self, decoder: Child) -> AbstractContextManager[None]:
        return quit_key.quit_key(lambda: self._cut(decoder)) if self.job.has_keys else nullcontext()

    def _end_sources(self, decoder: Child) -> None:
        decoder.end()
        if self.job.relays:
            self.job.relays.cut()

    def _through(self, pictures: Iterator[av.VideoFrame], decoder: Child) -> None:
        encoder: Encoder | None = None
        try:
            for frame in pictures:
                if self._is_ended:
                    break
                encoder = encoder or self._encoder(frame)
                if not encoder.take(frame):
                    break
                self._note(frame)
                decoder.speech.let_out()
            self._check(decoder, encoder)
            if encoder:
                (encoder.stop if self._is_ended else encoder.finish)()
        except MediaError:
            _check_killed(decoder, self.outcome)
            raise
        finally:
            if encoder:
                encoder.kill()

    @property
    def _is_ended(self) -> bool:
        return self.outcome.interrupted or self.outcome.is_cut

    def _pictures(self, readable: int) -> Iterator[av.VideoFrame]:
        frames = self._decoded(readable)
        first = next(frames, None)
        if first is not None:
            options = self.job.options(first.width, first.height)
            yield from upscale_frames(chain([first], frames), active=self._chosen, side_data=False, **options)  # type: ignore[arg-type]

    def _decoded(self, readable: int) -> Iterator[av.VideoFrame]:
        for frame, shown in read(readable, self._words):
            if self._first is None:
                self._first = shown
                for words in color_tags.lost(shown):
                    self._warn(words)
                if not self.job.rotates and self.job.binary.version < _ROTATION_OPTION:
                    self._warn("-noautorotate: with FFmpeg before 6, the output lacks the display matrix of the source")
            if more := self._lacking(shown) - self._lost:
                self._lost |= more
                self._warn(lost_words(more))
            if shown.field != "P" and not self._is_interlaced:
                self._is_interlaced = True
                self._warn(INTERLACED)
            if self.job.strict and self.outcome.damage:
                return
            yield frame

    def _lacking(self, shown: Shown) -> frozenset[str]:
        lost = shown.lost(rotates=self.job.rotates)
        if self._first is not None:
            lost -= stream_side_data.kinds(stream_side_data.of(self._first, self._carrier))
        if self._carrier:
            return lost - self._carrier.carries
        return lost - {ROTATION} if self._keeps_rotation else lost

    @property
    def _carrier(self) -> companion.Codec | None:
        """The codec of the companion, if there is one."""
        return self._packets.codec if self._packets else None

    @property
    def _keeps_rotation(self) -> bool:
        """Whether the display matrix goes to the encoder; frames of a companion have none."""
        is_known = self._first is not None and self._first.rotation is not None
        can = self.job.binary.version >= _ROTATION_OPTION and not self._packets
        return is_known and can and not self.job.rotates

    def _warn(self, words: str) -> None:
        if self.job.loglevel >= loglevel.WARNING:
            self.reporter.say(f"warning: {words}")

    def _encoder(self, first: av.VideoFrame) -> Encoder:
        assert self._first is not None, "a picture has come out, so a frame has gone in"
        job, shown = self.job, self._first
        info = job.info(shown.time_base, shown.rate, _time(first))
        self.outcome.rate = info.sent_rate
        if self._packets and not frame_writer.can_carry(first, info):
            self._packets.drop()
            self._warn(f"{self._packets.codec} of the source are not carried to this output")
            self._packets = None
        said, is_stated = stream_side_data.of(shown, self._carrier), frame_writer.is_matroska(first, info)
        is_taken = job.binary.version >= color_tags.FROM_FRAMES or self._carrier is None
        for words in stream_side_data.lost(said, shown, job.codec, is_stated=is_stated, is_taken=is_taken):
            self._warn(words)
        info = replace(info, said=said) if is_stated else info
        start = begun(first, shown, info, job.codec, job.binary.version, self._carrier)
        if self._keeps_rotation:
            rotated = ["-noautorotate", "-display_rotation:v:0", f"{shown.rotation or 0:g}"]
            start = replace(start, reading=[*rotated, *start.reading])
        argv = job.encoder(start)
        if job.relays:
            job.relays.spare(argv)
        with self._inputs(is_decoder=False) as inputs:
            return Encoder(
                [job.binary.path, *argv], first, info, self.reporter.say, inputs=inputs, packets=self._packets
            )

    def _chosen(self, frame: av.VideoFrame) -> bool:
        number, self._asked = self._asked, self._asked + 1
        return self.job.active is None or self.job.active(_time(frame), number)

    def _note(self, frame: av.VideoFrame) -> None:
        time, tick = _time(frame), exact(frame.time_base) or Fraction(0)
        self.outcome.times.append(time)
        self.outcome.durations.append(frame.duration * tick if frame.duration else None)
        self.reporter.frame(float(time or 0))

    def _check(self, decoder: Child, encoder: Encoder | None) -> None:
        """What the decoder's end means, once its frames have come to an end, or the encoder wants no more of them."""
        if self._is_ended or (encoder and encoder.satisfied):
            return
        if self.job.strict and self.outcome.damage:
            raise MediaError(f"{self.outcome.damage}; the output is not finished, as -adcvsr_on_corrupt fail says")
        status = decoder.wait()
        _check_killed(decoder, self.outcome)
        if not encoder or (self.job.strict and status):
            raise ProgramError(f"{_count(self.outcome)} from the decoder: {decoder.speech.reason()}", status or 1)
        decoder.speech.let_out(0)
        self.outcome.status = status

    def _heard(self, line: str) -> bool:
        return self._reader.read(line) or is_no_complaint(line) or self.outcome.damage.read(line)


def begun(
    first: av.VideoFrame, shown: Shown, info: StreamInfo, codec: str, version: tuple[int, int],
    beside: companion.Codec | None,
) -> Start:  # fmt: skip
    """What the encoder must be told of pictures like `first`, given what was said of the frame that it is of."""
    carried = carrier_of(first.format.name).format
    return Start(
        [
            *(companion.merging(carried, info.tick) if beside else []),
            *frame_writer.filters(first.format.name, info, version),
            *color_tags.filters(shown, version),
        ],
        color_tags.encoder_options(shown, codec, version, is_graded=any(info.said)),
        [*(beside.reading if beside else ()), *frame_writer.options(first, info, has_companion=beside is not None)],
        info.origin,
        _time(first),
        companion.chain(first.width, first.height, carried, info.tick, version) if beside else (),
    )


def _time(frame: av.VideoFrame) -> Fraction | None:
    tick = exact(frame.time_base)
    return None if frame.pts is None or tick is None else frame.pts * tick


def _count(outcome: Outcome) -> str:
    return f"{len(outcome.times)} video frames came" if outcome.times else "no video frame came"


def _check_killed(decoder: Child, outcome: Outcome) -> None:
    """Raises MediaError if a signal that is none of ours was the decoder's end."""
    status = decoder.poll()
    if status is not None and status < 0 and not outcome.interrupted and not outcome.is_cut:
        raise MediaError(f"{killed('decoder', status)}; {_count(outcome)} through")


@contextmanager
def _interrupts(act: Callable[[], None]) -> Iterator[None]:
    """Calls `act` upon Ctrl-C, or when we are asked to end; as FFmpeg does, which knows no difference."""
    if threading.current_thread() is not threading.main_thread():
        yield  # where no signal is heard
        return
    asked = [signal.SIGINT, signal.SIGTERM]
    if sys.platform != "win32" and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as nohup has it
        asked.append(signal.SIGHUP)
    before = [signal.signal(number, lambda *_: act()) for number in asked]
    try:
        yield
    finally:
        for number, handler in zip(asked, before, strict=True):
            signal.signal(number, handler)

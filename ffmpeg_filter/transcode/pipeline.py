"""The transcode pipeline: decode, upscale, encode, each at its own speed.

Everything that can be checked is checked: exit statuses, reported damage, and the number of frames.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import chain

import av

from ffmpeg_filter.command import loglevel
from ffmpeg_filter.media import color_tags
from ffmpeg_filter.media.binary import Binary
from ffmpeg_filter.media.damage import Damage
from ffmpeg_filter.media.nut import to_fraction
from ffmpeg_filter.media.pipe_formats import pipe_format_of
from ffmpeg_filter.media.process import INTERRUPTED, ChildProcess, ProgramError, killed
from ffmpeg_filter.media.relay import InputRelays
from ffmpeg_filter.media.showinfo import ROTATION, FrameInfo, lost_side_data_warning
from ffmpeg_filter.transcode import companion, frame_writer, quit_key, stream_side_data, vsync
from ffmpeg_filter.transcode.companion import CompanionPackets, CompanionTrack
from ffmpeg_filter.transcode.decoder import Decoder
from ffmpeg_filter.transcode.encode_command import StartInfo
from ffmpeg_filter.transcode.encoder import Encoder
from ffmpeg_filter.transcode.frame_writer import StreamInfo
from ffmpeg_filter.transcode.interrupts import on_interrupt
from ffmpeg_filter.transcode.progress import Reporter
from ffmpeg_filter.upscale.prefetch import prefetch
from ffmpeg_filter.upscale.stream import upscale_frames
from vsadcvsr.errors import MediaError

_NO_FRAMES_HINT = "see whether -ss, -t, -to or a filter before adcvsr leaves any"
INTERLACED = "the source is interlaced and is upscaled as if it were not; deinterlace first (bwdif)"


@dataclass(frozen=True, kw_only=True)
class TranscodeJob:
    """Inputs of a run: programs, their arguments, and how frames are treated between them."""

    binary: Binary
    decoder_args: Sequence[str]
    """Arguments of the decode command."""
    encoder_args: Callable[[StartInfo], Sequence[str]]
    """Builds the arguments of the encode command."""
    upscale_options: Callable[[int, int], dict[str, object]]
    """Arguments of `upscale_frames` for a (width, height)."""
    stream_info: Callable[[Fraction, Fraction | None, Fraction | None], StreamInfo]
    """See `SplitCommand.stream_info`."""
    is_active: Callable[[Fraction | None, int], bool] | None = None
    """The `enable` predicate of time (seconds) and frame number."""
    codec: str = ""
    fails_on_damage: bool = False
    """Whether damage is an error (`-adcvsr_on_corrupt fail`)."""
    reads_stdin: bool = False
    reads_keys: bool = False
    """Whether `q` on standard input quits."""
    companion_track: CompanionTrack | None = None
    """The companion track, if there is one."""
    rotates: bool = True
    """Whether FFmpeg rotates frames, rather than leaving that to players."""
    relays: InputRelays | None = None
    """Inputs that can be read only once."""
    loglevel: int = loglevel.INFO
    """Highest FFmpeg log level that is shown."""
    frame_limit: int | None = None
    """Number of frames in the output, if it is limited and all filters after `adcvsr` pass on each frame."""
    fills_gaps: bool = False
    """Whether FFmpeg duplicates frames to fill gaps."""
    warnings: Sequence[str] = ()
    """Warnings to be shown with the first frame, without which FFmpeg's own error is enough."""


@dataclass
class Outcome:
    """Result of a run."""

    status: int = 0
    """FFmpeg's exit status."""
    times: list[Fraction | None] = field(default_factory=list)
    """Presentation times of the frames in seconds."""
    durations: list[Fraction | None] = field(default_factory=list)
    """Durations of the frames in seconds."""
    rate: Fraction | None = None
    """Frame rate to which FFmpeg rounds timestamps, if it does."""
    damage: Damage = field(default_factory=Damage)
    was_interrupted: bool = False
    was_quit: bool = False
    """Whether `q` ended it early."""


class Transcode:
    """One run. Everything that may block has its own thread, so that Ctrl-C is handled at once."""

    def __init__(self, job: TranscodeJob, reporter: Reporter) -> None:
        self.job = job
        self.reporter = reporter
        self.outcome = Outcome()
        self._first_info: FrameInfo | None = None
        self._active_calls = 0
        self._is_interlaced = False
        self._packets: CompanionPackets | None = None
        self._default_duration: Fraction | None = None
        """Duration (seconds) of frames that state none."""
        self._warned_of: frozenset[str] = frozenset()
        """Kinds of side data that a warning has named."""

    def run(self) -> Outcome:
        """Runs to the end. Raises MediaError with the failing program's message, and the engine's errors."""
        with self._inputs(is_decoder=True) as inputs, self._companion() as (companion_args, outputs):
            decoder = Decoder(
                [self.job.binary.path, *self.job.decoder_args, *companion_args],
                lambda message: self.reporter.notify(f"decoder: {message}"), max_level=self.job.loglevel,
                stdin=None if self.job.reads_stdin else subprocess.DEVNULL, pass_fds=[*inputs, *outputs],
            )  # fmt: skip
        self.outcome.damage = decoder.damage
        frames = prefetch(self._upscaled(decoder), 1)
        try:
            with on_interrupt(lambda: self._interrupt(decoder.child)), self._quit_key(decoder.child):
                self._encode(frames, decoder.child)
        finally:
            decoder.child.kill()
            frames.close()
            decoder.close()
        return self.outcome

    def _inputs(self, *, is_decoder: bool) -> AbstractContextManager[Sequence[int]]:
        return self.job.relays.inherited(is_decoder=is_decoder) if self.job.relays else nullcontext(())

    @contextmanager
    def _companion(self) -> Iterator[tuple[Sequence[str], Sequence[int]]]:
        """Output arguments and descriptors of the companion track, empty if there is none."""
        if self.job.companion_track is None:
            yield (), ()
            return
        with companion.open_receiver(self.job.companion_track.codec) as (self._packets, name, inherited):
            yield [*self.job.companion_track.output_args, name], inherited

    def _interrupt(self, decoder: ChildProcess) -> None:
        """The first time, ends the input; the second time, aborts."""
        if self.outcome.was_interrupted:
            raise KeyboardInterrupt
        self.outcome.was_interrupted, self.outcome.status = True, INTERRUPTED
        self._end_sources(decoder)

    def _quit(self, decoder: ChildProcess) -> None:
        self.outcome.was_quit = True
        self._end_sources(decoder)

    def _quit_key(self, decoder: ChildProcess) -> AbstractContextManager[None]:
        return quit_key.quit_key(lambda: self._quit(decoder)) if self.job.reads_keys else nullcontext()

    def _end_sources(self, decoder: ChildProcess) -> None:
        decoder.send_kill()
        if self.job.relays:
            self.job.relays.end_inputs()

    def _encode(self, frames: Iterator[av.VideoFrame], decoder: ChildProcess) -> None:
        encoder: Encoder | None = None
        try:
            for frame in frames:
                if self._is_ended:
                    break
                encoder = encoder or self._start_encoder(frame)
                if not encoder.write(frame):
                    break
                self._record(frame)
                decoder.log.flush()
                if self._has_enough:
                    break
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
        return self.outcome.was_interrupted or self.outcome.was_quit

    @property
    def _has_enough(self) -> bool:
        """Whether the output is full (`-frames:v`), which the encoder says only when it is sent more."""
        limit, outcome = self.job.frame_limit, self.outcome
        if limit is None or len(outcome.times) < limit or None in outcome.times:
            return False
        times = [time for time in outcome.times if time is not None]
        fills_gaps = self.job.fills_gaps
        return vsync.has_enough(limit, times, outcome.rate, outcome.durations, fills_gaps=fills_gaps)

    def _upscaled(self, decoder: Decoder) -> Iterator[av.VideoFrame]:
        frames = self._decoded(decoder)
        first = next(frames, None)
        if first is not None:
            options = self.job.upscale_options(first.width, first.height)
            yield from upscale_frames(chain([first], frames), active=self._is_active, side_data=False, **options)  # type: ignore[arg-type]

    def _decoded(self, decoder: Decoder) -> Iterator[av.VideoFrame]:
        for frame, frame_info in decoder:
            if self._first_info is None:
                self._first_info = frame_info
                for message in color_tags.lost_metadata(frame_info):
                    self._warn(message)
                if not self.job.rotates and self.job.binary.version < stream_side_data.ROTATION_OPTION:
                    self._warn("-noautorotate: with FFmpeg before 6, the output lacks the display matrix of the source")
            if lost := self._lost_side_data(frame_info) - self._warned_of:
                self._warned_of |= lost
                self._warn(lost_side_data_warning(lost))
            if frame_info.field != "P" and not self._is_interlaced:
                self._is_interlaced = True
                self._warn(INTERLACED)
            if self.job.fails_on_damage and self.outcome.damage:
                return
            yield frame

    def _lost_side_data(self, frame_info: FrameInfo) -> frozenset[str]:
        lost = frame_info.lost_side_data(rotates=self.job.rotates)
        if self._first_info is not None:
            lost -= stream_side_data.warned_kinds(
                stream_side_data.from_first_frame(self._first_info, self._companion_codec)
            )
        if self._companion_codec:
            return lost - self._companion_codec.carries
        return lost - {ROTATION} if self._rotation_options else lost

    @property
    def _companion_codec(self) -> companion.CompanionCodec | None:
        """The codec of the companion track, if there is one."""
        return self._packets.codec if self._packets else None

    @property
    def _rotation_options(self) -> list[str]:
        """Options that state the display matrix; none with a companion track, whose frames have none."""
        if self._first_info is None or self._packets:
            return []
        job = self.job
        return stream_side_data.rotation_options(self._first_info, job.binary.version, rotates=job.rotates)

    def _warn(self, message: str) -> None:
        if self.job.loglevel >= loglevel.WARNING:
            self.reporter.notify(f"warning: {message}")

    def _start_encoder(self, first: av.VideoFrame) -> Encoder:
        assert self._first_info is not None, "an output frame exists, so an input frame was read"
        job, frame_info = self.job, self._first_info
        stream_info = job.stream_info(frame_info.time_base, frame_info.rate, _seconds_of(first))
        if frame_info.rate is None and frame_info.duration == 0:
            stream_info = replace(stream_info, has_durations=False)
        self._default_duration = None if stream_info.has_durations else Fraction(0)
        self.outcome.rate = stream_info.encoder_rate
        if self._packets and not frame_writer.can_carry_companion(first, stream_info):
            self._packets.discard()
            self._warn(f"{self._packets.codec} of the source are not carried to this output")
            self._packets = None
        side_data = stream_side_data.from_first_frame(frame_info, self._companion_codec)
        is_stated = frame_writer.is_matroska(first, stream_info)
        reaches_encoder = job.binary.version >= color_tags.FRAME_METADATA or self._companion_codec is None
        lost_warnings = stream_side_data.lost_warnings(
            side_data, frame_info, job.codec, is_stated=is_stated, reaches_encoder=reaches_encoder
        )
        for message in (*job.warnings, *lost_warnings):
            self._warn(message)
        stream_info = replace(stream_info, side_data=side_data) if is_stated else stream_info
        start = start_info(first, frame_info, stream_info, job.codec, job.binary.version, self._companion_codec)
        start = replace(start, input_options=[*self._rotation_options, *start.input_options])
        argv = job.encoder_args(start)
        if job.relays:
            job.relays.limit_unused(argv)
        with self._inputs(is_decoder=False) as inputs:
            return Encoder(
                [job.binary.path, *argv], first, stream_info, self.reporter.notify, inputs=inputs, packets=self._packets
            )

    def _is_active(self, frame: av.VideoFrame) -> bool:
        number, self._active_calls = self._active_calls, self._active_calls + 1
        return self.job.is_active is None or self.job.is_active(_seconds_of(frame), number)

    def _record(self, frame: av.VideoFrame) -> None:
        time, time_base = _seconds_of(frame), to_fraction(frame.time_base) or Fraction(0)
        self.outcome.times.append(time)
        self.outcome.durations.append(frame.duration * time_base if frame.duration else self._default_duration)
        self.reporter.frame(float(time or 0))

    def _check(self, decoder: ChildProcess, encoder: Encoder | None) -> None:
        """Checks the decoder's exit after the last frame, or after the encoder stopped reading."""
        if self._is_ended or (encoder and (encoder.ended_early or self._has_enough)):
            return
        if self.job.fails_on_damage and self.outcome.damage:
            raise MediaError(f"{self.outcome.damage}; the output is not finished because of -adcvsr_on_corrupt fail")
        status = decoder.wait()
        _check_killed(decoder, self.outcome)
        if not encoder or (self.job.fails_on_damage and status):
            hint = "" if status else f"; {_NO_FRAMES_HINT}"
            raise ProgramError(f"{_count(self.outcome)} from the decoder: {decoder.log.reason()}{hint}", status or 1)
        decoder.log.flush(0)
        self.outcome.status = status


def start_info(
    first: av.VideoFrame, frame_info: FrameInfo, stream_info: StreamInfo, codec: str, version: tuple[int, int],
    companion_codec: companion.CompanionCodec | None,
) -> StartInfo:  # fmt: skip
    """Filters and options of the encode command for frames like `first`."""
    pixel_format = pipe_format_of(first.format.name).pixel_format
    return StartInfo(
        [
            *(companion.merge_filters(pixel_format, stream_info.time_base) if companion_codec else []),
            *frame_writer.restoring_filters(first.format.name, stream_info, version),
            *color_tags.filters(frame_info, version),
        ],
        color_tags.encoder_options(frame_info, codec, version, is_graded=any(stream_info.side_data)),
        [
            *(companion_codec.input_options if companion_codec else ()),
            *frame_writer.input_options(first, stream_info, has_companion=companion_codec is not None),
        ],
        stream_info.origin,
        _seconds_of(first),
        companion.frame_filters(first.width, first.height, pixel_format, stream_info.time_base, version)
        if companion_codec
        else (),
    )


def _seconds_of(frame: av.VideoFrame) -> Fraction | None:
    time_base = to_fraction(frame.time_base)
    return None if frame.pts is None or time_base is None else frame.pts * time_base


def _count(outcome: Outcome) -> str:
    return f"{len(outcome.times)} video frames came" if outcome.times else "no video frame came"


def _check_killed(decoder: ChildProcess, outcome: Outcome) -> None:
    """Raises MediaError if a signal from outside ended the decoder."""
    status = decoder.poll()
    if status is not None and status < 0 and not outcome.was_interrupted and not outcome.was_quit:
        raise MediaError(f"{killed('decoder', status)}; {_count(outcome)} from it")

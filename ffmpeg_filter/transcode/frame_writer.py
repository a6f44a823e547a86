"""Writer of upscaled frames to the encoder's pipe, in Matroska or NUT, with exact timestamps and frame rate."""

from __future__ import annotations

import os
from dataclasses import dataclass
from fractions import Fraction

import av

from ffmpeg_filter.media import matroska, nut, rawvideo
from ffmpeg_filter.media.matroska import StreamSideData
from ffmpeg_filter.media.nut import VideoTrack, to_fraction
from ffmpeg_filter.media.pipe_formats import pipe_format_of
from ffmpeg_filter.transcode import companion
from ffmpeg_filter.transcode.companion import CompanionPackets

TIME_ORIGIN = 1 << 20
"""Seconds added to make negative timestamps positive. FFmpeg handles an input with an offset differently from one
without.
"""
_UNKNOWN_RATE = Fraction(25)
_HEADER_BYTES = 64
_FFMPEG_7 = 59
"""libavutil of FFmpeg 7."""


@dataclass(frozen=True, kw_only=True)
class StreamInfo:
    """Properties that all frames share."""

    time_base: Fraction
    """Seconds per tick."""
    rate: Fraction | None = None
    """Frame rate before `adcvsr`; None if unknown."""
    has_durations: bool = True
    """Whether frames before `adcvsr` have durations, which FFmpeg 7.0 takes away with the rate, as in setpts."""
    stream_rate: Fraction | None = None
    """Frame rate of the source stream."""
    origin: int = 0
    """Seconds added to timestamps on the pipe."""
    disposition: int = 0
    """Disposition bits of the source stream."""
    begins_late: bool = False
    """Whether FFmpeg would duplicate the first frame to fill the time before it, if it came from a complex graph."""
    side_data: StreamSideData = matroska.NO_SIDE_DATA
    """Side data stated in the pipe's header."""

    @property
    def pipe_rate(self) -> Fraction:
        """The frame rate stated on the pipe."""
        return self.rate or self.stream_rate or _UNKNOWN_RATE

    @property
    def encoder_rate(self) -> Fraction:
        """The rate to whose multiples FFmpeg rounds timestamps."""
        return self.pipe_rate if self.has_durations else 1 / self.time_base

    @property
    def nut_time_base(self) -> Fraction:
        """Seconds per tick in NUT. FFmpeg takes a tick for a frame's duration where it does not believe the rate."""
        return self.time_base if self.pipe_rate < nut.RATE_LIMIT else 1 / self.pipe_rate


def input_options(frame: av.VideoFrame, stream_info: StreamInfo, *, has_companion: bool = False) -> list[str]:
    """Input options for frames like this one."""
    decoder = "-c:v:0" if has_companion else "-c:v"
    pipe_format = pipe_format_of(frame.format.name)
    if not is_matroska(frame, stream_info):
        return [decoder, pipe_format.decoder, "-f", "nut"]
    is_guessed = stream_info.pipe_rate <= matroska.GUESSED_RATE
    # of a companion, whose rate that of the frames becomes, FFmpeg would take what is coded in it
    probing = ["-fpsprobesize", "0"] if is_guessed and not has_companion else []
    return [decoder, pipe_format.decoder, *probing, "-f", "matroska"]


def restoring_filters(pixel_format: str, stream_info: StreamInfo, version: tuple[int, int]) -> list[str]:
    """Filters at the head of the encoder's graph that undo the pipe's representation. `version` is libavutil's."""
    clock = [f"settb={stream_info.time_base.numerator}/{stream_info.time_base.denominator}"]
    if stream_info.rate is None and not stream_info.has_durations and version[0] == _FFMPEG_7:
        clock += ["setpts=PTS"]  # takes both away there, and passes on when the video ends
    elif stream_info.rate is None:  # the only filter that removes the frame rate in every release
        clock = ["settb=1/1000000", "interleave=1", *clock]
    return [*clock, *pipe_format_of(pixel_format).restoring_filters(version)]


def can_carry_companion(frame: av.VideoFrame, stream_info: StreamInfo) -> bool:
    """Whether a companion track can accompany frames like this one."""
    fits = not stream_info.begins_late and is_matroska(frame, stream_info)
    return fits and companion.can_carry(pipe_format_of(frame.format.name).pixel_format, stream_info.time_base)


class FrameWriter:
    """Writes frames like `first`, each after its companion packet, if there is a companion track."""

    def __init__(
        self, descriptor: int, first: av.VideoFrame, stream_info: StreamInfo, packets: CompanionPackets | None = None
    ) -> None:
        self._descriptor, self._info = descriptor, stream_info
        self._pipe_format = pipe_format_of(first.format.name)
        self._size = rawvideo.frame_bytes(first, self._pipe_format)
        self._is_matroska = is_matroska(first, stream_info)
        self._last = Fraction(0)
        self._packets = packets
        video = VideoTrack(
            first.width,
            first.height,
            self._pipe_format.fourcc,
            stream_info.nut_time_base,
            stream_info.pipe_rate,
            stream_info.disposition,
        )
        coding = packets.codec.matroska_codec if packets else None
        header = matroska.header(video, coding, stream_info.side_data) if self._is_matroska else nut.header(video)
        self._write(header)

    def write(self, frame: av.VideoFrame) -> None:
        """Writes a frame. Raises BrokenPipeError (or another OSError) when the encoder stops reading."""
        time_base = to_fraction(frame.time_base) or self._info.time_base
        time = self._last if frame.pts is None else frame.pts * time_base
        duration = frame.duration * time_base if frame.duration else None
        self._last = time + (duration or 1 / self._info.pipe_rate)
        head, tail = self._framing(time + self._info.origin, duration)
        if self._packets:
            data = self._packets.next()
            self._write(data.join(matroska.block(time + self._info.origin, duration, len(data), is_companion=True)))
        self._write(head)
        for part in rawvideo.frame_buffers(frame, self._pipe_format):
            self._write(part)
        if tail:
            self._write(tail)

    def _framing(self, time: Fraction, duration: Fraction | None) -> tuple[bytes, bytes]:
        if self._is_matroska:
            return matroska.block(time, duration, self._size)
        ticks = time / self._info.nut_time_base + Fraction(1, 2)  # halves are rounded up, as FFmpeg does
        return nut.frame_header(max(0, int(ticks)), self._size), b""

    def _write(self, data: rawvideo.Buffer | bytes) -> None:
        left = memoryview(data).cast("B")
        while left:
            left = left[os.write(self._descriptor, left) :]


def is_matroska(frame: av.VideoFrame, info: StreamInfo) -> bool:
    """Whether Matroska can state the frame rate and hold such a frame; else NUT is used."""
    size = rawvideo.frame_bytes(frame, pipe_format_of(frame.format.name))
    return size + _HEADER_BYTES < matroska.MAX_BLOCK_BYTES and matroska.can_state_rate(info.pipe_rate)

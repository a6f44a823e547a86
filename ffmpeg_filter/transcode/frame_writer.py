"""Frames to the second FFmpeg, in Matroska or NUT, with their exact times and rate."""

from __future__ import annotations

import os
from dataclasses import dataclass
from fractions import Fraction

import av

from ffmpeg_filter.media import matroska, nut, rawvideo
from ffmpeg_filter.media.matroska import StreamSideData
from ffmpeg_filter.media.nut import Video, exact
from ffmpeg_filter.media.pipe_formats import carrier_of
from ffmpeg_filter.transcode import companion
from ffmpeg_filter.transcode.companion import Packets

ORIGIN = 1 << 20
"""Seconds by which times before zero are moved. FFmpeg treats an input that is moved otherwise than one that is not."""
_UNKNOWN_RATE = Fraction(25)
_HEADER_BYTES = 64


@dataclass(frozen=True, kw_only=True)
class StreamInfo:
    """What holds for all frames: `tick` is their time base (seconds), `rate` as the filter before says, None if
    unknown; `stream_rate` and `disposition` are those of the source's stream. `origin` (seconds) is added to all times
    on the pipe.
    """

    tick: Fraction
    rate: Fraction | None = None
    stream_rate: Fraction | None = None
    origin: int = 0
    disposition: int = 0
    begins_late: bool = False
    """Whether FFmpeg would repeat the first frame before its time, were it of a complex graph."""
    said: StreamSideData = matroska.NO_SIDE_DATA
    """Side data that the header of the pipe states."""

    @property
    def sent_rate(self) -> Fraction:
        """The rate that the pipe states."""
        return self.rate or self.stream_rate or _UNKNOWN_RATE


def options(frame: av.VideoFrame, info: StreamInfo, *, has_companion: bool = False) -> list[str]:
    """The input options with which FFmpeg reads frames like this one."""
    decoder = "-c:v:0" if has_companion else "-c:v"
    carrier = carrier_of(frame.format.name)
    return [decoder, carrier.decoder, "-f", "matroska" if is_matroska(frame, info) else "nut"]


def filters(pixel_format: str, info: StreamInfo, version: tuple[int, int]) -> list[str]:
    """Filters at the head of the second FFmpeg's graph, which make of the pipe's frames those that were before it.

    `version` is that of its libavutil.
    """
    clock = [f"settb={info.tick.numerator}/{info.tick.denominator}"]
    if info.rate is None:  # the one filter that takes the rate away
        clock = ["settb=1/1000000", "interleave=1", *clock]
    return [*clock, *carrier_of(pixel_format).back(version)]


def can_carry(frame: av.VideoFrame, info: StreamInfo) -> bool:
    """Whether a companion can go with frames like this one."""
    fits = not info.begins_late and is_matroska(frame, info)
    return fits and companion.can_carry(carrier_of(frame.format.name).format, info.tick)


class Writer:
    """Frames like `first` into a pipe that an encoder reads; each behind its packet of a companion, if there is one."""

    def __init__(self, descriptor: int, first: av.VideoFrame, info: StreamInfo, packets: Packets | None = None) -> None:
        self._descriptor, self._info = descriptor, info
        self._carrier = carrier_of(first.format.name)
        self._size = rawvideo.size(first, self._carrier)
        self._is_matroska = is_matroska(first, info)
        self._last = Fraction(0)
        self._packets = packets
        video = Video(first.width, first.height, self._carrier.tag, info.tick, info.sent_rate, info.disposition)
        coding = packets.codec.track if packets else None
        header = matroska.header(video, coding, info.said) if self._is_matroska else nut.header(video)
        self._write(header)

    def write(self, frame: av.VideoFrame) -> None:
        """Raises BrokenPipeError (or another OSError of the pipe) when the encoder reads no more."""
        tick = exact(frame.time_base) or self._info.tick
        time = self._last if frame.pts is None else frame.pts * tick
        duration = frame.duration * tick if frame.duration else None
        self._last = time + (duration or 1 / self._info.sent_rate)
        head, tail = self._around(time + self._info.origin, duration)
        if self._packets:
            data = self._packets.next()
            self._write(data.join(matroska.block(time + self._info.origin, duration, len(data), is_companion=True)))
        self._write(head)
        for part in rawvideo.parts(frame, self._carrier):
            self._write(part)
        if tail:
            self._write(tail)

    def _around(self, time: Fraction, duration: Fraction | None) -> tuple[bytes, bytes]:
        if self._is_matroska:
            return matroska.block(time, duration, self._size)
        return nut.packet_head(max(0, round(time / self._info.tick)), self._size), b""

    def _write(self, data: rawvideo.Buffer | bytes) -> None:
        left = memoryview(data).cast("B")
        while left:
            left = left[os.write(self._descriptor, left) :]


def is_matroska(frame: av.VideoFrame, info: StreamInfo) -> bool:
    """Whether Matroska can state the rate and hold such a frame."""
    size = rawvideo.size(frame, carrier_of(frame.format.name))
    return size + _HEADER_BYTES < matroska.LARGEST and matroska.states(info.sent_rate)

"""What an input holds, as far as FFmpeg's own choices depend on it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import islice

import av
from av.container import InputContainer

from ffmpeg_filter.argv import File
from ffmpeg_filter.nut import exact
from ffmpeg_filter.read_once import is_read_once
from ffmpeg_filter.spool import Probed, Reader

_BITMAPS = {"dvdsub", "pgssub", "dvbsub", "xsub", "dvd_subtitle", "hdmv_pgs_subtitle", "dvb_subtitle"}
_MADE_BY_MUXERS = {"encoder", "duration", "rotate", "bps", "number_of_frames", "number_of_bytes", "creation_time"}
_VIDEO_ALONE = {
    "yuv4mpegpipe",
    "rawvideo",
    "image2pipe",
    "h264",
    "hevc",
    "obu",
    "ivf",
    "mjpeg",
    "m4v",
    "mpegvideo",
    "vc1",
}
"""Formats that hold one video stream and nothing else."""
_LOOKED_INTO = {"h264", "hevc", "mpeg2video", "av1"}
_SIDE_DATA = re.compile(rb"GA94|JP3D|\0\0(?:\x01|\0[^\0])(?:\x06|\x4e\x01)\x2d", re.DOTALL)
"""What begins, in packets, closed captions (ATSC A/53) of any codec, and frame packing of MPEG-2, H.264 and HEVC."""
_LOOKED_AT = 24
"""Video packets of a file that are looked into for these."""
_DEFAULT, _ATTACHED = 0x1, 0x400
_TS_DISCONT = 0x200


@dataclass(frozen=True, kw_only=True)
class Stream:
    """One stream: `kind` is video, audio, subtitle, data or attachment; rates in frames a second: the
    average, and that from which FFmpeg begins its guess; `tick` is its time base in seconds.
    """

    index: int
    kind: str
    codec: str = ""
    disposition: int = 0
    """FFmpeg's bits."""
    is_default: bool = False
    is_cover: bool = False
    pixels: int = 0
    channels: int = 0
    frames: int = 0
    rate: Fraction | None = None
    base_rate: Fraction | None = None
    tick: Fraction | None = None
    tags: dict[str, str] = field(default_factory=dict)
    has_side_data: bool = False
    """Whether the first packets hold closed captions or frame packing, as far as they were looked into."""

    @property
    def is_bitmap(self) -> bool:
        """Whether subtitles are pictures."""
        return self.codec in _BITMAPS


@dataclass(frozen=True)
class Input:
    """The streams of a file, in order; none where it could not be looked into. `seconds` is its length, if known.

    `may_jump` is for formats such as MPEG-TS: their clock FFmpeg sets to zero where the first stream begins that it
    reads.
    """

    streams: tuple[Stream, ...] = ()
    seconds: float | None = None
    may_jump: bool = False

    def of_kind(self, kind: str) -> list[Stream]:
        return [stream for stream in self.streams if stream.kind == kind]

    def best_video(self) -> Stream | None:
        """The one that FFmpeg takes by itself: the largest, covers last."""
        return max(self.of_kind("video"), key=lambda one: (_video_rank(one), -one.index), default=None)


def _video_rank(stream: Stream) -> int:
    return 1 if stream.is_cover else stream.pixels + 5_000_000 * stream.is_default


def _audio_rank(stream: Stream) -> int:
    return stream.channels + 5_000_000 * stream.is_default


RANKS: dict[str, Callable[[Stream], int]] = {"video": _video_rank, "audio": _audio_rank}
"""By which FFmpeg takes one stream of a kind by itself, the highest."""


def probe(file: File, reader: Reader | None = None) -> Input:
    """The facts of an input of a command, none if it cannot be opened twice, or at all. One that can be read once is
    looked into by way of `reader`. Raises what that raises.
    """
    source = Probed(reader) if reader else None
    if source is None and is_read_once(file):
        return Input((Stream(index=0, kind="video"),) if _is_video_alone(file.last("f") or "") else ())
    given = {option.name: option.value for option in file.options if option.value is not None}
    form = given.pop("f", None)
    kept = {name: value for name, value in given.items() if name in {"framerate", "video_size", "pixel_format"}}
    try:
        with av.open(source or file.url, "r", format=form, options=kept) as opened:
            seconds = opened.duration / av.time_base if opened.duration else None
            jumps = bool(opened.format.flags & _TS_DISCONT)
            streams = tuple(_stream(one) for one in opened.streams)
            if source is None and file.path.is_file():
                streams = _with_side_data(opened, streams)
            return Input(streams, seconds, jumps)
    except (av.FFmpegError, OSError, ValueError):
        return Input()
    finally:
        if source is not None:
            source.close()


def _with_side_data(opened: InputContainer, streams: tuple[Stream, ...]) -> tuple[Stream, ...]:
    """The streams; it is noted which have side data in their first packets."""
    videos = [one for one in opened.streams.video if one.name in _LOOKED_INTO]
    packets = islice(opened.demux(videos), _LOOKED_AT)
    holding = {packet.stream_index for packet in packets if _SIDE_DATA.search(bytes(packet))}
    return tuple(replace(one, has_side_data=one.index in holding) for one in streams)


def _is_video_alone(form: str) -> bool:
    return form in _VIDEO_ALONE or form.endswith("_pipe")


def is_pipe(url: str) -> bool:
    """Whether a URL is standard input or output, which can be read but once."""
    return url == "-" or url.startswith(("pipe:", "fd:"))


def _stream(one: av.stream.Stream) -> Stream:
    disposition = int(one.disposition)
    facts = Stream(
        index=one.index,
        kind=str(one.type),
        disposition=disposition,
        is_default=bool(disposition & _DEFAULT),
        is_cover=bool(disposition & _ATTACHED),
        frames=one.frames,
        tags={name: value for name, value in one.metadata.items() if not _is_made(name)},
    )
    if isinstance(one, av.VideoStream):
        return replace(
            facts, codec=one.name or "", pixels=one.width * one.height, rate=exact(one.average_rate),
            base_rate=exact(one.base_rate), tick=exact(one.time_base),
        )  # fmt: skip
    if isinstance(one, av.AudioStream):
        return replace(facts, codec=one.name or "", channels=one.channels)
    return replace(facts, codec=getattr(one, "name", None) or "")  # a stream of no known kind has none


def _is_made(name: str) -> bool:
    return name.lower().lstrip("_").partition("-")[0] in _MADE_BY_MUXERS or name.startswith("_STATISTICS")

"""What an input holds, as far as FFmpeg's own choices depend on it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
from av.container import InputContainer

from ffmpeg_filter.command import input_files
from ffmpeg_filter.command.argv import File
from ffmpeg_filter.media import embedded_side_data
from ffmpeg_filter.media.embedded_side_data import NONE
from ffmpeg_filter.media.nut import exact
from ffmpeg_filter.media.relay import is_read_once
from ffmpeg_filter.media.showinfo import CAPTIONS
from ffmpeg_filter.media.spool import Probed, Reader

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
_LOOKED_AT, _LOOKED_AT_ONCE, _PICTURES_LOOKED_AT = 24, 8, 4
"""Video packets that are looked into for side data: of a film, of one that can be read once, of stills."""
_MP4 = "mp4"
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
    side_data: frozenset[str] = NONE
    """The kinds of side data that were found in it, of those that `embedded` looks for."""

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
            return Input(_with_side_data(opened, streams, file, once=source is not None), seconds, jumps)
    except (av.FFmpegError, OSError, ValueError):
        return Input()
    finally:
        if source is not None:
            source.close()


def _with_side_data(
    opened: InputContainer, streams: tuple[Stream, ...], file: File, *, once: bool
) -> tuple[Stream, ...]:
    """The streams with the kinds of side data that are in their first packets or, in a file, anywhere."""
    looked_into = {
        one.index: one.codec for one in streams if one.kind == "video" and one.codec in embedded_side_data.CODECS
    }
    is_film = not embedded_side_data.FILMS.isdisjoint(looked_into.values())
    found = {
        index: embedded_side_data.in_packet(codec, _extradata(opened, index)) for index, codec in looked_into.items()
    }
    of_all = NONE
    with suppress(av.FFmpegError, OSError):  # what is damaged is for FFmpeg to complain of
        count = _PICTURES_LOOKED_AT if not is_film else _LOOKED_AT_ONCE if once else _LOOKED_AT
        videos = [one for one in opened.streams.video if one.index in looked_into]
        packets = (packet for packet in opened.demux(videos) if packet.size)  # the last ones of streams are empty
        for packet in islice(packets, count) if videos else ():
            found[packet.stream_index] |= embedded_side_data.in_packet(looked_into[packet.stream_index], bytes(packet))
        if not once and _MP4 in opened.format.name:
            of_all = embedded_side_data.in_mp4(_paths(file))
        has_captions = any(CAPTIONS in kinds for kinds in found.values())
        if not once and is_film and not has_captions and embedded_side_data.has_later_captions(_paths(file)):
            found = {index: kinds | {CAPTIONS} for index, kinds in found.items()}
    return tuple(
        replace(one, side_data=found.get(one.index, NONE) | of_all) if one.kind == "video" else one for one in streams
    )


def _paths(file: File) -> list[Path]:
    """The files that an input reads."""
    return [path for path in input_files.of_input(file) if path.is_file()]


def _extradata(opened: InputContainer, index: int) -> bytes:
    """What the decoder needs beforehand, which of APNG is all in front of the first picture."""
    context = _context(opened.streams[index])
    return (context.extradata if context is not None else None) or b""


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
            facts, codec=_codec(one), pixels=getattr(one, "width", 0) * getattr(one, "height", 0),
            rate=exact(one.average_rate), base_rate=exact(one.base_rate), tick=exact(one.time_base),
        )  # fmt: skip
    if isinstance(one, av.AudioStream):
        return replace(facts, codec=getattr(one, "name", None) or "", channels=getattr(one, "channels", 0))
    return replace(facts, codec=getattr(one, "name", None) or "")  # a stream of no known kind has none


def _codec(one: av.VideoStream) -> str:
    """FFmpeg's name of the codec, whichever decoder there is for it; nothing where PyAV has none."""
    context = _context(one)
    return str(context.codec.canonical_name) if context is not None else ""


def _context(one: av.stream.Stream) -> av.CodecContext | None:
    return getattr(one, "codec_context", None)


def _is_made(name: str) -> bool:
    return name.lower().lstrip("_").partition("-")[0] in _MADE_BY_MUXERS or name.startswith("_STATISTICS")

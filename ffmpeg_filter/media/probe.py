"""Probing of inputs: the stream facts that FFmpeg's defaults depend on."""

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
from ffmpeg_filter.media.nut import to_fraction
from ffmpeg_filter.media.relay import is_read_once
from ffmpeg_filter.media.showinfo import CAPTIONS
from ffmpeg_filter.media.spool import ProbeReader, SpoolReader

_BITMAPS = {"dvdsub", "pgssub", "dvbsub", "xsub", "dvd_subtitle", "hdmv_pgs_subtitle", "dvb_subtitle"}
_MUXER_TAGS = {"encoder", "duration", "rotate", "bps", "number_of_frames", "number_of_bytes", "creation_time"}
_VIDEO_ONLY_FORMATS = {
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
"""Formats that hold exactly one video stream."""
_PROBED_PACKETS, _LOOKED_AT_ONCE, _PICTURES_LOOKED_AT = 24, 8, 4
"""Number of video packets searched for side data."""
_MP4 = "mp4"
_DEFAULT, _ATTACHED = 0x1, 0x400
_TS_DISCONT = 0x200


@dataclass(frozen=True, kw_only=True)
class InputStream:
    """One stream of an input."""

    index: int
    kind: str
    """video, audio, subtitle, data or attachment."""
    codec: str = ""
    disposition: int = 0
    """FFmpeg's disposition bits."""
    is_default: bool = False
    is_cover: bool = False
    pixels: int = 0
    """Width times height."""
    channels: int = 0
    frames: int = 0
    """Number of frames that the container states; 0 if unknown."""
    rate: Fraction | None = None
    """Average frames per second."""
    base_rate: Fraction | None = None
    """FFmpeg's guess of the real frame rate."""
    time_base: Fraction | None = None
    """Seconds per tick."""
    tags: dict[str, str] = field(default_factory=dict)
    side_data: frozenset[str] = NONE
    """The kinds of side data that were found in it, of those that `embedded` looks for."""

    @property
    def is_bitmap(self) -> bool:
        """Whether it is a bitmap subtitle."""
        return self.codec in _BITMAPS


@dataclass(frozen=True)
class InputInfo:
    """Facts of an input."""

    streams: tuple[InputStream, ...] = ()
    """In order; empty if it could not be probed."""
    seconds: float | None = None
    """Duration, if known."""
    has_discontinuities: bool = False
    """Whether timestamps may jump, as in MPEG-TS: FFmpeg then sets the clock to zero at the first stream that it
    reads.
    """

    def of_kind(self, kind: str) -> list[InputStream]:
        return [stream for stream in self.streams if stream.kind == kind]

    def best_video(self) -> InputStream | None:
        """The stream that FFmpeg selects by default: the largest, cover images last."""
        return max(self.of_kind("video"), key=lambda one: (_video_rank(one), -one.index), default=None)


def _video_rank(stream: InputStream) -> int:
    return 1 if stream.is_cover else stream.pixels + 5_000_000 * stream.is_default


def _audio_rank(stream: InputStream) -> int:
    return stream.channels + 5_000_000 * stream.is_default


STREAM_RANKS: dict[str, Callable[[InputStream], int]] = {"video": _video_rank, "audio": _audio_rank}
"""FFmpeg's default selection: the stream with the highest rank."""


def probe(file: File, reader: SpoolReader | None = None) -> InputInfo:
    """Probes an input; no facts if it cannot be opened, or not twice. An input that can be read only once is probed
    through `reader`. Raises what `reader` raises.
    """
    source = ProbeReader(reader) if reader else None
    if source is None and is_read_once(file):
        return InputInfo((InputStream(index=0, kind="video"),) if _holds_only_video(file.last("f") or "") else ())
    values = {option.name: option.value for option in file.options if option.value is not None}
    format_name = values.pop("f", None)
    options = {name: value for name, value in values.items() if name in {"framerate", "video_size", "pixel_format"}}
    try:
        with av.open(source or file.url, "r", format=format_name, options=options) as container:
            seconds = container.duration / av.time_base if container.duration else None
            has_discontinuities = bool(container.format.flags & _TS_DISCONT)
            streams = tuple(_stream_info(stream) for stream in container.streams)
            return InputInfo(
                _with_side_data(container, streams, file, once=source is not None), seconds, has_discontinuities
            )
    except (av.FFmpegError, OSError, ValueError):
        return InputInfo()
    finally:
        if source is not None:
            source.close()


def _with_side_data(
    container: InputContainer, streams: tuple[InputStream, ...], file: File, *, once: bool
) -> tuple[InputStream, ...]:
    """The streams, with `has_side_data` set from their first packets."""
    looked_into = {
        stream.index: stream.codec
        for stream in streams
        if stream.kind == "video" and stream.codec in embedded_side_data.CODECS
    }
    is_film = not embedded_side_data.FILMS.isdisjoint(looked_into.values())
    found = {
        index: embedded_side_data.in_packet(codec, _extradata(container, index)) for index, codec in looked_into.items()
    }
    of_all = NONE
    with suppress(av.FFmpegError, OSError):  # what is damaged is for FFmpeg to complain of
        count = _PICTURES_LOOKED_AT if not is_film else _LOOKED_AT_ONCE if once else _PROBED_PACKETS
        videos = [stream for stream in container.streams.video if stream.index in looked_into]
        packets = (packet for packet in container.demux(videos) if packet.size)  # the last ones of streams are empty
        for packet in islice(packets, count) if videos else ():
            found[packet.stream_index] |= embedded_side_data.in_packet(looked_into[packet.stream_index], bytes(packet))
        if not once and _MP4 in container.format.name:
            of_all = embedded_side_data.in_mp4(_paths(file))
        has_captions = any(CAPTIONS in kinds for kinds in found.values())
        if not once and is_film and not has_captions and embedded_side_data.has_later_captions(_paths(file)):
            found = {index: kinds | {CAPTIONS} for index, kinds in found.items()}
    return tuple(
        replace(stream, side_data=found.get(stream.index, NONE) | of_all) if stream.kind == "video" else stream
        for stream in streams
    )


def _paths(file: File) -> list[Path]:
    """The files that an input reads."""
    return [path for path in input_files.of_input(file) if path.is_file()]


def _extradata(opened: InputContainer, index: int) -> bytes:
    """What the decoder needs beforehand, which of APNG is all in front of the first picture."""
    context = _context(opened.streams[index])
    return (context.extradata if context is not None else None) or b""


def _holds_only_video(format_name: str) -> bool:
    return format_name in _VIDEO_ONLY_FORMATS or format_name.endswith("_pipe")


def is_pipe(url: str) -> bool:
    """Whether a URL is standard input or output."""
    return url == "-" or url.startswith(("pipe:", "fd:"))


def _stream_info(stream: av.stream.Stream) -> InputStream:
    disposition = int(stream.disposition)
    info = InputStream(
        index=stream.index,
        kind=str(stream.type),
        disposition=disposition,
        is_default=bool(disposition & _DEFAULT),
        is_cover=bool(disposition & _ATTACHED),
        frames=stream.frames,
        tags={name: value for name, value in stream.metadata.items() if not _is_muxer_tag(name)},
    )
    if isinstance(stream, av.VideoStream):
        return replace(
            info, codec=_codec(stream), pixels=getattr(stream, "width", 0) * getattr(stream, "height", 0),
            rate=to_fraction(stream.average_rate), base_rate=to_fraction(stream.base_rate),
            time_base=to_fraction(stream.time_base),
        )  # fmt: skip
    if isinstance(stream, av.AudioStream):
        return replace(info, codec=getattr(stream, "name", None) or "", channels=getattr(stream, "channels", 0))
    return replace(info, codec=getattr(stream, "name", None) or "")  # a stream of no known kind has none


def _codec(one: av.VideoStream) -> str:
    """FFmpeg's name of the codec, whichever decoder there is for it; nothing where PyAV has none."""
    context = _context(one)
    return str(context.codec.canonical_name) if context is not None else ""


def _context(one: av.stream.Stream) -> av.CodecContext | None:
    return getattr(one, "codec_context", None)


def _is_muxer_tag(name: str) -> bool:
    return name.lower().lstrip("_").partition("-")[0] in _MUXER_TAGS or name.startswith("_STATISTICS")

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

from ffmpeg_filter.command import input_files, urls
from ffmpeg_filter.command.argv import GLOBALS, File
from ffmpeg_filter.media import description, embedded_side_data, stream_specifiers
from ffmpeg_filter.media.embedded_side_data import NONE
from ffmpeg_filter.media.nut import to_fraction
from ffmpeg_filter.media.relay import DEVICES, is_read_once
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
_PROBED_PACKETS, _PROBED_PACKETS_ONCE, _PROBED_IMAGES = 24, 8, 4
"""Video packets searched for side data: of a file, of an input that is read only once, of images."""
_MP4 = "mp4"
_UNCOPIED_TAGS = {"creation_time", "company_name", "product_name", "product_version"}
_DEMUXER_OPTIONS = {"pix_fmt": "pixel_format", "r": "framerate", "s": "video_size"}
"""Options of the program that FFmpeg hands to demuxers by other names."""
DEFAULT, ATTACHED_PIC = 0x1, 0x400
_TS_DISCONT = 0x200


@dataclass(frozen=True, kw_only=True)
class InputStream:
    """One stream of an input."""

    index: int
    kind: str
    """video, audio, subtitle, data or attachment."""
    codec: str = ""
    id: int = 0
    """Number by which the container knows it."""
    programs: frozenset[int] = frozenset()
    """Numbers of the programs that have it, as in MPEG-TS."""
    groups: frozenset[tuple[int, int]] = frozenset()
    """Positions and ids of the stream groups that have it, as in MP4 with immersive audio (IAMF)."""
    disposition: int = 0
    """FFmpeg's disposition bits."""
    is_default: bool = False
    is_cover: bool = False
    is_disabled: bool = False
    """Whether the options of the input disable it (`-an`, `-discard all`)."""
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
    """Kinds of side data found in it; see `embedded_side_data`."""

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
    fault: str = ""
    """Why it could not be probed; empty if it was, or if FFmpeg cannot open it either."""
    uncopied_tags: tuple[str, ...] = ()
    """Names of those of its tags that FFmpeg does not copy by default."""

    def of_kind(self, kind: str) -> list[InputStream]:
        """Its streams of a kind without disabled ones."""
        return [stream for stream in self.streams if stream.kind == kind and not stream.is_disabled]

    def best_video(self) -> InputStream | None:
        """The stream that FFmpeg selects by default: the largest, cover images last."""
        return max(self.of_kind("video"), key=lambda stream: (_video_rank(stream), -stream.index), default=None)


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
    try:
        with av.open(
            source or file.url, "r", format=file.last("f"), container_options=_demuxer_options(file)
        ) as container:
            seconds = container.duration / av.time_base if container.duration else None
            has_discontinuities = bool(container.format.flags & _TS_DISCONT)
            infos = [_stream_info(stream) for stream in container.streams]
            infos = _with_memberships(container, infos, has_programs=has_discontinuities)
            streams = stream_specifiers.with_disabled(infos, file.options)
            return InputInfo(
                _with_side_data(container, streams, file, reads_once=source is not None),
                seconds,
                has_discontinuities,
                uncopied_tags=tuple(name for name in container.metadata if name.lower() in _UNCOPIED_TAGS),
            )
    except (av.FFmpegError, OSError, ValueError) as error:
        return InputInfo(fault=_fault(file, error))
    finally:
        if source is not None:
            source.close()


def _demuxer_options(file: File) -> dict[str, str]:
    """The options that FFmpeg hands to the demuxer and the protocol of an input, with its own default for MPEG-TS. They
    ignore options of decoders and of the program, none of which has the name of one of theirs.
    """
    return {"scan_all_pmts": "1"} | {
        _DEMUXER_OPTIONS.get(option.key, option.key): option.value
        for option in file.options
        if option.value is not None and not option.specifier and option.key not in {*GLOBALS, "f"}
    }


def _fault(file: File, error: Exception) -> str:
    """Why an input could not be opened; empty for a missing file, a device, or a live session."""
    is_live = file.last("f") in {*DEVICES, "lavfi"} or urls.protocol(file.url) in urls.SESSIONS
    if is_live or isinstance(error, FileNotFoundError):
        return ""
    return str(getattr(error, "strerror", None) or error)


def _with_side_data(
    container: InputContainer, streams: tuple[InputStream, ...], file: File, *, reads_once: bool
) -> tuple[InputStream, ...]:
    """The streams, with the side data found in their first packets."""
    codecs = {
        stream.index: stream.codec
        for stream in streams
        if stream.kind == "video" and stream.codec in embedded_side_data.CODECS
    }
    is_video = not embedded_side_data.VIDEO_CODECS.isdisjoint(codecs.values())
    kinds_of = {
        index: embedded_side_data.in_packet(codec, _extradata(container, index)) for index, codec in codecs.items()
    }
    common = NONE
    with suppress(av.FFmpegError, OSError):  # FFmpeg itself reports damage
        count = _PROBED_IMAGES if not is_video else _PROBED_PACKETS_ONCE if reads_once else _PROBED_PACKETS
        videos = [stream for stream in container.streams.video if stream.index in codecs]
        packets = (packet for packet in container.demux(videos) if packet.size)  # the last ones of streams are empty
        for packet in islice(packets, count) if videos else ():
            kinds_of[packet.stream_index] |= embedded_side_data.in_packet(codecs[packet.stream_index], bytes(packet))
        if not reads_once and _MP4 in container.format.name:
            common = embedded_side_data.in_mp4(_paths(file))
        has_captions = any(CAPTIONS in kinds for kinds in kinds_of.values())
        if not reads_once and is_video and not has_captions and embedded_side_data.has_later_captions(_paths(file)):
            kinds_of = {index: kinds | {CAPTIONS} for index, kinds in kinds_of.items()}
    return tuple(
        replace(stream, side_data=kinds_of.get(stream.index, NONE) | common) if stream.kind == "video" else stream
        for stream in streams
    )


def _paths(file: File) -> list[Path]:
    """Files that an input reads."""
    return [path for path in input_files.of_input(file) if path.is_file()]


def _extradata(container: InputContainer, index: int) -> bytes:
    """The decoder's extradata; in APNG it includes all chunks before the first image."""
    context = _context(container.streams[index])
    return (context.extradata if context is not None else None) or b""


def _holds_only_video(format_name: str) -> bool:
    return format_name in _VIDEO_ONLY_FORMATS or format_name.endswith("_pipe")


def _with_memberships(
    container: InputContainer, streams: list[InputStream], *, has_programs: bool
) -> list[InputStream]:
    """The streams with their programs or groups, if the format may have any."""
    if not has_programs and not {_MP4, "iamf"} & {*container.format.name.split(",")}:
        return streams
    lines = description.describe(container)
    pairs = [*description.programs(lines)] if has_programs else []
    groups = [*enumerate(description.groups(lines))]
    return [
        replace(
            stream,
            programs=frozenset(program for program, index in pairs if index == stream.index),
            groups=frozenset((position, group.id) for position, group in groups if stream.index in group.streams),
        )
        for stream in streams
    ]


def _stream_info(stream: av.stream.Stream) -> InputStream:
    disposition = int(stream.disposition)
    info = InputStream(
        index=stream.index,
        kind=str(stream.type),
        id=stream.id,
        disposition=disposition,
        is_default=bool(disposition & DEFAULT),
        is_cover=bool(disposition & ATTACHED_PIC),
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


def _codec(stream: av.VideoStream) -> str:
    """FFmpeg's codec name, independent of the decoder; empty if PyAV has no decoder."""
    context = _context(stream)
    return str(context.codec.canonical_name) if context is not None else ""


def _context(stream: av.stream.Stream) -> av.CodecContext | None:
    return getattr(stream, "codec_context", None)


def _is_muxer_tag(name: str) -> bool:
    return name.lower().lstrip("_").partition("-")[0] in _MUXER_TAGS or name.startswith("_STATISTICS")

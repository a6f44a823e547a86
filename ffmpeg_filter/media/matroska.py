"""Matroska muxer for raw video, block by block, with nanosecond timestamps and a duration per frame. Pure.

Timestamps may be equal, decreasing or negative, which FFmpeg's muxer refuses and its demuxer accepts (negative ones
rounded to two microseconds).
"""

from __future__ import annotations

import struct
from fractions import Fraction
from typing import NamedTuple

from ffmpeg_filter.media.nut import VideoTrack
from ffmpeg_filter.media.showinfo import Mastering

MAX_BLOCK_BYTES = 1 << 28
"""Largest block that FFmpeg's demuxer accepts, including its header."""
_SECOND = 10**9
_MAX_TERM = 30000
"""Largest numerator or denominator that the demuxer recovers for a frame rate, which is stored as a duration."""
_EBML, _DOC_TYPE, _DOC_TYPE_VERSION, _DOC_TYPE_READ_VERSION = 0x1A45DFA3, 0x4282, 0x4287, 0x4285
_SEGMENT = bytes.fromhex("18538067") + bytes.fromhex("01ffffffffffffff")  # of unknown size
_INFO, _TIMESTAMP_SCALE, _MUXER, _WRITER = 0x1549A966, 0x2AD7B1, 0x4D80, 0x5741
_TRACKS, _TRACK, _NUMBER, _UID, _TYPE, _LACING, _LANGUAGE = 0x1654AE6B, 0xAE, 0xD7, 0x73C5, 0x83, 0x9C, 0x22B59C
_DEFAULT_DURATION, _CODEC, _VIDEO, _WIDTH, _HEIGHT, _FOURCC = 0x23E383, 0x86, 0xE0, 0xB0, 0xBA, 0x2EB524
_DISPLAY_UNIT = 0x54B2
_FLAG_DEFAULT, _CODEC_PRIVATE = 0x88, 0x63A2
_COLOUR, _MAX_CLL, _MAX_FALL, _MASTERING = 0x55B0, 0x55BC, 0x55BD, 0x55D0
_CORNERS, _BRIGHTEST, _DARKEST = range(0x55D1, 0x55D9), 0x55D9, 0x55DA
DISPOSITIONS = {
    0x2: (0x55AE, 0), 0x4: (0x55AE, 1), 0x8: (0x55AF, 1), 0x40: (0x55AA, 1), 0x80: (0x55AB, 1), 0x100: (0x55AC, 1),
}  # fmt: skip
"""FFmpeg's disposition bits other than default, and their track flags."""
_CLUSTER, _TIMESTAMP, _GROUP, _BLOCK, _DURATION = 0x1F43B675, 0xE7, 0xA0, 0xA1, 0x9B
_BLOCK_HEADS = (b"\x81\0\0\0", b"\x82\0\0\0")  # track 1 or 2, at the cluster's own time


_STEREO_MODE = 0x53B8
PACKINGS = {
    "side by side": 1, "side by side (inverted)": 11, "top and bottom": 3, "top and bottom (inverted)": 2,
    "checkerboard": 5, "checkerboard (inverted)": 4, "interleaved lines": 7, "interleaved lines (inverted)": 6,
    "interleaved columns": 9, "interleaved columns (inverted)": 8,
}  # fmt: skip
"""FFmpeg's frame packing names and Matroska's stereo modes."""
_PROJECTION, _PROJECTION_TYPE, _PROJECTION_PRIVATE, _ROTATIONS = 0x7670, 0x7671, 0x7672, range(0x7673, 0x7676)


GUESSED_RATE = 5
"""Frames per second up to which FFmpeg takes its guess from the first times and durations for the rate, unless it may
look at none (`-fpsprobesize 0`).
"""


def can_state_rate(rate: Fraction) -> bool:
    """Whether the demuxer recovers a frame rate exactly."""
    if not Fraction(1, 1000) < rate < 1000 or max(rate.numerator, rate.denominator) > _MAX_TERM:
        return False
    among = max(1, min(_MAX_TERM, int(_MAX_TERM / rate)))
    return Fraction(_SECOND, round(_SECOND / rate)).limit_denominator(among) == rate


class TrackCodec(NamedTuple):
    """Codec of an encoded track."""

    codec: bytes
    """Matroska's codec ID."""
    private: bytes
    """The decoder's extradata."""
    size: int


class StreamSideData(NamedTuple):
    """What a header says of all frames: the display that they were graded on, their greatest and average light levels
    (MaxCLL, MaxFALL), how views are packed in them, and yaw, pitch and roll (degrees) of equirectangular pictures.
    """

    mastering: Mastering | None = None
    content_light: tuple[int, int] | None = None
    packing: str | None = None
    sphere: tuple[float, float, float] | None = None


NO_SIDE_DATA = StreamSideData()


def header(video: VideoTrack, companion: TrackCodec | None = None, side_data: StreamSideData = NO_SIDE_DATA) -> bytes:
    """The file header. If `companion` is not zero, there is a second track, MPEG-2, of that width and height."""
    ebml = _element(_DOC_TYPE, b"matroska") + _element(_DOC_TYPE_VERSION, 4) + _element(_DOC_TYPE_READ_VERSION, 2)
    info = _element(_TIMESTAMP_SCALE, 1) + _element(_MUXER, b"adcvsr") + _element(_WRITER, b"adcvsr")
    video_elements = _color_elements(side_data) + _geometry_elements(side_data)
    shape = (
        _element(_WIDTH, video.width)
        + _element(_HEIGHT, video.height)
        + _element(_FOURCC, video.fourcc)
        + video_elements
    )
    track = _element(_NUMBER, 1) + _element(_UID, 1) + _element(_TYPE, 1) + _element(_LACING, 0)
    track += _element(_LANGUAGE, b"und") + _element(_CODEC, b"V_UNCOMPRESSED")
    track += _element(_DEFAULT_DURATION, round(_SECOND / video.rate))
    track += _element(_FLAG_DEFAULT, video.disposition & 1)
    track += b"".join(_element(*flag) for bit, flag in DISPOSITIONS.items() if video.disposition & bit)
    track += _element(_VIDEO, shape + _element(_DISPLAY_UNIT, 4))  # an unknown one, since it is not said here
    tracks = _element(_TRACK, track) + (_track_codec(video, companion, video_elements) if companion else b"")
    return _element(_EBML, ebml) + _SEGMENT + _element(_INFO, info) + _element(_TRACKS, tracks)


def _track_codec(video: VideoTrack, coding: TrackCodec, video_elements: bytes) -> bytes:
    track = _element(_NUMBER, 2) + _element(_UID, 2) + _element(_TYPE, 1) + _element(_LACING, 0)
    track += _element(_LANGUAGE, b"und") + _element(_CODEC, coding.codec) + _element(_FLAG_DEFAULT, 0)
    track += _element(_CODEC_PRIVATE, coding.private) if coding.private else b""
    track += _element(_DEFAULT_DURATION, round(_SECOND / video.rate))
    shape = _element(_WIDTH, coding.size) + _element(_HEIGHT, coding.size) + video_elements
    return _element(_TRACK, track + _element(_VIDEO, shape))


def _color_elements(side_data: StreamSideData) -> bytes:
    """FFmpeg's demuxer takes light levels only where both are above zero."""
    parts = b""
    if side_data.content_light:
        parts += _element(_MAX_CLL, side_data.content_light[0]) + _element(_MAX_FALL, side_data.content_light[1])
    if mastering := side_data.mastering:
        coordinates = (*mastering.red, *mastering.green, *mastering.blue, *mastering.white)
        values = [
            *zip(_CORNERS, coordinates, strict=True),
            (_BRIGHTEST, mastering.brightest),
            (_DARKEST, mastering.darkest),
        ]
        parts += _element(_MASTERING, b"".join(_real(name, value) for name, value in values))
    return _element(_COLOUR, parts) if parts else b""


def _geometry_elements(side_data: StreamSideData) -> bytes:
    stereo_mode = _element(_STEREO_MODE, PACKINGS[side_data.packing]) if side_data.packing else b""
    if side_data.sphere is None:
        return stereo_mode
    whole = _element(_PROJECTION_TYPE, 1) + _element(_PROJECTION_PRIVATE, bytes(20))  # without borders
    rotation = b"".join(_real(name, value) for name, value in zip(_ROTATIONS, side_data.sphere, strict=True))
    return stereo_mode + _element(_PROJECTION, whole + rotation)


def _real(name: int, value: float) -> bytes:
    return _element(name, struct.pack(">d", value))


def block(time: Fraction, duration: Fraction | None, size: int, *, is_companion: bool = False) -> tuple[bytes, bytes]:
    """Bytes before and after a frame's data. Times in seconds, `size` in bytes."""
    block_head = _BLOCK_HEADS[is_companion]
    tail = b"" if duration is None else _element(_DURATION, round(duration * _SECOND))
    data = _element_header(_BLOCK, len(block_head) + size) + block_head
    group = _element_header(_GROUP, len(data) + size + len(tail)) + data
    stamp = _element(_TIMESTAMP, round(time * _SECOND))
    return _element_header(_CLUSTER, len(stamp) + len(group) + size + len(tail)) + stamp + group, tail


def _element(name: int, content: int | bytes) -> bytes:
    data = (content & (1 << 64) - 1).to_bytes(8) if isinstance(content, int) else content
    return _element_header(name, len(data)) + data


def _element_header(name: int, size: int) -> bytes:
    return name.to_bytes((name.bit_length() + 7) // 8) + (size | 1 << 56).to_bytes(8)

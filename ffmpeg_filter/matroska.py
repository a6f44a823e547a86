"""Matroska with raw video, written block by block: any time in nanoseconds, and a duration for each frame. Pure.

Timestamps may be equal, run backwards, or be before zero, which FFmpeg's own muxer refuses and its demuxer does not
mind; it rounds those before zero to two microseconds.
"""

from __future__ import annotations

from fractions import Fraction

from ffmpeg_filter.nut import Video

LARGEST = 1 << 28
"""Bytes that FFmpeg's demuxer takes in a block, its header included."""
_SECOND = 10**9
_LARGEST_TERM = 30000
"""The largest numerator or denominator that the demuxer finds for a frame rate, which is kept as a duration."""
_EBML, _DOC_TYPE, _DOC_TYPE_VERSION, _DOC_TYPE_READ_VERSION = 0x1A45DFA3, 0x4282, 0x4287, 0x4285
_SEGMENT = bytes.fromhex("18538067") + bytes.fromhex("01ffffffffffffff")  # of unknown size
_INFO, _TIMESTAMP_SCALE, _MUXER, _WRITER = 0x1549A966, 0x2AD7B1, 0x4D80, 0x5741
_TRACKS, _TRACK, _NUMBER, _UID, _TYPE, _LACING, _LANGUAGE = 0x1654AE6B, 0xAE, 0xD7, 0x73C5, 0x83, 0x9C, 0x22B59C
_DEFAULT_DURATION, _CODEC, _VIDEO, _WIDTH, _HEIGHT, _FOURCC = 0x23E383, 0x86, 0xE0, 0xB0, 0xBA, 0x2EB524
_DISPLAY_UNIT = 0x54B2
_FLAG_DEFAULT = 0x88
DISPOSITIONS = {
    0x2: (0x55AE, 0), 0x4: (0x55AE, 1), 0x8: (0x55AF, 1), 0x40: (0x55AA, 1), 0x80: (0x55AB, 1), 0x100: (0x55AC, 1),
}  # fmt: skip
"""FFmpeg's bits that a track can have beside that of a default one, and the flags that stand for them."""
_CLUSTER, _TIMESTAMP, _GROUP, _BLOCK, _DURATION = 0x1F43B675, 0xE7, 0xA0, 0xA1, 0x9B
_BLOCK_HEADS = (b"\x81\0\0\0", b"\x82\0\0\0")  # track 1 or 2, at the cluster's own time


def states(rate: Fraction) -> bool:
    """Whether a frame rate comes out of the demuxer as it went in."""
    if not Fraction(1, 1000) < rate < 1000 or max(rate.numerator, rate.denominator) > _LARGEST_TERM:
        return False
    among = max(1, min(_LARGEST_TERM, int(_LARGEST_TERM / rate)))
    return Fraction(_SECOND, round(_SECOND / rate)).limit_denominator(among) == rate


def header(video: Video, companion: int = 0) -> bytes:
    """The beginning of a file; its time base is the nanosecond, whatever that of the video. Beside that, there is a
    track with MPEG-2 if `companion` is not zero, which is then its width and height.
    """
    ebml = _element(_DOC_TYPE, b"matroska") + _element(_DOC_TYPE_VERSION, 4) + _element(_DOC_TYPE_READ_VERSION, 2)
    info = _element(_TIMESTAMP_SCALE, 1) + _element(_MUXER, b"adcvsr") + _element(_WRITER, b"adcvsr")
    shape = _element(_WIDTH, video.width) + _element(_HEIGHT, video.height) + _element(_FOURCC, video.tag)
    track = _element(_NUMBER, 1) + _element(_UID, 1) + _element(_TYPE, 1) + _element(_LACING, 0)
    track += _element(_LANGUAGE, b"und") + _element(_CODEC, b"V_UNCOMPRESSED")
    track += _element(_DEFAULT_DURATION, round(_SECOND / video.rate))
    track += _element(_FLAG_DEFAULT, video.disposition & 1)
    track += b"".join(_element(*flag) for bit, flag in DISPOSITIONS.items() if video.disposition & bit)
    track += _element(_VIDEO, shape + _element(_DISPLAY_UNIT, 4))  # an unknown one, since it is not said here
    tracks = _element(_TRACK, track) + (_companion(video, companion) if companion else b"")
    return _element(_EBML, ebml) + _SEGMENT + _element(_INFO, info) + _element(_TRACKS, tracks)


def _companion(video: Video, size: int) -> bytes:
    track = _element(_NUMBER, 2) + _element(_UID, 2) + _element(_TYPE, 1) + _element(_LACING, 0)
    track += _element(_LANGUAGE, b"und") + _element(_CODEC, b"V_MPEG2") + _element(_FLAG_DEFAULT, 0)
    track += _element(_DEFAULT_DURATION, round(_SECOND / video.rate))
    return _element(_TRACK, track + _element(_VIDEO, _element(_WIDTH, size) + _element(_HEIGHT, size)))


def block(time: Fraction, duration: Fraction | None, size: int, *, is_companion: bool = False) -> tuple[bytes, bytes]:
    """What comes before and after the data of a frame. Times are in seconds, the size in bytes."""
    block_head = _BLOCK_HEADS[is_companion]
    tail = b"" if duration is None else _element(_DURATION, round(duration * _SECOND))
    data = _head(_BLOCK, len(block_head) + size) + block_head
    group = _head(_GROUP, len(data) + size + len(tail)) + data
    stamp = _element(_TIMESTAMP, round(time * _SECOND))
    return _head(_CLUSTER, len(stamp) + len(group) + size + len(tail)) + stamp + group, tail


def _element(name: int, content: int | bytes) -> bytes:
    data = (content & (1 << 64) - 1).to_bytes(8) if isinstance(content, int) else content
    return _head(name, len(data)) + data


def _head(name: int, size: int) -> bytes:
    return name.to_bytes((name.bit_length() + 7) // 8) + (size | 1 << 56).to_bytes(8)

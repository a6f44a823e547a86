"""NUT muxer for raw video, packet by packet, with exact rates and time bases but no durations. Pure.

Timestamps may be equal or decreasing, which FFmpeg's muxer refuses and its demuxer accepts.
"""

from __future__ import annotations

import struct
from fractions import Fraction
from typing import NamedTuple, Protocol

_FILE = b"nut/multimedia container\0"
_MAIN, _STREAM, _SYNCPOINT, _INFO = (
    bytes.fromhex(code) for code in ("4e4d7a561f5f04ad", "4e5311405bf2f9db", "4e4be4adeeca4569", "4e49ab68b596ba78")
)
_KEY, _PTS, _STREAM_ID, _SIZE, _CHECKSUM, _INVALID = 1, 8, 16, 32, 64, 8192
DISPOSITIONS = {0x1: b"default", 0x2: b"dub", 0x4: b"original", 0x8: b"comment", 0x10: b"lyrics", 0x20: b"karaoke"}
"""FFmpeg's disposition bits that NUT can store, and their names."""
RATE_LIMIT = 1000
"""Frames per second from which FFmpeg's demuxer ignores a stated rate."""
_MAX_DISTANCE = 65536
_PTS_SHIFT = 7


class Ratio(Protocol):
    """A ratio of PyAV: a Fraction up to PyAV 18, its own type from 19 on."""

    @property
    def numerator(self) -> int: ...

    @property
    def denominator(self) -> int: ...


def to_fraction(ratio: Ratio | None) -> Fraction | None:
    """A ratio as a Fraction."""
    return Fraction(ratio.numerator, ratio.denominator) if ratio else None


class VideoTrack(NamedTuple):
    """A raw video stream."""

    width: int
    height: int
    fourcc: bytes
    time_base: Fraction
    """Seconds per tick."""
    rate: Fraction
    """Frames per second."""
    disposition: int = 0
    """FFmpeg's disposition bits."""


def header(video: VideoTrack) -> bytes:
    """The file header for one stream."""
    time_base = video.time_base
    main = b"".join(map(_number, (3, 1, _MAX_DISTANCE, 1, time_base.numerator, time_base.denominator)))
    main += _frame_codes() + _number(0)
    stream = b"".join(map(_number, (0, 0))) + _text(video.fourcc)
    stream += b"".join(map(_number, (0, _PTS_SHIFT, 0, 0, 0))) + _text(b"")
    stream += b"".join(map(_number, (video.width, video.height, 0, 0, 0)))
    packets = _packet(_MAIN, main) + _packet(_STREAM, stream)
    facts = [(b"r_frame_rate", f"{video.rate.numerator}/{video.rate.denominator}".encode())]
    facts += [(b"Disposition", name) for bit, name in DISPOSITIONS.items() if video.disposition & bit]
    info = _number(1) + _signed(0) + b"".join(map(_number, (0, 0, len(facts))))
    info += b"".join(_text(name) + _signed(-1) + _text(value) for name, value in facts)
    return _FILE + packets + _packet(_INFO, info)


def _frame_codes() -> bytes:
    """The frame code table: code 1 means that the frame header states everything, others are unused."""
    invalid, coded = _number(_INVALID), _number(_KEY | _STREAM_ID | _PTS | _SIZE | _CHECKSUM)
    rest = _signed(0) + b"".join(map(_number, (1, 0, 0, 0)))
    return (
        invalid + _number(6) + rest + _number(1)
        + coded + _number(6) + rest + _number(1)
        + invalid + _number(6) + rest + _number(253)
    )  # fmt: skip


def frame_header(pts: int, size: int) -> bytes:
    """Bytes before a frame's pixels; `pts` is in ticks, not negative. With a checksum, which demuxers require for
    frames above 128 KiB.
    """
    sync = _packet(_SYNCPOINT, _number(pts) + _number(0))
    return sync + _with_checksum(b"\x01" + _number(0) + _number(pts + (1 << _PTS_SHIFT)) + _number(size))


def _number(value: int) -> bytes:
    """Variable-length integer, 7 bits per byte, most significant first."""
    groups = [value & 0x7F]
    while value := value >> 7:
        groups.append(value & 0x7F | 0x80)
    return bytes(reversed(groups))


def _signed(value: int) -> bytes:
    return _number(2 * value - 1 if value > 0 else -2 * value)


def _text(value: bytes) -> bytes:
    return _number(len(value)) + value


def _packet(code: bytes, payload: bytes) -> bytes:
    return code + _number(len(payload) + 4) + _with_checksum(payload)


def _with_checksum(data: bytes) -> bytes:
    return data + struct.pack(">I", _checksum(data))


def _checksum(data: bytes) -> int:
    """CRC-32 with polynomial 0x04C11DB7, most significant bit first, initial value 0."""
    value = 0
    for byte in data:
        value = (value << 8 & 0xFFFFFFFF) ^ _TABLE[value >> 24 ^ byte]
    return value


def _remainder(byte: int) -> int:
    value = byte << 24
    for _ in range(8):
        value = (value << 1 ^ (0x04C11DB7 if value >> 31 else 0)) & 0xFFFFFFFF
    return value


_TABLE = tuple(map(_remainder, range(256)))

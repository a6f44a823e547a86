"""NUT with raw video, written packet by packet. Exact rates and time bases, but no durations. Pure.

Timestamps may be equal or run backwards, which FFmpeg's own muxer refuses and its demuxer does not mind.
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
"""FFmpeg's bits that a stream can have, and their names."""
_MAX_DISTANCE = 65536
_PTS_SHIFT = 7


class Ratio(Protocol):
    """A ratio of PyAV's: Python's own, or one of theirs from PyAV 19 on."""

    @property
    def numerator(self) -> int: ...

    @property
    def denominator(self) -> int: ...


def exact(ratio: Ratio | None) -> Fraction | None:
    """A ratio as Python's own."""
    return Fraction(ratio.numerator, ratio.denominator) if ratio else None


class Video(NamedTuple):
    """A stream of raw video: its size, FourCC, time base (seconds), frame rate, and FFmpeg's disposition bits."""

    width: int
    height: int
    tag: bytes
    tick: Fraction
    rate: Fraction
    disposition: int = 0


def header(video: Video) -> bytes:
    """The beginning of a file with one stream."""
    tick = video.tick
    main = b"".join(map(_number, (3, 1, _MAX_DISTANCE, 1, tick.numerator, tick.denominator)))
    main += _frame_codes() + _number(0)
    stream = b"".join(map(_number, (0, 0))) + _text(video.tag)
    stream += b"".join(map(_number, (0, _PTS_SHIFT, 0, 0, 0))) + _text(b"")
    stream += b"".join(map(_number, (video.width, video.height, 0, 0, 0)))
    packets = _packet(_MAIN, main) + _packet(_STREAM, stream)
    facts = [(b"r_frame_rate", f"{video.rate.numerator}/{video.rate.denominator}".encode())]
    facts += [(b"Disposition", name) for bit, name in DISPOSITIONS.items() if video.disposition & bit]
    info = _number(1) + _signed(0) + b"".join(map(_number, (0, 0, len(facts))))
    info += b"".join(_text(name) + _signed(-1) + _text(value) for name, value in facts)
    return _FILE + packets + _packet(_INFO, info)


def _frame_codes() -> bytes:
    """All frame codes: 1 says that everything is written in the frame's header, the others are not used."""
    invalid, coded = _number(_INVALID), _number(_KEY | _STREAM_ID | _PTS | _SIZE | _CHECKSUM)
    rest = _signed(0) + b"".join(map(_number, (1, 0, 0, 0)))
    return (
        invalid + _number(6) + rest + _number(1)
        + coded + _number(6) + rest + _number(1)
        + invalid + _number(6) + rest + _number(253)
    )  # fmt: skip


def packet_head(pts: int, size: int) -> bytes:
    """What comes before the pixels of a frame; `pts` is in ticks, 0 or more. Demuxers want a checksum in it from twice
    the maximal distance on, which is 128 KiB.
    """
    sync = _packet(_SYNCPOINT, _number(pts) + _number(0))
    return sync + _checked(b"\x01" + _number(0) + _number(pts + (1 << _PTS_SHIFT)) + _number(size))


def _number(value: int) -> bytes:
    """A number in groups of seven bits, the highest first."""
    groups = [value & 0x7F]
    while value := value >> 7:
        groups.append(value & 0x7F | 0x80)
    return bytes(reversed(groups))


def _signed(value: int) -> bytes:
    return _number(2 * value - 1 if value > 0 else -2 * value)


def _text(value: bytes) -> bytes:
    return _number(len(value)) + value


def _packet(code: bytes, payload: bytes) -> bytes:
    return code + _number(len(payload) + 4) + _checked(payload)


def _checked(data: bytes) -> bytes:
    return data + struct.pack(">I", _checksum(data))


def _checksum(data: bytes) -> int:
    """CRC-32 of the polynomial 0x04C11DB7, the highest bit first, from 0."""
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

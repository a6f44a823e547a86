"""Pictures with ICC profiles and EXIF, put into files that FFmpeg makes without."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

from tests.ffmpeg_filter.files import ffmpeg

_HEADER_BYTES = 33
"""Of a PNG file: its signature and first chunk."""
_PROFILE_TAG, _UNDEFINED = 34675, 7


def profile() -> bytes:
    """A well-formed ICC profile of a display, without a tag that says anything."""
    head = struct.pack(">I4s4s4s4s4s", 192, b"none", b"\x04\x30\0\0", b"mntr", b"RGB ", b"XYZ ").ljust(36, b"\0")
    return (head + b"acsp").ljust(128, b"\0") + struct.pack(">I", 0) + bytes(range(60))


def exif(orientation: int = 1) -> bytes:
    """A camera's make, and an orientation."""
    make = b"Camera\0\0"
    entries = struct.pack("<HHII", 0x010F, 2, len(make), 38) + struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0)
    return b"II*\0" + struct.pack("<IH", 8, 2) + entries + struct.pack("<I", 0) + make


def still(path: Path, *, pixels: str = "rgb24", orientation: int = 1) -> Path:
    """A picture with a profile and EXIF (TIFF: a profile), in the format of the file's suffix."""
    graph = "testsrc2=s=32x24,format=rgba,geq=r=X*8:g=Y*9:b=X+Y:a=X*7"
    ffmpeg(f"-f lavfi -i {graph} -frames:v 1 -update 1 -pix_fmt {pixels}", path)
    embed = {".png": _png, ".jpg": _jpeg, ".webp": _webp, ".tiff": _tiff}[path.suffix]
    path.write_bytes(embed(path.read_bytes(), profile(), exif(orientation)))
    return path


def with_track_profile(data: bytes) -> bytes:
    """An MP4 or MOV file of one track, its index behind the data, whose track has the profile."""
    box = struct.pack(">I", 12 + len(profile())) + b"colrprof" + profile()
    at = data.index(b"moov")
    changed = bytearray(data)
    for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"avc1"):
        at = data.index(name, at)
        (size,) = struct.unpack_from(">I", data, at - 4)
        struct.pack_into(">I", changed, at - 4, size + len(box))
    changed[at - 4 + size : at - 4 + size] = box
    return bytes(changed)


def _png(data: bytes, profile: bytes, exif: bytes) -> bytes:
    added = _chunk(b"iCCP", b"p\0\0" + zlib.compress(profile)) + _chunk(b"eXIf", exif)
    return data[:_HEADER_BYTES] + added + data[_HEADER_BYTES:]


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _jpeg(data: bytes, profile: bytes, exif: bytes) -> bytes:
    segments = [b"\xff\xe1", b"Exif\0\0" + exif, b"\xff\xe2", b"ICC_PROFILE\0\1\1" + profile]
    pairs = zip(segments[::2], segments[1::2], strict=True)
    return data[:2] + b"".join(name + struct.pack(">H", len(body) + 2) + body for name, body in pairs) + data[2:]


def _webp(data: bytes, profile: bytes, exif: bytes) -> bytes:
    canvas = bytes([0x28, 0, 0, 0]) + (31).to_bytes(3, "little") + (23).to_bytes(3, "little")
    picture = data[data.index(b"VP8") :]
    body = b"WEBP" + _riff(b"VP8X", canvas) + _riff(b"ICCP", profile) + picture + _riff(b"EXIF", exif)
    return _riff(b"RIFF", body)


def _riff(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)


def _tiff(data: bytes, profile: bytes, exif: bytes) -> bytes:
    """With its directory copied to the end, and a tag more."""
    at, order = int.from_bytes(data[4:8], "little"), "<"
    count = struct.unpack_from(f"{order}H", data, at)[0]
    entries = data[at + 2 : at + 2 + 12 * count]
    tag = struct.pack(f"{order}HHII", _PROFILE_TAG, _UNDEFINED, len(profile), len(data))
    directory = struct.pack(f"{order}H", count + 1) + entries + tag + bytes(4)
    return data[:4] + struct.pack(f"{order}I", len(data) + len(profile)) + data[8:] + profile + directory

"""Side data in the bytes of a source, found without decoding: what its frames will bring along."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from ffmpeg_filter.media.showinfo import CAPTIONS, EXIF, HDR10_PLUS, PACKING, PROFILE

NONE: frozenset[str] = frozenset()
FILMS = {"h264", "hevc", "mpeg2video", "av1"}
_OF_FILMS = {
    CAPTIONS: re.compile(rb"GA94"),
    PACKING: re.compile(rb"JP3D|\0\0(?:\x01|\0[^\0])(?:\x06|\x4e\x01)\x2d", re.DOTALL),
    HDR10_PLUS: re.compile(rb"\xb5\x00\x3c\x00\x01\x04"),
}
"""What begins closed captions (ATSC A/53) of any codec, frame packing of MPEG-2, H.264 and HEVC, and HDR10+."""
_OF_PNG = {PROFILE: re.compile(b"iCCP"), EXIF: re.compile(b"eXIf")}
_ALWAYS = re.compile(b"")
_IN_PACKETS: dict[str, dict[str, re.Pattern[bytes]]] = {
    **dict.fromkeys(FILMS, _OF_FILMS),
    "": {PROFILE: _ALWAYS, EXIF: _ALWAYS},  # what PyAV has no decoder for, such as JPEG XL
    "png": _OF_PNG,
    "apng": _OF_PNG,
    "mjpeg": {PROFILE: re.compile(b"ICC_PROFILE\0"), EXIF: re.compile(b"Exif\0\0")},
    "webp": {PROFILE: re.compile(b"ICCP"), EXIF: re.compile(b"EXIF")},
    "tiff": {PROFILE: re.compile(rb"\x73\x87\x07\0|\x87\x73\0\x07"), EXIF: _ALWAYS},  # all of its tags are EXIF
}
CODECS = set(_IN_PACKETS)
"""Whose packets are worth a look."""
_IN_HEADS = {PROFILE: re.compile(b"colr(?:prof|rICC)"), EXIF: re.compile(b"infe.{8,12}Exif", re.DOTALL)}
"""What begins an ICC profile of a track or an item of MP4, and names an item with EXIF."""
_HEADS = {b"moov", b"meta"}
_LONGEST_HEAD = 1 << 26
_LATER = b"GA94\x03"
_WINDOW, _WINDOWS = 1 << 19, 128
"""Bytes that are read of a file at each of so many places, to find captions that begin after its first packets."""


def in_packet(codec: str, data: bytes) -> frozenset[str]:
    """The kinds of side data in a packet."""
    return frozenset(kind for kind, pattern in _IN_PACKETS.get(codec, {}).items() if pattern.search(data))


def in_mp4(paths: Sequence[Path]) -> frozenset[str]:
    """The kinds of side data that MP4, QuickTime, AVIF or HEIF files have for whole streams."""
    heads = b""
    for path in paths:
        with path.open("rb") as file:
            heads += b"".join(_heads(file, path.stat().st_size))
    return frozenset(kind for kind, pattern in _IN_HEADS.items() if pattern.search(heads))


def _heads(file: IO[bytes], size: int) -> Iterator[bytes]:
    at = 0
    while at + 8 <= size:
        file.seek(at)
        length, name = int.from_bytes(file.read(4)), file.read(4)
        if length == 1:
            length = int.from_bytes(file.read(8))
        length = length or size - at
        if length < 8:
            return
        if name in _HEADS:
            yield file.read(min(length, _LONGEST_HEAD))
        at += length


def has_later_captions(paths: Sequence[Path]) -> bool:
    """Whether closed captions stand anywhere in files, as far as samples of their bytes show: all of small ones, else
    windows at even distances, so that those of a programme are found behind whatever it begins with.
    """
    return any(_has_captions(path, max(1, _WINDOWS // len(paths))) for path in paths)


def _has_captions(path: Path, windows: int) -> bool:
    size = path.stat().st_size
    with path.open("rb") as file:
        for at in range(0, size, max(_WINDOW, size // windows)):
            file.seek(at)
            if _LATER in file.read(_WINDOW):
                return True
    return False

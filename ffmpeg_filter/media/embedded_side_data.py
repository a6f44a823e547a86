"""Side data in a source's bytes, detected without decoding."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from ffmpeg_filter.media.showinfo import CAPTIONS, EXIF, HDR10_PLUS, PACKING, PROFILE

NONE: frozenset[str] = frozenset()
VIDEO_CODECS = {"h264", "hevc", "mpeg2video", "av1"}
_VIDEO_PATTERNS = {
    CAPTIONS: re.compile(rb"GA94"),
    PACKING: re.compile(rb"JP3D|\0\0(?:\x01|\0[^\0])(?:\x06|\x4e\x01)\x2d", re.DOTALL),
    HDR10_PLUS: re.compile(rb"\xb5\x00\x3c\x00\x01\x04"),
}
"""Start codes of closed captions (ATSC A/53) in any codec, of frame packing in MPEG-2, H.264 and HEVC, and of
HDR10+.
"""
_PNG_PATTERNS = {PROFILE: re.compile(b"iCCP"), EXIF: re.compile(b"eXIf")}
_ALWAYS = re.compile(b"")
_PACKET_PATTERNS: dict[str, dict[str, re.Pattern[bytes]]] = {
    **dict.fromkeys(VIDEO_CODECS, _VIDEO_PATTERNS),
    "": {PROFILE: _ALWAYS, EXIF: _ALWAYS},  # what PyAV has no decoder for, such as JPEG XL
    "png": _PNG_PATTERNS,
    "apng": _PNG_PATTERNS,
    "mjpeg": {PROFILE: re.compile(b"ICC_PROFILE\0"), EXIF: re.compile(b"Exif\0\0")},
    "webp": {PROFILE: re.compile(b"ICCP"), EXIF: re.compile(b"EXIF")},
    "tiff": {PROFILE: re.compile(rb"\x73\x87\x07\0|\x87\x73\0\x07"), EXIF: _ALWAYS},  # all of its tags are EXIF
}
CODECS = set(_PACKET_PATTERNS)
"""Codecs whose packets may contain side data."""
IMAGE_CODECS = CODECS - VIDEO_CODECS
"""Codecs of images, which have a profile of their own."""
_MP4_PATTERNS = {PROFILE: re.compile(b"colr(?:prof|rICC)"), EXIF: re.compile(b"infe.{8,12}Exif", re.DOTALL)}
"""Boxes of an ICC profile or EXIF item in MP4 files."""
_MP4_BOXES = {b"moov", b"meta"}
_MAX_BOX_BYTES = 1 << 26
_CAPTION_MARK = b"GA94\x03"
_WINDOW, _WINDOWS = 1 << 19, 128
"""Bytes read at a time, and at how many places, to find captions that start after the first packets."""


def in_packet(codec: str, data: bytes) -> frozenset[str]:
    """Kinds of side data in a packet."""
    return frozenset(kind for kind, pattern in _PACKET_PATTERNS.get(codec, {}).items() if pattern.search(data))


def in_mp4(paths: Sequence[Path]) -> frozenset[str]:
    """Kinds of side data that MP4, QuickTime, AVIF or HEIF files store for whole streams."""
    heads = b""
    for path in paths:
        with path.open("rb") as file:
            heads += b"".join(_mp4_boxes(file, path.stat().st_size))
    return frozenset(kind for kind, pattern in _MP4_PATTERNS.items() if pattern.search(heads))


def _mp4_boxes(file: IO[bytes], size: int) -> Iterator[bytes]:
    at = 0
    while at + 8 <= size:
        file.seek(at)
        length, name = int.from_bytes(file.read(4)), file.read(4)
        if length == 1:
            length = int.from_bytes(file.read(8))
        length = length or size - at
        if length < 8:
            return
        if name in _MP4_BOXES:
            yield file.read(min(length, _MAX_BOX_BYTES))
        at += length


def has_later_captions(paths: Sequence[Path]) -> bool:
    """Whether closed captions occur anywhere in files: small files are searched whole, large ones at evenly spaced
    windows.
    """
    return any(_has_captions(path, max(1, _WINDOWS // len(paths))) for path in paths)


def _has_captions(path: Path, windows: int) -> bool:
    size = path.stat().st_size
    with path.open("rb") as file:
        for at in range(0, size, max(_WINDOW, size // windows)):
            file.seek(at)
            if _CAPTION_MARK in file.read(_WINDOW):
                return True
    return False

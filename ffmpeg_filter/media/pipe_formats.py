"""How each pixel format crosses the pipe to the encoder: a decoder, its FourCC, and what gives the format back. Pure.

FFmpeg's raw video has FourCCs for most. What has none goes as a format with the same samples, or as a PFM picture.
"""

from __future__ import annotations

from dataclasses import dataclass

from ffmpeg_filter.media.pixel_formats import LAYOUTS, Layout, layout_of
from vsadcvsr.errors import FormatError

_NAMED = {
    "yuv420p": b"I420", "yuv422p": b"Y42B", "yuv444p": b"444P", "yuv440p": b"440P", "yuv411p": b"Y41B",
    "yuv410p": b"YUV9", "nv12": b"NV12", "nv21": b"NV21", "yuyv422": b"YUY2", "yvyu422": b"YVYU", "uyvy422": b"UYVY",
    "rgb24": b"RGB\x18", "bgr24": b"BGR\x18", "rgba": b"RGBA", "bgra": b"BGRA", "argb": b"ARGB", "abgr": b"ABGR",
    "rgb0": b"RGB\0", "bgr0": b"BGR\0", "0rgb": b"\0RGB", "0bgr": b"\0BGR", "rgb48": b"RGB0", "bgr48": b"BGR0",
    "rgba64": b"RBA@", "bgra64": b"BRA@", "gray": b"Y800", "ya8": b"Y2\0\x08",
}  # fmt: skip
_CHROMA = {(1, 1): 11, (1, 0): 10, (0, 0): 0}
_SAME_SAMPLES = {"nv16": "yuv422p", "nv24": "yuv444p", "nv42": "yuv444p", "ya16": "yuva444p16"}
_NOT_NATIVE = {"p010le": "be", "p016le": "be"}
"""Formats to which FFmpeg's shortcut from planes of the same byte order loses the last column of an odd width."""
_FULL_RANGE = "in_range=full:out_range=full:"
"""Grey with alpha is of full range in FFmpeg whatever is said of it."""
_PFM_FROM_BELOW = (58, 0)
"""libavutil of FFmpeg 6. Before, PFM is read as if its first line were the top."""
_HALF = 16
_FLOATS = {"grayf32": b"Pf", "gbrpf32": b"PF"}


@dataclass(frozen=True)
class Carrier:
    """`decoder` reads the pixels, which are those of `format` where that is a raw one, under `tag`; `filters` give
    the original format back. `picture` is the first line of a PFM file, for floats.
    """

    decoder: str
    tag: bytes
    format: str
    filters: tuple[str, ...] = ()
    picture: bytes = b""

    def back(self, version: tuple[int, int]) -> tuple[str, ...]:
        """The filters for an FFmpeg of which libavutil has that version."""
        return ("vflip", *self.filters) if self.picture and version < _PFM_FROM_BELOW else self.filters


def carrier_of(pixel_format: str) -> Carrier:
    """The way of a pixel format. Raises FormatError for one that has no layout."""
    layout = layout_of(pixel_format)
    plain, order = _parted(pixel_format)
    if layout.format.is_float and layout.format.bits == _HALF:
        raise FormatError(
            f"pixel format is {pixel_format!r}, which FFmpeg has no raw video of; put format=… before adcvsr"
        )
    if plain in _FLOATS:
        back = () if order != "be" else (f"format={pixel_format}",)
        return Carrier("pfm", b"PFM\0", f"{plain}le", back, _FLOATS[plain])
    if pixel_format.startswith("yuvj"):  # whose range is said beside it
        return Carrier("rawvideo", tag_of(pixel_format.replace("j", "")) or b"", pixel_format)
    if tag := tag_of(pixel_format):
        return Carrier("rawvideo", tag, pixel_format)
    same = _with_same_samples(plain, _NOT_NATIVE.get(pixel_format, order), layout)
    spread = _FULL_RANGE if layout.format.family == "GRAY" else ""
    return Carrier("rawvideo", tag_of(same) or b"", same, (f"scale={spread}flags=neighbor,format={pixel_format}",))


def _with_same_samples(plain: str, order: str, layout: Layout) -> str:
    """A planar format that holds the samples of another, and as few others as can be."""
    bits = layout.format.bits
    depth = f"{bits}{order}" if bits > 8 else ""
    if plain in _SAME_SAMPLES:
        return f"{_SAME_SAMPLES[plain]}{order}"
    across, down = layout.format.subsampling
    chroma = {(1, 1): "420", (1, 0): "422"}.get((across, down), "444")
    return f"yuv{chroma}p{depth}"


def tag_of(pixel_format: str) -> bytes | None:
    """The FourCC that FFmpeg's raw video has for a pixel format; None where it has none."""
    plain, order = _parted(pixel_format)
    if tag := _NAMED.get(plain):
        return tag[3:] + tag[:3] if order == "be" else tag
    tag = _pattern(pixel_format)
    return tag[::-1] if tag and order == "be" else tag


def _pattern(pixel_format: str) -> bytes | None:
    """The FourCC of planes: their family and number, the chroma's shape, the bits."""
    layout = LAYOUTS.get(pixel_format)
    if layout is None or pixel_format.startswith(("yuvj", "p0", "p2", "p4", "nv", "ya16")):
        return None
    form, count = layout.format, len(layout.components)
    chroma = _CHROMA.get(form.subsampling)
    if chroma is None or (form.is_float and count < 4):
        return None
    letter = b"G" if form.family == "RGB" else b"Y"
    return letter + str(count).encode() + bytes([chroma, form.bits + form.is_float])


def _parted(pixel_format: str) -> tuple[str, str]:
    """A pixel format's name without its byte order, and that: `le`, `be` or nothing."""
    for order in ("le", "be"):
        if pixel_format.endswith(order):
            return pixel_format.removesuffix(order), order
    return pixel_format, ""

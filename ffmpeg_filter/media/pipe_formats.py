"""Representation of each pixel format on the pipe to the encoder: decoder, FourCC and restoring filters. Pure.

Most formats have a raw video FourCC. Others are sent as a format with the same samples, or as PFM images.
"""

from __future__ import annotations

from dataclasses import dataclass

from ffmpeg_filter.media.pixel_formats import LAYOUTS, PixelLayout, layout_of
from vsadcvsr.errors import FormatError

_FOURCCS = {
    "yuv420p": b"I420", "yuv422p": b"Y42B", "yuv444p": b"444P", "yuv440p": b"440P", "yuv411p": b"Y41B",
    "yuv410p": b"YUV9", "nv12": b"NV12", "nv21": b"NV21", "yuyv422": b"YUY2", "yvyu422": b"YVYU", "uyvy422": b"UYVY",
    "rgb24": b"RGB\x18", "bgr24": b"BGR\x18", "rgba": b"RGBA", "bgra": b"BGRA", "argb": b"ARGB", "abgr": b"ABGR",
    "rgb0": b"RGB\0", "bgr0": b"BGR\0", "0rgb": b"\0RGB", "0bgr": b"\0BGR", "rgb48": b"RGB0", "bgr48": b"BGR0",
    "rgba64": b"RBA@", "bgra64": b"BRA@", "gray": b"Y800", "ya8": b"Y2\0\x08",
}  # fmt: skip
_CHROMA = {(1, 1): 11, (1, 0): 10, (0, 0): 0}
_SAME_SAMPLES = {"nv16": "yuv422p", "nv24": "yuv444p", "nv42": "yuv444p", "ya16": "yuva444p16"}
_NOT_NATIVE = {"p010le": "be", "p016le": "be"}
"""Formats for which FFmpeg's fast path from planes of the same byte order loses the last column of odd widths."""
_FULL_RANGE = "in_range=full:out_range=full:"
"""Grey with alpha is always full range in FFmpeg."""
_PFM_FROM_BELOW = (58, 0)
"""libavutil of FFmpeg 6. Earlier versions read PFM upside down."""
_HALF = 16  # bits
_FLOATS = {"grayf32": b"Pf", "gbrpf32": b"PF"}


@dataclass(frozen=True)
class PipeFormat:
    """Representation of a pixel format on the pipe."""

    decoder: str
    """The decoder that reads it."""
    fourcc: bytes
    pixel_format: str
    """The pixel format on the pipe."""
    filters: tuple[str, ...] = ()
    """Filters that restore the original pixel format."""
    pfm_magic: bytes = b""
    """First line of a PFM file, for float formats."""

    def restoring_filters(self, version: tuple[int, int]) -> tuple[str, ...]:
        """The filters for an FFmpeg with that libavutil."""
        return ("vflip", *self.filters) if self.pfm_magic and version < _PFM_FROM_BELOW else self.filters


def pipe_format_of(pixel_format: str) -> PipeFormat:
    """The representation of a pixel format. Raises FormatError if it has none."""
    layout = layout_of(pixel_format)
    plain, order = _split_byte_order(pixel_format)
    if layout.format.is_float and layout.format.bits == _HALF:
        raise FormatError(
            f"pixel format is {pixel_format!r}, which FFmpeg has no raw video of; put format=… before adcvsr"
        )
    if plain in _FLOATS:
        filters = () if order != "be" else (f"format={pixel_format}",)
        return PipeFormat("pfm", b"PFM\0", f"{plain}le", filters, _FLOATS[plain])
    if pixel_format.startswith("yuvj"):  # its range is a separate tag
        return PipeFormat("rawvideo", fourcc_of(pixel_format.replace("j", "")) or b"", pixel_format)
    if tag := fourcc_of(pixel_format):
        return PipeFormat("rawvideo", tag, pixel_format)
    substitute = _with_same_samples(plain, _NOT_NATIVE.get(pixel_format, order), layout)
    range_option = _FULL_RANGE if layout.format.family == "GRAY" else ""
    return PipeFormat(
        "rawvideo",
        fourcc_of(substitute) or b"",
        substitute,
        (f"scale={range_option}flags=neighbor,format={pixel_format}",),
    )


def _with_same_samples(plain: str, order: str, layout: PixelLayout) -> str:
    """A planar format that holds the same samples, with few additional ones."""
    bits = layout.format.bits
    depth = f"{bits}{order}" if bits > 8 else ""
    if plain in _SAME_SAMPLES:
        return f"{_SAME_SAMPLES[plain]}{order}"
    across, down = layout.format.subsampling
    chroma = {(1, 1): "420", (1, 0): "422"}.get((across, down), "444")
    return f"yuv{chroma}p{depth}"


def fourcc_of(pixel_format: str) -> bytes | None:
    """FFmpeg's raw video FourCC of a pixel format; None if it has none."""
    plain, order = _split_byte_order(pixel_format)
    if fourcc := _FOURCCS.get(plain):
        return fourcc[3:] + fourcc[:3] if order == "be" else fourcc
    fourcc = _planar_fourcc(pixel_format)
    return fourcc[::-1] if fourcc and order == "be" else fourcc


def _planar_fourcc(pixel_format: str) -> bytes | None:
    """The FourCC of planar formats: family, planes, subsampling, bits."""
    layout = LAYOUTS.get(pixel_format)
    if layout is None or pixel_format.startswith(("yuvj", "p0", "p2", "p4", "nv", "ya16")):
        return None
    form, count = layout.format, len(layout.components)
    chroma = _CHROMA.get(form.subsampling)
    if chroma is None or (form.is_float and count < 4):
        return None
    letter = b"G" if form.family == "RGB" else b"Y"
    return letter + str(count).encode() + bytes([chroma, form.bits + form.is_float])


def _split_byte_order(pixel_format: str) -> tuple[str, str]:
    """A pixel format's name without its byte order, and the order: `le`, `be` or empty."""
    for order in ("le", "be"):
        if pixel_format.endswith(order):
            return pixel_format.removesuffix(order), order
    return pixel_format, ""

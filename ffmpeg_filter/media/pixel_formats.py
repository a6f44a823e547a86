"""FFmpeg's pixel formats: samples and memory layout. Pure.

Components are in VapourSynth's order: Y U V, R G B or grey, then alpha. A component is a plane or every n-th sample of
one, so that packed formats are read and written in place.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

from ffmpeg_filter.media.frame import VideoFormat
from vsadcvsr.errors import FormatError, UsageError, near_misses


class Component(NamedTuple):
    """Every `step`-th sample of a plane, from `offset` on."""

    plane: int
    offset: int = 0
    step: int = 1


class PixelLayout(NamedTuple):
    """Memory layout of a pixel format."""

    format: VideoFormat
    dtype: str
    """numpy type of a stored sample."""
    components: tuple[Component, ...]
    shift: int = 0
    """Unused low bits of a stored sample."""
    full_range: bool = False
    """Whether the format implies full range (yuvj…)."""

    @property
    def has_alpha(self) -> bool:
        return len(self.components) > self.format.planes

    def has_gaps(self, plane: int) -> bool:
        """Whether a plane has bytes of no component."""
        return sum(1 / component.step for component in self.components if component.plane == plane) < 1


def layout_of(pixel_format: str) -> PixelLayout:
    """The layout of an FFmpeg pixel format. Raises FormatError."""
    if pixel_format not in LAYOUTS:
        hint = near_misses(pixel_format, LAYOUTS)
        raise FormatError(
            f"pixel format {pixel_format!r} is not supported; convert it to YUV, RGB or grey of 8 to 16 bit or float, "
            f"with format=… in FFmpeg or reformat() in PyAV{hint and '; '}{hint}"
        )
    return LAYOUTS[pixel_format]


def output_layout(pixel_format: object) -> PixelLayout | None:
    """The layout of the requested output format, None if there is none. Raises FormatError, or UsageError if it would
    change the range.
    """
    if pixel_format is None:
        return None
    if not isinstance(pixel_format, str):
        raise UsageError.of("format", pixel_format, "the name of an FFmpeg pixel format")
    layout = layout_of(pixel_format)
    if layout.full_range:
        other = pixel_format.replace("j", "")
        raise UsageError(f"format {pixel_format!r} would change the colour range, which adcvsr keeps; use {other!r}")
    return layout


_SUBSAMPLINGS = {"420p": (1, 1), "422p": (1, 0), "444p": (0, 0), "440p": (0, 1), "411p": (2, 0), "410p": (2, 2)}
_ORDERS = {"le": "<", "be": ">"}

_DEEP_YUV = {"420p": (9, 10, 12, 14, 16), "422p": (9, 10, 12, 14, 16), "444p": (9, 10, 12, 14, 16), "440p": (10, 12)}
_DEEP_YUVA = {"420p": (9, 10, 16), "422p": (9, 10, 12, 16), "444p": (9, 10, 12, 16)}
_SEMI_PLANAR = {
    "nv12": (8, "420p"), "nv16": (8, "422p"), "nv24": (8, "444p"), "p010": (10, "420p"), "p012": (12, "420p"),
    "p016": (16, "420p"), "p210": (10, "422p"), "p212": (12, "422p"), "p216": (16, "422p"), "p410": (10, "444p"),
    "p412": (12, "444p"), "p416": (16, "444p"),
}  # fmt: skip
_PACKED_RGB = {
    8: ("rgb24", "bgr24", "rgba", "bgra", "argb", "abgr", "rgb0", "bgr0", "0rgb", "0bgr"),
    16: ("rgb48", "bgr48", "rgba64", "bgra64"),
}


def _variants(
    name: str, format: VideoFormat, *components: Component, shift: int = 0
) -> Iterator[tuple[str, PixelLayout]]:
    """A format's name and layout, in both byte orders if samples have several bytes."""
    if format.bits == 8:
        yield name, PixelLayout(format, "u1", components, shift)
        return
    for suffix, sign in _ORDERS.items():
        yield name + suffix, PixelLayout(format, sign + format.dtype, components, shift)


def _in_planes(*planes: int) -> tuple[Component, ...]:
    return tuple(map(Component, planes))


def _yuv() -> Iterator[tuple[str, PixelLayout]]:
    for name, subsampling in _SUBSAMPLINGS.items():
        for bits in (8, *_DEEP_YUV.get(name, ())):
            depth = "" if bits == 8 else str(bits)
            yield from _variants(f"yuv{name}{depth}", VideoFormat("YUV", bits, subsampling), *_in_planes(0, 1, 2))
    for name, depths in _DEEP_YUVA.items():
        for bits in (8, *depths):
            depth = "" if bits == 8 else str(bits)
            format = VideoFormat("YUV", bits, _SUBSAMPLINGS[name])
            yield from _variants(f"yuva{name}{depth}", format, *_in_planes(0, 1, 2, 3))
    for name in ("420p", "422p", "444p", "440p", "411p"):
        yield (
            f"yuvj{name}",
            PixelLayout(VideoFormat("YUV", 8, _SUBSAMPLINGS[name]), "u1", _in_planes(0, 1, 2), full_range=True),
        )


def _half_planar_yuv() -> Iterator[tuple[str, PixelLayout]]:
    for name, (bits, subsampling) in _SEMI_PLANAR.items():
        format = VideoFormat("YUV", bits, _SUBSAMPLINGS[subsampling])
        chroma = Component(1, 0, 2), Component(1, 1, 2)
        yield from _variants(name, format, Component(0), *chroma, shift=-bits % 8)
        if name in {"nv12", "nv24"}:
            yield from _variants({"nv12": "nv21", "nv24": "nv42"}[name], format, Component(0), *reversed(chroma))
    format = VideoFormat("YUV", 8, (1, 0))
    yield "yuyv422", PixelLayout(format, "u1", (Component(0, 0, 2), Component(0, 1, 4), Component(0, 3, 4)))
    yield "yvyu422", PixelLayout(format, "u1", (Component(0, 0, 2), Component(0, 3, 4), Component(0, 1, 4)))
    yield "uyvy422", PixelLayout(format, "u1", (Component(0, 1, 2), Component(0, 0, 4), Component(0, 2, 4)))


def _rgb() -> Iterator[tuple[str, PixelLayout]]:
    for bits in (8, 9, 10, 12, 14, 16):
        depth = "" if bits == 8 else str(bits)
        yield from _variants(f"gbrp{depth}", VideoFormat("RGB", bits), *_in_planes(2, 0, 1))
        if bits != 9:
            yield from _variants(f"gbrap{depth}", VideoFormat("RGB", bits), *_in_planes(2, 0, 1, 3))
    for bits in (16, 32):
        yield from _variants(f"gbrpf{bits}", VideoFormat("RGB", bits, is_float=True), *_in_planes(2, 0, 1))
        yield from _variants(f"gbrapf{bits}", VideoFormat("RGB", bits, is_float=True), *_in_planes(2, 0, 1, 3))
    for bits, names in _PACKED_RGB.items():
        for name in names:
            letters = name.rstrip("2468")
            at = [Component(0, letters.index(letter), len(letters)) for letter in "rgba" if letter in letters]
            yield from _variants(name, VideoFormat("RGB", bits), *at)


def _grey() -> Iterator[tuple[str, PixelLayout]]:
    for bits in (8, 9, 10, 12, 14, 16):
        yield from _variants(f"gray{'' if bits == 8 else bits}", VideoFormat("GRAY", bits), Component(0))
    for bits in (16, 32):
        yield from _variants(f"grayf{bits}", VideoFormat("GRAY", bits, is_float=True), Component(0))
    for bits in (8, 16):
        yield from _variants(f"ya{bits}", VideoFormat("GRAY", bits), Component(0, 0, 2), Component(0, 1, 2))


LAYOUTS: dict[str, PixelLayout] = dict(itertools.chain(_yuv(), _half_planar_yuv(), _rgb(), _grey()))
"""All supported pixel formats."""

_INTRODUCED = {"nv16": 59, "p012": 58, "p212": 58, "p412": 58, "gbrap14": 59, "gbrapf32": 60}
_NO_RAWVIDEO = ("gbrpf16", "gbrapf16", "grayf16")

OLDEST_LIBAVUTIL = (57, 28)
"""libavutil of FFmpeg 5.1."""


def supported_formats(version: tuple[int, int]) -> list[str]:
    """Pixel formats that an FFmpeg can write as raw video. `version` is libavutil's."""
    plain = {name: name.removesuffix("le").removesuffix("be") for name in LAYOUTS}
    return [
        name for name in LAYOUTS if plain[name] not in _NO_RAWVIDEO and version[0] >= _INTRODUCED.get(plain[name], 0)
    ]

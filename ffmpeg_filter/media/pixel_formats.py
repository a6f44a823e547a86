"""FFmpeg's pixel formats: what they hold, and where in memory each component lies. Pure.

Components are in VapourSynth's order: Y, U, V or R, G, B or grey alone, then alpha. A component is a plane of its own,
or every n-th sample of one, so that packed formats are read and written in place.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

from ffmpeg_filter.media.frame import Format
from vsadcvsr.errors import FormatError, UsageError, near_misses


class Component(NamedTuple):
    """Every `step`-th sample of a plane, from `offset` on."""

    plane: int
    offset: int = 0
    step: int = 1


class Layout(NamedTuple):
    """How a pixel format lies in memory. `shift` is how far samples stand above bit 0."""

    format: Format
    dtype: str
    components: tuple[Component, ...]
    shift: int = 0
    full_range: bool = False

    @property
    def has_alpha(self) -> bool:
        return len(self.components) > self.format.planes

    def has_gaps(self, plane: int) -> bool:
        """Whether some bytes of a plane are no component's."""
        return sum(1 / component.step for component in self.components if component.plane == plane) < 1


def layout_of(pixel_format: str) -> Layout:
    """The layout of a pixel format that FFmpeg calls so. Raises FormatError."""
    if pixel_format not in LAYOUTS:
        hint = near_misses(pixel_format, LAYOUTS)
        raise FormatError(
            f"pixel format is {pixel_format!r}, allowed: planar and packed YUV, RGB and grey of 8 to 16 bit or float;"
            f" convert it first, with format=… in FFmpeg or reformat() in PyAV{hint and '; '}{hint}"
        )
    return LAYOUTS[pixel_format]


def wanted_layout(pixel_format: str | None) -> Layout | None:
    """The layout to make, if one is named. Raises FormatError, and UsageError for one that would change the range."""
    if pixel_format is None:
        return None
    layout = layout_of(pixel_format)
    if layout.full_range:
        raise UsageError.of("format", pixel_format, repr(pixel_format.replace("j", "")), "the range stays as it is")
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


def _variants(name: str, format: Format, *components: Component, shift: int = 0) -> Iterator[tuple[str, Layout]]:
    """The format's name and layout, in both byte orders if samples have more than one byte."""
    if format.bits == 8:
        yield name, Layout(format, "u1", components, shift)
        return
    for suffix, sign in _ORDERS.items():
        yield name + suffix, Layout(format, sign + format.dtype, components, shift)


def _in_planes(*planes: int) -> tuple[Component, ...]:
    return tuple(map(Component, planes))


def _yuv() -> Iterator[tuple[str, Layout]]:
    for name, subsampling in _SUBSAMPLINGS.items():
        for bits in (8, *_DEEP_YUV.get(name, ())):
            depth = "" if bits == 8 else str(bits)
            yield from _variants(f"yuv{name}{depth}", Format("YUV", bits, subsampling), *_in_planes(0, 1, 2))
    for name, depths in _DEEP_YUVA.items():
        for bits in (8, *depths):
            depth = "" if bits == 8 else str(bits)
            format = Format("YUV", bits, _SUBSAMPLINGS[name])
            yield from _variants(f"yuva{name}{depth}", format, *_in_planes(0, 1, 2, 3))
    for name in ("420p", "422p", "444p", "440p", "411p"):
        yield f"yuvj{name}", Layout(Format("YUV", 8, _SUBSAMPLINGS[name]), "u1", _in_planes(0, 1, 2), full_range=True)


def _half_planar_yuv() -> Iterator[tuple[str, Layout]]:
    for name, (bits, subsampling) in _SEMI_PLANAR.items():
        format = Format("YUV", bits, _SUBSAMPLINGS[subsampling])
        chroma = Component(1, 0, 2), Component(1, 1, 2)
        yield from _variants(name, format, Component(0), *chroma, shift=-bits % 8)
        if name in {"nv12", "nv24"}:
            yield from _variants({"nv12": "nv21", "nv24": "nv42"}[name], format, Component(0), *reversed(chroma))
    format = Format("YUV", 8, (1, 0))
    yield "yuyv422", Layout(format, "u1", (Component(0, 0, 2), Component(0, 1, 4), Component(0, 3, 4)))
    yield "yvyu422", Layout(format, "u1", (Component(0, 0, 2), Component(0, 3, 4), Component(0, 1, 4)))
    yield "uyvy422", Layout(format, "u1", (Component(0, 1, 2), Component(0, 0, 4), Component(0, 2, 4)))


def _rgb() -> Iterator[tuple[str, Layout]]:
    for bits in (8, 9, 10, 12, 14, 16):
        depth = "" if bits == 8 else str(bits)
        yield from _variants(f"gbrp{depth}", Format("RGB", bits), *_in_planes(2, 0, 1))
        if bits != 9:
            yield from _variants(f"gbrap{depth}", Format("RGB", bits), *_in_planes(2, 0, 1, 3))
    for bits in (16, 32):
        yield from _variants(f"gbrpf{bits}", Format("RGB", bits, is_float=True), *_in_planes(2, 0, 1))
        yield from _variants(f"gbrapf{bits}", Format("RGB", bits, is_float=True), *_in_planes(2, 0, 1, 3))
    for bits, names in _PACKED_RGB.items():
        for name in names:
            letters = name.rstrip("2468")
            at = [Component(0, letters.index(letter), len(letters)) for letter in "rgba" if letter in letters]
            yield from _variants(name, Format("RGB", bits), *at)


def _grey() -> Iterator[tuple[str, Layout]]:
    for bits in (8, 9, 10, 12, 14, 16):
        yield from _variants(f"gray{'' if bits == 8 else bits}", Format("GRAY", bits), Component(0))
    for bits in (16, 32):
        yield from _variants(f"grayf{bits}", Format("GRAY", bits, is_float=True), Component(0))
    for bits in (8, 16):
        yield from _variants(f"ya{bits}", Format("GRAY", bits), Component(0, 0, 2), Component(0, 1, 2))


LAYOUTS: dict[str, Layout] = dict(itertools.chain(_yuv(), _half_planar_yuv(), _rgb(), _grey()))
"""Every pixel format that can be taken and given."""

_SINCE = {"nv16": 59, "p012": 58, "p212": 58, "p412": 58, "gbrap14": 59, "gbrapf32": 60}
_NEVER = ("gbrpf16", "gbrapf16", "grayf16")

OLDEST = (57, 28)
"""libavutil of FFmpeg 5.1."""


def known(version: tuple[int, int]) -> list[str]:
    """The pixel formats that an FFmpeg can write, and has raw video of; `version` is libavutil's."""
    plain = {name: name.removesuffix("le").removesuffix("be") for name in LAYOUTS}
    return [name for name in LAYOUTS if plain[name] not in _NEVER and version[0] >= _SINCE.get(plain[name], 0)]

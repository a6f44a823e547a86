"""From any VapourSynth clip to RGBS and back: sizes, formats, matrices; all that the network never sees.

Colour is described by frame properties, and they may change inside a clip. On the way in `resize` reads them by itself,
once every frame has a matrix; on the way out there is one `resize` node for each description that has been met.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import vapoursynth as vs

from vsadcvsr import arguments
from vsadcvsr.color import CHROMA_LOCATIONS, FULL, MATRICES, MATRIX_NAMES, RANGES, USUAL_LOCATION, Encoding
from vsadcvsr.errors import BackendError, FormatError, UsageError
from vsadcvsr.plugin.reconstruct import base_of, join
from vsadcvsr.spec import SCALE

LARGEST = 1 << 16
_SCALES = "1, 2, 3 or 4"

_DOOR = "_AdcvsrSource"
"""The property of a marked frame that holds the source frame."""

type Properties = Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What comes out: size in pixels and format."""

    width: int
    height: int
    format: vs.VideoFormat


class Color(NamedTuple):
    """How the output is to be encoded; None leaves it to `resize`."""

    matrix: int | None
    range: int | None
    chromaloc: int | None


def check_clip(clip: vs.VideoNode) -> vs.VideoFormat:
    """The clip's format, if it is one that can be taken."""
    if not isinstance(clip, vs.VideoNode):
        raise UsageError.of("clip", clip, "a VapourSynth video clip")
    if clip.format is None or not clip.format.color_family or not clip.width or not clip.height:
        raise FormatError("clip has a variable format or size, allowed: constant ones; resize it to one, or split it")
    check_format(clip.format)
    return clip.format


def check_format(given: vs.VideoFormat) -> None:
    """Refuses what `resize` has no pixels for."""
    if given.sample_type == vs.INTEGER and given.bits_per_sample > 16:
        raise FormatError(f"format is {given.name}, allowed: 8 to 16 bit integer, 16 or 32 bit float")


def shape_of(clip: vs.VideoNode, *, scale: float, width: int | None, height: int | None, format: int | None) -> Shape:
    """The output's shape. With one of width and height the other keeps the aspect; without them `scale` counts."""
    times = arguments.number("scale", scale, _SCALES)
    if times not in range(1, SCALE + 1):
        raise UsageError.of(
            "scale", int(times) if times.is_integer() else times, _SCALES, "width and height give any other size"
        )
    out = check_clip(clip) if format is None else _format_of(format)
    size = _size(clip, int(times), _side("width", width), _side("height", height), out)
    for name, value, step in (("width", size[0], 1 << out.subsampling_w), ("height", size[1], 1 << out.subsampling_h)):
        if value % step:
            raise UsageError.of(name, value, f"multiples of {step} for {out.name}", "choose another size or format")
    return Shape(width=size[0], height=size[1], format=out)


def _side(name: str, given: int | None) -> int | None:
    if given is None:
        return None
    allowed = f"1 to {LARGEST}"
    side = arguments.at_least(1, name, given, allowed)
    if side > LARGEST:
        raise UsageError.of(name, side, allowed)
    return side


def _format_of(given: int) -> vs.VideoFormat:
    try:
        out = vs.core.get_video_format(given)
    except (vs.Error, TypeError, ValueError, OverflowError):
        out = None
    if out is None or out.color_family not in {vs.GRAY, vs.RGB, vs.YUV}:
        raise UsageError.of("format", given, "the id of a YUV, RGB or GRAY format")
    check_format(out)
    return out


def _size(
    clip: vs.VideoNode, scale: int, width: int | None, height: int | None, out: vs.VideoFormat
) -> tuple[int, int]:
    if width is None and height is None:
        return clip.width * scale, clip.height * scale
    if width is None:
        assert height is not None
        return _near(clip.width * height / clip.height, 1 << out.subsampling_w), height
    return width, _near(clip.height * width / clip.width, 1 << out.subsampling_h) if height is None else height


def _near(length: float, step: int) -> int:
    """The multiple of `step` next to a length, at least one."""
    return max(step, round(length / step) * step)


def matrix_for(height: int, given: int | None) -> int:
    """The matrix of a picture that has none: the one given, else by its height.

    Over 576 lines 709; 576 or 288 lines (PAL) 470bg; all others 170m.
    """
    if given is not None:
        return given
    return 1 if height > 576 else 5 if height in {576, 288} else 6


def matrix_of(given: int | str) -> int:
    """The number of a matrix, from that or a name of it. Raises UsageError."""
    allowed = ", ".join(f"{number} ({name})" for number, name in MATRICES.items())
    name = given.strip().lower() if isinstance(given, str) else ""
    if name in MATRIX_NAMES:
        return MATRIX_NAMES[name]
    number = arguments.whole("matrix", int(name) if name.isdecimal() else given, allowed)
    if number not in MATRICES:
        raise UsageError.of("matrix", number, allowed)
    return number


def filters(bind: Callable[..., object] = str) -> Mapping[str, Callable[..., vs.VideoNode]]:
    """The filters of the plugin's library, which have no names in its namespace; their arguments go by name.

    `bind` is the function that the library is waiting for, if it is. Raises BackendError.
    """
    try:
        found: Mapping[str, Callable[..., vs.VideoNode]] = vs.core.adcvsr.Version(bind=bind)
    except vs.Error as error:
        words = f"the VapourSynth plugin {vs.core.adcvsr.plugin_path} is older than the package; `pip install` it again"
        raise BackendError(words) from error
    return found


def enter(clip: vs.VideoNode, matrix: int | None) -> tuple[vs.VideoNode, vs.VideoNode]:
    """The clip with a matrix on every frame, and that as RGBS."""
    door = filters()["source"](clip=clip, matrix=matrix_for(clip.height, matrix))
    return door, door.resize.Bicubic(format=vs.RGBS)


class Request:
    """Planes that an engine may be asked for: what it makes must be as large as what comes out."""

    def __init__(self, door: vs.VideoNode, shape: Shape, matrix: int | None) -> None:
        self.source, self.out = check_clip(door), shape.format
        self.fallback = matrix_for(shape.height, matrix)
        self.fits = (shape.width, shape.height) == (door.width * SCALE, door.height * SCALE)

    def color(self, properties: Properties) -> Color:
        """How a frame with such properties is to be encoded."""
        return color_of(properties, self.source, self.out, self.fallback)

    def of(self, properties: Properties) -> Encoding | None:
        """What a frame with such properties asks for; None for what is left to VapourSynth."""
        return self.in_color(self.color(properties))

    def in_color(self, color: Color) -> Encoding | None:
        """As `of`."""
        out = self.out
        limited = not _is_rgb(out) if color.range is None else color.range != FULL
        made = Encoding(
            family=out.color_family.name,
            bits=out.bits_per_sample,
            is_float=out.sample_type == vs.FLOAT,
            subsampling=(out.subsampling_w, out.subsampling_h),
            matrix=color.matrix,
            full=not limited,
            location=USUAL_LOCATION if color.chromaloc is None else color.chromaloc,
        )
        return made if self.fits and made.is_simple else None


def marked(rgb: vs.VideoNode, door: vs.VideoNode) -> vs.VideoNode:
    """The clip of RGB, with the source frames in a property: RGB has lost what they say of colour."""
    return rgb.std.ClipToProp(door, prop=_DOOR)


def properties_of(frame: vs.VideoFrame) -> Properties:
    """What the source frame of a marked one says of itself."""
    said: Properties = frame.props[_DOOR].props
    return said


def leave(
    big: vs.VideoNode,
    door: vs.VideoNode,
    shape: Shape,
    matrix: int | None,
    ready: vs.VideoNode | None = None,
    *,
    notes: Mapping[str, object] | None = None,
) -> vs.VideoNode:
    """Pictures of any size in the wanted shape, each encoded and described as the source frame of its number, with
    `notes` for more frame properties.

    They come whole, in RGBS, or in parts, as `plugin_join` has them; where a `Request` has an encoding for them, from
    the clip `ready`, if that is given, whose planes have it already.
    """
    request = Request(door, shape, matrix)
    base = base_of(big, door.width, door.height) if check_clip(big).color_family == vs.GRAY else None
    known: dict[Color, vs.VideoNode] = {}

    def encoded(color: Color) -> vs.VideoNode:
        if color not in known:
            made = request.in_color(color) if ready is not None else None
            plain = _encode(big, base, door, shape, color) if made is None else _describe(ready, door, shape, made)
            known[color] = plain.std.SetFrameProps(**notes) if notes else plain
        return known[color]

    def choose(n: int, f: vs.VideoFrame) -> vs.VideoNode:
        return encoded(request.color(f.props))

    template = encoded(request.color({}))
    chosen: Callable[[int, vs.VideoFrame], vs.VideoNode] = choose
    made = [big] if ready is None else [big, ready]  # declared for --filter-time; what follows them would get caches
    return vs.core.std.FrameEval(template, chosen, prop_src=door, clip_src=made)


def color_of(properties: Properties, source: vs.VideoFormat, out: vs.VideoFormat, matrix: int) -> Color:
    """How to encode a frame in format `out`, from the properties of the source frame."""
    alike = _is_rgb(source) == _is_rgb(out)
    return Color(
        matrix=None if _is_rgb(out) else (_known(properties, "_Matrix", MATRICES) if alike else None) or matrix,
        range=_known(properties, "_Range", RANGES) if alike else None,
        chromaloc=_known(properties, "_ChromaLocation", CHROMA_LOCATIONS) if _is_subsampled(out) else None,
    )


def _known(properties: Properties, name: str, allowed: Container[int]) -> int | None:
    value = properties.get(name)
    return int(value) if isinstance(value, int) and value in allowed else None


def _is_rgb(given: vs.VideoFormat) -> bool:
    return bool(given.color_family == vs.RGB)


def _is_subsampled(given: vs.VideoFormat) -> bool:
    return bool(given.subsampling_w or given.subsampling_h)


def _encode(
    big: vs.VideoNode, base: vs.VideoNode | None, door: vs.VideoNode, shape: Shape, color: Color
) -> vs.VideoNode:
    options = {name: value for name, value in color._asdict().items() if value is not None}
    if base is not None:
        big = join(big, base, shape.format, matrix=color.matrix, chromaloc=color.chromaloc)
    made = big.resize.Bicubic(shape.width, shape.height, format=shape.format.id, **options)
    return made.std.RemoveFrameProps(_DOOR).std.CopyFrameProps(door, props=_kept(check_clip(door), shape.format))


def _describe(ready: vs.VideoNode, door: vs.VideoNode, shape: Shape, encoding: Encoding) -> vs.VideoNode:
    """Planes with the properties that `_encode` would give them."""
    color = {"_Matrix": 0 if encoding.matrix is None else encoding.matrix, "_Range": int(encoding.full)}
    location = {"_ChromaLocation": encoding.location} if _is_subsampled(shape.format) else {}
    plain = ready.std.RemoveFrameProps([_DOOR, "_ChromaLocation"])
    return plain.std.SetFrameProps(**color, **location).std.CopyFrameProps(
        door, props=_kept(check_clip(door), shape.format)
    )


def _kept(source: vs.VideoFormat, out: vs.VideoFormat) -> list[str]:
    """The properties that `resize` writes anew and that yet hold as they were; all others come through."""
    names = ["_Primaries", "_Transfer", "_FieldBased"]
    if _is_rgb(source) == _is_rgb(out):
        names += ["_Matrix", "_Range"]
    if _is_subsampled(source) or not _is_subsampled(out):
        names.append("_ChromaLocation")
    return names

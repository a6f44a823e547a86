"""Conversion of any VapourSynth clip to RGBS and back: sizes, formats, matrices.

Colour is described by frame properties, which may change within a clip. For the input, `resize` reads them, once
every frame has a matrix; for the output there is one `resize` node for each combination of properties seen.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import vapoursynth as vs

from vsadcvsr import argument_checks
from vsadcvsr.color import (
    CHROMA_LOCATIONS,
    DEFAULT_CHROMA_LOCATION,
    FULL_RANGE,
    MATRICES,
    MATRIX_NAMES,
    RANGES,
    ColorFormat,
)
from vsadcvsr.errors import BackendError, FormatError, UsageError
from vsadcvsr.plugin.reconstruct import base_clip, join
from vsadcvsr.spec import SCALE

MAX_SIDE = 1 << 16
_SCALES = "1, 2, 3 or 4"

_SOURCE_PROPERTY = "_AdcvsrSource"
"""The frame property that holds the source frame."""

type Properties = Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class OutputShape:
    """Size in pixels and format of the output."""

    width: int
    height: int
    format: vs.VideoFormat


class ColorProperties(NamedTuple):
    """Colour properties of the output; None leaves one to `resize`."""

    matrix: int | None
    range: int | None
    chromaloc: int | None


def check_clip(clip: vs.VideoNode) -> vs.VideoFormat:
    """The clip's format, if supported."""
    if not isinstance(clip, vs.VideoNode):
        raise UsageError.of("clip", clip, "a VapourSynth video clip")
    if clip.format is None or not clip.format.color_family or not clip.width or not clip.height:
        raise FormatError("clip has a variable format or size; resize it to a constant one, or split it")
    check_format(clip.format)
    return clip.format


def check_format(format: vs.VideoFormat) -> None:
    """Raises FormatError for formats that `resize` has no pixels for."""
    if format.sample_type == vs.INTEGER and format.bits_per_sample > 16:
        raise FormatError(f"format is {format.name}, allowed: 8 to 16 bit integer, 16 or 32 bit float")


def resolve_shape(
    clip: vs.VideoNode, *, scale: float, width: int | None, height: int | None, format: int | None
) -> OutputShape:
    """Shape of the output. With one of width and height the other keeps the aspect ratio; without both `scale` applies.
    """
    factor = argument_checks.number("scale", scale, _SCALES)
    if factor not in range(1, SCALE + 1):
        raise UsageError.of(
            "scale", int(factor) if factor.is_integer() else factor, _SCALES, "width and height give any other size"
        )
    out = check_clip(clip) if format is None else _format_of(format)
    size = _size(clip, int(factor), _side("width", width), _side("height", height), out)
    for name, value, step in (("width", size[0], 1 << out.subsampling_w), ("height", size[1], 1 << out.subsampling_h)):
        if value % step:
            raise UsageError.of(name, value, f"multiples of {step} for {out.name}", "choose another size or format")
    return OutputShape(width=size[0], height=size[1], format=out)


def _side(name: str, value: int | None) -> int | None:
    if value is None:
        return None
    allowed = f"1 to {MAX_SIDE}"
    side = argument_checks.at_least(1, name, value, allowed)
    if side > MAX_SIDE:
        raise UsageError.of(name, side, allowed)
    return side


def _format_of(id: int) -> vs.VideoFormat:
    try:
        out = vs.core.get_video_format(id)
    except (vs.Error, TypeError, ValueError, OverflowError):
        out = None
    if out is None or out.color_family not in {vs.GRAY, vs.RGB, vs.YUV}:
        raise UsageError.of("format", id, "the id of a YUV, RGB or GRAY format")
    check_format(out)
    return out


def _size(
    clip: vs.VideoNode, scale: int, width: int | None, height: int | None, out: vs.VideoFormat
) -> tuple[int, int]:
    if width is None and height is None:
        return clip.width * scale, clip.height * scale
    if width is None:
        assert height is not None
        return _nearest_multiple(clip.width * height / clip.height, 1 << out.subsampling_w), height
    return width, _nearest_multiple(
        clip.height * width / clip.width, 1 << out.subsampling_h
    ) if height is None else height


def _nearest_multiple(length: float, step: int) -> int:
    """The multiple of `step` nearest to a length, at least one."""
    return max(step, round(length / step) * step)


def matrix_for(height: int, matrix: int | None) -> int:
    """The matrix of a frame that has none: the given one, else by height.

    Over 576 lines 709; 576 or 288 lines (PAL) 470bg; all others 170m.
    """
    if matrix is not None:
        return matrix
    return 1 if height > 576 else 5 if height in {576, 288} else 6


def matrix_number(value: int | str) -> int:
    """The number of a matrix, from that or a name of it. Raises UsageError."""
    allowed = ", ".join(f"{number} ({name})" for number, name in MATRICES.items())
    name = value.strip().lower() if isinstance(value, str) else ""
    if name in MATRIX_NAMES:
        return MATRIX_NAMES[name]
    number = argument_checks.whole("matrix", int(name) if name.isdecimal() else value, allowed)
    if number not in MATRICES:
        raise UsageError.of("matrix", number, allowed)
    return number


def filters(bind: Callable[..., object] = str) -> Mapping[str, Callable[..., vs.VideoNode]]:
    """The filters of the plugin's library, which have no names in its namespace; their arguments go by name.

    `bind` is the function that the library is waiting for, if it is. Raises BackendError.
    """
    try:
        functions: Mapping[str, Callable[..., vs.VideoNode]] = vs.core.adcvsr.Version(bind=bind)
    except vs.Error as error:
        words = f"the VapourSynth plugin {vs.core.adcvsr.plugin_path} is older than the package; `pip install` it again"
        raise BackendError(words) from error
    return functions


def to_rgb(clip: vs.VideoNode, matrix: int | None) -> tuple[vs.VideoNode, vs.VideoNode]:
    """The clip with a matrix on every frame, and its conversion to RGBS."""
    source = filters()["source"](clip=clip, matrix=matrix_for(clip.height, matrix))
    return source, source.resize.Bicubic(format=vs.RGBS)


class PlanarRequest:
    """Planar output that an engine may produce: at the network's own scale only."""

    def __init__(self, clip: vs.VideoNode, shape: OutputShape, matrix: int | None) -> None:
        self.source, self.out = check_clip(clip), shape.format
        self.fallback = matrix_for(shape.height, matrix)
        self.is_native_size = (shape.width, shape.height) == (clip.width * SCALE, clip.height * SCALE)

    def color(self, properties: Properties) -> ColorProperties:
        """Colour properties of the output for a frame with such properties."""
        return color_properties(properties, self.source, self.out, self.fallback)

    def color_format(self, properties: Properties) -> ColorFormat | None:
        """Planar format for a frame with such properties; None if VapourSynth has to convert."""
        return self.color_format_of(self.color(properties))

    def color_format_of(self, color: ColorProperties) -> ColorFormat | None:
        """As `color_format`, from colour properties."""
        out = self.out
        limited = not _is_rgb(out) if color.range is None else color.range != FULL_RANGE
        color_format = ColorFormat(
            family=out.color_family.name,
            bits=out.bits_per_sample,
            is_float=out.sample_type == vs.FLOAT,
            subsampling=(out.subsampling_w, out.subsampling_h),
            matrix=color.matrix,
            full_range=not limited,
            chroma_location=DEFAULT_CHROMA_LOCATION if color.chromaloc is None else color.chromaloc,
        )
        return color_format if self.is_native_size and color_format.has_linear_matrix else None


def with_source_frames(rgb: vs.VideoNode, source: vs.VideoNode) -> vs.VideoNode:
    """The RGB clip with the source frames in a property, since RGB frames have lost their colour properties."""
    return rgb.std.ClipToProp(source, prop=_SOURCE_PROPERTY)


def source_properties(frame: vs.VideoFrame) -> Properties:
    """Properties of the source frame of an RGB frame."""
    properties: Properties = frame.props[_SOURCE_PROPERTY].props
    return properties


def from_rgb(
    upscaled: vs.VideoNode,
    source: vs.VideoNode,
    shape: OutputShape,
    matrix: int | None,
    planar: vs.VideoNode | None = None,
    *,
    properties: Mapping[str, object] | None = None,
) -> vs.VideoNode:
    """Upscaled frames of any size in the output shape, each with the colour properties of its source frame, and with
    `properties` added.

    Frames are RGBS, or base and detail (see `vsadcvsr.plugin.reconstruct`); frames with a planar format are taken from
    the clip `planar`, if given.
    """
    planar_request = PlanarRequest(source, shape, matrix)
    base = base_clip(upscaled, source.width, source.height) if check_clip(upscaled).color_family == vs.GRAY else None
    graphs: dict[ColorProperties, vs.VideoNode] = {}

    def converted(color: ColorProperties) -> vs.VideoNode:
        if color not in graphs:
            planar_format = planar_request.color_format_of(color) if planar is not None else None
            node = (
                _convert(upscaled, base, source, shape, color)
                if planar_format is None
                else _with_properties(planar, source, shape, planar_format)
            )
            graphs[color] = node.std.SetFrameProps(**properties) if properties else node
        return graphs[color]

    def choose(n: int, f: vs.VideoFrame) -> vs.VideoNode:
        return converted(planar_request.color(f.props))

    template = converted(planar_request.color({}))
    selector: Callable[[int, vs.VideoFrame], vs.VideoNode] = choose
    planar_format = (
        [upscaled] if planar is None else [upscaled, planar]
    )  # declared for --filter-time; what follows them would get caches
    return vs.core.std.FrameEval(template, selector, prop_src=source, clip_src=planar_format)


def color_properties(
    properties: Properties, source: vs.VideoFormat, out: vs.VideoFormat, matrix: int
) -> ColorProperties:
    """Colour properties of a frame in format `out`, from those of the source frame."""
    alike = _is_rgb(source) == _is_rgb(out)
    return ColorProperties(
        matrix=None
        if _is_rgb(out)
        else (_allowed_property(properties, "_Matrix", MATRICES) if alike else None) or matrix,
        range=_allowed_property(properties, "_Range", RANGES) if alike else None,
        chromaloc=_allowed_property(properties, "_ChromaLocation", CHROMA_LOCATIONS) if _is_subsampled(out) else None,
    )


def _allowed_property(properties: Properties, name: str, allowed: Container[int]) -> int | None:
    value = properties.get(name)
    return int(value) if isinstance(value, int) and value in allowed else None


def _is_rgb(format: vs.VideoFormat) -> bool:
    return bool(format.color_family == vs.RGB)


def _is_subsampled(format: vs.VideoFormat) -> bool:
    return bool(format.subsampling_w or format.subsampling_h)


def _convert(
    upscaled: vs.VideoNode, base: vs.VideoNode | None, source: vs.VideoNode, shape: OutputShape, color: ColorProperties
) -> vs.VideoNode:
    options = {name: value for name, value in color._asdict().items() if value is not None}
    if base is not None:
        upscaled = join(upscaled, base, shape.format, matrix=color.matrix, chromaloc=color.chromaloc)
    result = upscaled.resize.Bicubic(shape.width, shape.height, format=shape.format.id, **options)
    return result.std.RemoveFrameProps(_SOURCE_PROPERTY).std.CopyFrameProps(
        source, props=_restored_properties(check_clip(source), shape.format)
    )


def _with_properties(
    planar: vs.VideoNode, source: vs.VideoNode, shape: OutputShape, color_format: ColorFormat
) -> vs.VideoNode:
    """Planar frames with the properties that `_convert` would give them."""
    color = {
        "_Matrix": 0 if color_format.matrix is None else color_format.matrix,
        "_Range": int(color_format.full_range),
    }
    location = {"_ChromaLocation": color_format.chroma_location} if _is_subsampled(shape.format) else {}
    cleaned = planar.std.RemoveFrameProps([_SOURCE_PROPERTY, "_ChromaLocation"])
    return cleaned.std.SetFrameProps(**color, **location).std.CopyFrameProps(
        source, props=_restored_properties(check_clip(source), shape.format)
    )


def _restored_properties(source: vs.VideoFormat, out: vs.VideoFormat) -> list[str]:
    """Properties that `resize` overwrites although they stay valid; all others pass through."""
    names = ["_Primaries", "_Transfer", "_FieldBased"]
    if _is_rgb(source) == _is_rgb(out):
        names += ["_Matrix", "_Range"]
    if _is_subsampled(source) or not _is_subsampled(out):
        names.append("_ChromaLocation")
    return names

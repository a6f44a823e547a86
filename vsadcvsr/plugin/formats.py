"""Conversion of any VapourSynth clip to RGBS and back: formats, matrices.

Colour is described by frame properties, which may change within a clip. For the input, `resize` reads them, once
every frame has a matrix; for the output there is one `resize` node for each combination of properties seen.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Mapping
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
from vsadcvsr.errors import BackendError, UsageError
from vsadcvsr.plugin.output_shape import OutputShape, check_clip
from vsadcvsr.plugin.reconstruct import base_clip, join

_SOURCE_PROPERTY = "_AdcvsrSource"
"""The frame property that holds the source frame."""

_RGB = 0
"""The matrix of RGB."""

type Properties = Mapping[str, object]


class ColorProperties(NamedTuple):
    """Colour properties of the output; None leaves one to `resize`."""

    matrix: int | None
    range: int | None
    chromaloc: int | None


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


def to_rgb(
    clip: vs.VideoNode, shape: OutputShape, matrix: int | None, *, failed: deque[int] | None = None
) -> tuple[vs.VideoNode, vs.VideoNode]:
    """The clip with a matrix on every frame that is not RGB, and its conversion to RGBS. Frames fail whose colours
    `resize` cannot convert, from theirs or, if RGB, to those of the output. `failed` gets the number of each frame that
    fails, there or in the clip.
    """
    number = matrix_for(clip.height, matrix)
    if _is_rgb(check_clip(clip)):
        number = _RGB if _is_rgb(shape.format) else matrix_for(shape.height, matrix)

    def report(n: int) -> None:
        if failed is not None:
            failed.append(n)

    source = filters()["source"](clip=clip, matrix=number, failed=report)
    return source, source.resize.Bicubic(format=vs.RGBS)


class PlanarRequest:
    """Planar output that an engine may produce: at the network's own `scale` only."""

    def __init__(self, clip: vs.VideoNode, shape: OutputShape, matrix: int | None, scale: int) -> None:
        self.source, self.out = check_clip(clip), shape.format
        self.fallback = matrix_for(shape.height, matrix)
        self.is_native_size = shape.is_native(clip.width, clip.height, scale)

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
    planar_request = PlanarRequest(source, shape, matrix, upscaled.width // source.width)
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
    # Declared so that vspipe --filter-time lists them; of the nodes behind them each would get a cache.
    clips = [upscaled] if planar is None else [upscaled, planar]
    return vs.core.std.FrameEval(template, selector, prop_src=source, clip_src=clips)


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
    """A property, if its value is allowed. Of several values the first counts, as in `resize`: a script that sets
    `_Range` and its former name, `_ColorRange`, leaves two.
    """
    value = properties.get(name)
    if isinstance(value, list) and value:
        value = value[0]
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
    area = shape.resize_area(upscaled.width // source.width)
    result = upscaled.resize.Bicubic(shape.width, shape.height, format=shape.format.id, **options, **area)
    return result.std.RemoveFrameProps(_SOURCE_PROPERTY).std.CopyFrameProps(
        source, props=_restored_properties(check_clip(source), shape.format)
    )


def _with_properties(
    planar: vs.VideoNode, source: vs.VideoNode, shape: OutputShape, color_format: ColorFormat
) -> vs.VideoNode:
    """Planar frames with the properties that `_convert` would give them."""
    color = {
        "_Matrix": _RGB if color_format.matrix is None else color_format.matrix,
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

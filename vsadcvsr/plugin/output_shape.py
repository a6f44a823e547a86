"""Size and format of the output: what a call asks for, and what a model can do."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Self

import vapoursynth as vs

from vsadcvsr import argument_checks
from vsadcvsr.errors import FormatError, UsageError
from vsadcvsr.spec import SCALES, ModelSpec

_log = logging.getLogger(__name__)

MAX_SIDE = 1 << 16
_MAX_HALVINGS = 2
"""How often `resize` halves chroma."""
_OTHER_SIZES = "width and height give any other size"
_ROUNDING, _ROUNDED_PIXELS = 1.02, 1
"""What an exact size may exceed a scale by without needing the next one, a ratio and pixels: sides are rounded."""


@dataclass(frozen=True, kw_only=True)
class OutputShape:
    """Size in pixels and format of the output."""

    width: int
    height: int
    format: vs.VideoFormat
    source_area: tuple[float, float] | None = None
    """(width, height) of the part of the source, from its top left corner, that the output shows; None for all of it.
    """

    def is_native(self, width: int, height: int, scale: int) -> bool:
        """Whether it is what a network of that scale makes of a clip of this size."""
        return self.source_area is None and (self.width, self.height) == (width * scale, height * scale)

    def resize_area(self, scale: int) -> dict[str, float]:
        """Arguments of `resize` for the part of a clip that is `scale` times as large as the source."""
        if self.source_area is None:
            return {}
        return {"src_width": self.source_area[0] * scale, "src_height": self.source_area[1] * scale}


@dataclass(frozen=True, kw_only=True)
class SizeRequest:
    """A scale, or an exact size, of which one side may be left to the aspect ratio; without all of these the scale is
    the model's largest.
    """

    scale: int | None = None
    width: int | None = None
    height: int | None = None

    @classmethod
    def checked(cls, scale: float | None, width: int | None, height: int | None) -> Self:
        """The request of a call. Raises UsageError for what no model can do."""
        return cls(
            scale=None if scale is None else _scale(scale), width=_side("width", width), height=_side("height", height)
        )

    @property
    def is_exact(self) -> bool:
        """Whether a width or a height is given, which a scale does not change."""
        return self.width is not None or self.height is not None

    def least_scale(self, width: int, height: int) -> float | None:
        """The scale of a network whose output for a clip of this size need not be enlarged; None for any."""
        if not self.is_exact:
            return self.scale
        return max(_unrounded(self.width or 0) / width, _unrounded(self.height or 0) / height)

    def check(self, spec: ModelSpec) -> None:
        """Raises UsageError for a scale above the model's."""
        if self.scale is not None and self.scale > spec.scale and not self.is_exact:
            raise UsageError.of("scale", self.scale, f"{_listed(spec.scale)} for model {spec.name!r}", _OTHER_SIZES)

    def size(self, width: int, height: int, format: vs.VideoFormat, spec: ModelSpec) -> tuple[int, int]:
        """(width, height) of the output of a model, in a format, for a clip of this size."""
        if not self.is_exact:
            return width * (self.scale or spec.scale), height * (self.scale or spec.scale)
        return (
            self.width or _nearest_multiple(width * (self.height or 0) / height, 1 << format.subsampling_w),
            self.height or _nearest_multiple(height * (self.width or 0) / width, 1 << format.subsampling_h),
        )


def resolve_shape(clip: vs.VideoNode, request: SizeRequest, spec: ModelSpec, *, format: int | None) -> OutputShape:
    """Shape of the output of a model; one line in the log where a resize follows. Raises UsageError or FormatError."""
    request.check(spec)
    out = check_clip(clip) if format is None else _format_of(format)
    width, height = request.size(clip.width, clip.height, out, spec)
    for name, value, step in (("width", width, 1 << out.subsampling_w), ("height", height, 1 << out.subsampling_h)):
        if value % step:
            raise UsageError.of(name, value, f"multiples of {step} for {out.name}", "choose another size or format")
        if request.is_exact and value > MAX_SIDE:
            raise UsageError.of(name, value, f"1 to {MAX_SIDE}", "it keeps the aspect ratio; give both sides")
    if (width, height) != (clip.width * spec.scale, clip.height * spec.scale):
        _log.info("model %r upscales by %d here; its output is resized to %dx%d", spec.name, spec.scale, width, height)
    return OutputShape(width=width, height=height, format=out)


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
    if max(format.subsampling_w, format.subsampling_h) > _MAX_HALVINGS:
        raise FormatError(f"format is {format.name}, allowed: chroma of at least a quarter of the width and height")


def _scale(value: float) -> int:
    allowed = _listed(SCALES[-1])
    factor = argument_checks.number("scale", value, allowed)
    if factor not in SCALES:
        raise UsageError.of("scale", int(factor) if factor.is_integer() else factor, allowed, _OTHER_SIZES)
    return int(factor)


def _listed(last: int) -> str:
    """The scales up to one, such as "1, 2 or 3"."""
    *first, last_name = (str(scale) for scale in SCALES if scale <= last)
    return f"{', '.join(first)} or {last_name}" if first else last_name


def _unrounded(side: int) -> float:
    """The smallest side that rounding may have enlarged to this one."""
    return min(side / _ROUNDING, side - _ROUNDED_PIXELS)


def _side(name: str, value: int | None) -> int | None:
    if value is None:
        return None
    return argument_checks.between(1, MAX_SIDE, name, value, f"1 to {MAX_SIDE}")


def _format_of(id: int) -> vs.VideoFormat:
    try:
        out = vs.core.get_video_format(id)
    except (vs.Error, TypeError, ValueError, OverflowError):
        out = None
    if out is None or out.color_family not in {vs.GRAY, vs.RGB, vs.YUV}:
        raise UsageError.of("format", id, "the id of a YUV, RGB or GRAY format")
    check_format(out)
    return out


def _nearest_multiple(length: float, step: int) -> int:
    """The multiple of `step` nearest to a length, at least one."""
    return max(step, round(length / step) * step)

"""Reconstruction of frames from base and detail, in the colour family of the output.

Detail is added to luma: upsampling and converting three full RGB planes would take a good part of the network's time.
Detail is a GRAYS clip; its base is in a frame property.
"""

from __future__ import annotations

from collections.abc import Callable

import vapoursynth as vs

from vsadcvsr.color import LINEAR_MATRICES

BASE_PROPERTY = "_AdcvsrBase"
"""The property of a detail frame that holds its base, an RGBS frame at the source's size."""

_ADD_CLAMPED = "x y + 0 max 1 min"


def base_clip(detail: vs.VideoNode, width: int, height: int) -> vs.VideoNode:
    """The bases of a clip of detail, RGBS of (width, height), at the same rate."""
    blank = detail.std.BlankClip(format=vs.RGBS, width=width, height=height, keep=True)
    select: Callable[[int, vs.VideoFrame], vs.VideoFrame] = _base_frame
    return blank.std.ModifyFrame([detail], select)


def _base_frame(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
    del n
    frame: vs.VideoFrame = f.props[BASE_PROPERTY]
    return frame


def join(
    detail: vs.VideoNode, base: vs.VideoNode, format: vs.VideoFormat, *, matrix: int | None, chromaloc: int | None
) -> vs.VideoNode:
    """Frames of the detail's size and properties: float, in the colour family of the output if possible, else RGBS.
    Luma and RGB are clamped to 0..1.
    """
    if matrix not in LINEAR_MATRICES:
        return _with_properties(_in_rgb(detail, base), detail)
    color = {"_Matrix": matrix, "_Range": vs.RANGE_LIMITED}
    location = {} if chromaloc is None else {"_ChromaLocation": chromaloc}
    return _with_properties(_in_yuv(detail, base, format, matrix, chromaloc), detail, **color, **location)


def _with_properties(node: vs.VideoNode, detail: vs.VideoNode, **color: int) -> vs.VideoNode:
    """The detail's properties, without the base, and with the colour properties of the result."""
    cleaned = node.std.CopyFrameProps(detail).std.RemoveFrameProps([BASE_PROPERTY, "_ChromaLocation"])
    return cleaned.std.SetFrameProps(**color) if color else cleaned


def _in_rgb(detail: vs.VideoNode, base: vs.VideoNode) -> vs.VideoNode:
    thrice = vs.core.std.ShufflePlanes(detail, [0, 0, 0], vs.RGB)
    return vs.core.std.Expr([base.resize.Bilinear(detail.width, detail.height), thrice], _ADD_CLAMPED)


def _in_yuv(
    detail: vs.VideoNode, base: vs.VideoNode, format: vs.VideoFormat, matrix: int | None, chromaloc: int | None
) -> vs.VideoNode:
    float_format = vs.core.query_video_format(
        format.color_family, vs.FLOAT, 32, format.subsampling_w, format.subsampling_h
    )
    location = {} if chromaloc is None else {"chromaloc": chromaloc}
    upsampled = base.resize.Bilinear(
        detail.width, detail.height, format=float_format.id, matrix=matrix, resample_filter_uv="bicubic", **location
    )
    luma = vs.core.std.Expr([upsampled.std.ShufflePlanes(0, vs.GRAY), detail], _ADD_CLAMPED)
    return luma if format.color_family == vs.GRAY else vs.core.std.ShufflePlanes([luma, upsampled], [0, 1, 2], vs.YUV)

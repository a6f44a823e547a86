"""Pictures that come in parts, joined in the colour family that the clip is to have.

What the network adds to luma is added to luma: enlarging and converting three full planes of RGB for it would take as
long as a good part of the network. The detail is a GRAYS clip; its base travels in a frame property.
"""

from __future__ import annotations

from collections.abc import Callable

import vapoursynth as vs

from vsadcvsr.color import LINEAR

BASE = "_AdcvsrBase"
"""The property of a detail frame that holds its base, an RGBS frame at the source's size."""

_ADDED = "x y + 0 max 1 min"


def base_of(detail: vs.VideoNode, width: int, height: int) -> vs.VideoNode:
    """The bases of a clip of detail, RGBS of (width, height), at the same rate."""
    blank = detail.std.BlankClip(format=vs.RGBS, width=width, height=height, keep=True)
    taken: Callable[[int, vs.VideoFrame], vs.VideoFrame] = _taken
    return blank.std.ModifyFrame([detail], taken)


def _taken(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
    del n
    frame: vs.VideoFrame = f.props[BASE]
    return frame


def join(
    detail: vs.VideoNode, base: vs.VideoNode, out: vs.VideoFormat, *, matrix: int | None, chromaloc: int | None
) -> vs.VideoNode:
    """Whole pictures of the detail's size and properties: float, in `out`'s colour family where that is possible, else
    RGBS. Luma and RGB are clamped to 0..1.
    """
    if matrix not in LINEAR:
        return _described(_in_rgb(detail, base), detail)
    color = {"_Matrix": matrix, "_Range": vs.RANGE_LIMITED}
    location = {} if chromaloc is None else {"_ChromaLocation": chromaloc}
    return _described(_in_yuv(detail, base, out, matrix, chromaloc), detail, **color, **location)


def _described(joined: vs.VideoNode, detail: vs.VideoNode, **color: int) -> vs.VideoNode:
    """With the detail's properties, but for the base and what the colour family says otherwise."""
    known = joined.std.CopyFrameProps(detail).std.RemoveFrameProps([BASE, "_ChromaLocation"])
    return known.std.SetFrameProps(**color) if color else known


def _in_rgb(detail: vs.VideoNode, base: vs.VideoNode) -> vs.VideoNode:
    thrice = vs.core.std.ShufflePlanes(detail, [0, 0, 0], vs.RGB)
    return vs.core.std.Expr([base.resize.Bilinear(detail.width, detail.height), thrice], _ADDED)


def _in_yuv(
    detail: vs.VideoNode, base: vs.VideoNode, out: vs.VideoFormat, matrix: int | None, chromaloc: int | None
) -> vs.VideoNode:
    format = vs.core.query_video_format(out.color_family, vs.FLOAT, 32, out.subsampling_w, out.subsampling_h)
    location = {} if chromaloc is None else {"chromaloc": chromaloc}
    large = base.resize.Bilinear(
        detail.width, detail.height, format=format.id, matrix=matrix, resample_filter_uv="bicubic", **location
    )
    luma = vs.core.std.Expr([large.std.ShufflePlanes(0, vs.GRAY), detail], _ADDED)
    return luma if out.color_family == vs.GRAY else vs.core.std.ShufflePlanes([luma, large], [0, 1, 2], vs.YUV)

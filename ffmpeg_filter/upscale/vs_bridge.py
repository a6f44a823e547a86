"""Frames in memory as endless VapourSynth clips, and back.

VapourSynth has no subsampled frames of odd size: they are padded to even ones, edges repeated, and what came of the
padding is cut off in the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import vapoursynth as vs

from ffmpeg_filter.media.frame import Format, Plane, Property, Raw
from ffmpeg_filter.upscale.memory import cache_size
from vsadcvsr.errors import FormatError
from vsadcvsr.plugin.formats import Shape, shape_of

_ENDLESS = (1 << 31) - 1


class Held(dict[int, vs.VideoFrame]):
    """Frames by number, for as long as they are needed."""

    def clip(self, format: int, width: int, height: int) -> vs.VideoNode:
        """An endless clip of which those frames exist that are held."""
        blank = vs.core.std.BlankClip(format=format, width=width, height=height, length=_ENDLESS, keep=True)
        given: Callable[[int, vs.VideoFrame], vs.VideoFrame] = self._give
        clip = blank.std.ModifyFrame(blank, given)
        clip.std.SetVideoCache(0)
        return clip

    def _give(self, n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        del f
        return self[n]


class Size(NamedTuple):
    """In pixels."""

    width: int
    height: int


def padded(raw: Raw) -> Size:
    """The size of the frame's clip."""
    across, down = raw.format.subsampling
    return Size(_up(raw.width, 1 << across), _up(raw.height, 1 << down))


def _up(length: int, step: int) -> int:
    return -(-length // step) * step


def shapes(
    clip: vs.VideoNode, first: Raw, *, scale: int, width: int | None, height: int | None, format: Format | None
) -> tuple[Shape, Size]:
    """What comes out of a clip of frames like `first`, and how much of that is picture. Raises UsageError."""
    wanted = None if format is None else format_id(format)
    inside = Size(first.width, first.height)
    if inside == padded(first):
        shape = shape_of(clip, scale=scale, width=width, height=height, format=wanted)
        return shape, Size(shape.width, shape.height)
    unpadded = vs.core.std.BlankClip(format=vs.GRAY8, width=first.width, height=first.height, length=1)
    picture = shape_of(unpadded, scale=scale, width=width, height=height, format=None)
    out = shape_of(clip, scale=scale, width=None, height=None, format=wanted).format
    around = (
        _up(-(-picture.width * clip.width // first.width), 1 << out.subsampling_w),
        _up(-(-picture.height * clip.height // first.height), 1 << out.subsampling_h),
    )
    return Shape(width=around[0], height=around[1], format=out), Size(picture.width, picture.height)


def format_id(format: Format) -> int:
    """VapourSynth's number for a format."""
    kind = vs.FLOAT if format.is_float else vs.INTEGER
    return int(vs.core.query_video_format(vs.ColorFamily[format.family], kind, format.bits, *format.subsampling).id)


def alpha_of(format: Format) -> Format:
    """The format of the alpha plane beside frames of a format."""
    return Format("GRAY", format.bits, is_float=format.is_float)


def enlarged_alpha(clip: vs.VideoNode, shape: Shape) -> vs.VideoNode:
    """A clip of alpha in the size and the depth of what comes out."""
    out = vs.core.query_video_format(vs.GRAY, shape.format.sample_type, shape.format.bits_per_sample).id
    full = vs.RANGE_FULL
    return clip.resize.Bicubic(shape.width, shape.height, format=out, range_in=full, range=full)


def filled(format: Format, size: Size, planes: tuple[Plane, ...], props: Mapping[str, Property]) -> vs.VideoFrame:
    """A new frame that holds the planes, padded to `size`."""
    frame = vs.core.create_video_frame(format_id(format), *size)
    for index, plane in enumerate(planes):
        target = np.asarray(frame[index])
        height, width = plane.shape
        np.copyto(target[:height, :width], plane)
        target[height:, :width] = target[height - 1, :width]
        target[:, width:] = target[:, width - 1 : width]
    frame.props.update(props)
    return frame


def raw_of(frame: vs.VideoFrame, alpha: vs.VideoFrame | None, picture: Size, tag: object) -> Raw:
    """The frames' own memory, read-only, without what is outside the picture."""
    made = frame.format
    subsampling = made.subsampling_w, made.subsampling_h
    format = Format(made.color_family.name, made.bits_per_sample, subsampling, made.sample_type == vs.FLOAT)
    planes = tuple(_inside(frame, index, format.size(index, *picture)) for index in range(format.planes))
    props = {name: value for name, value in frame.props.items() if isinstance(value, int | float | str)}
    return Raw(format, *picture, planes, None if alpha is None else _inside(alpha, 0, picture), props, tag)


def _inside(frame: vs.VideoFrame, plane: int, size: tuple[int, int]) -> Plane:
    whole: Plane = np.asarray(frame[plane])
    return whole[: size[1], : size[0]]


def limit_cache(width: int, height: int) -> None:
    """Has VapourSynth keep few pictures of that size, where the process is ours alone."""
    vs.core.max_cache_size = cache_size(width, height, vs.core.max_cache_size)


@contextmanager
def in_words() -> Iterator[None]:
    """What VapourSynth says of a frame is said as FormatError."""
    try:
        yield
    except vs.Error as error:
        raise FormatError(str(error).removeprefix("Upscale: ")) from error

"""Frames in memory as endless VapourSynth clips, and back.

VapourSynth has no subsampled frames of odd size, so frames are padded by repeating edges, and the output is cropped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import vapoursynth as vs

from ffmpeg_filter.media.frame import Plane, Property, RawFrame, VideoFormat
from ffmpeg_filter.upscale.memory import cache_size
from vsadcvsr.errors import FormatError
from vsadcvsr.plugin.output_shape import OutputShape, SizeRequest, resolve_shape
from vsadcvsr.spec import ModelSpec

_ENDLESS = (1 << 31) - 1
_SCRIPT_ADVICE = re.compile(r"; call std\..*")
_TAG_ADVICE = "; tag the frames otherwise before, in FFmpeg with setparams"


class FrameStore(dict[int, vs.VideoFrame]):
    """Frames by number, kept until they are no longer needed."""

    def clip(self, format: int, width: int, height: int) -> vs.VideoNode:
        """An endless clip of the stored frames."""
        blank = vs.core.std.BlankClip(format=format, width=width, height=height, length=_ENDLESS, keep=True)
        frame_of: Callable[[int, vs.VideoFrame], vs.VideoFrame] = self._frame
        clip = blank.std.ModifyFrame(blank, frame_of)
        clip.std.SetVideoCache(0)
        return clip

    def _frame(self, n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        del f
        return self[n]


class Size(NamedTuple):
    """Width and height in pixels."""

    width: int
    height: int


def padded_size(raw: RawFrame) -> Size:
    """The size of the frame's clip."""
    across, down = raw.format.subsampling
    return Size(_round_up(raw.width, 1 << across), _round_up(raw.height, 1 << down))


def _round_up(length: int, step: int) -> int:
    return -(-length // step) * step


def output_shape(
    clip: vs.VideoNode, first: RawFrame, request: SizeRequest, spec: ModelSpec, *, format: VideoFormat | None
) -> tuple[OutputShape, Size]:
    """Shape of the output clip for frames like `first`, and the size to crop it to. Raises UsageError."""
    output_id = None if format is None else format_id(format)
    size = Size(first.width, first.height)
    if size == padded_size(first):
        shape = resolve_shape(clip, request, spec, format=output_id)
        return shape, Size(shape.width, shape.height)
    unpadded = vs.core.std.BlankClip(format=vs.GRAY8, width=first.width, height=first.height, length=1)
    cropped = resolve_shape(unpadded, request, spec, format=None)
    out = resolve_shape(clip, SizeRequest(), spec, format=output_id).format
    cropped_size, scale = Size(cropped.width, cropped.height), cropped.width // first.width
    if cropped.is_native(first.width, first.height, scale):
        return OutputShape(width=clip.width * scale, height=clip.height * scale, format=out), cropped_size
    width, height = _round_up(cropped.width, 1 << out.subsampling_w), _round_up(cropped.height, 1 << out.subsampling_h)
    area = width * first.width / cropped.width, height * first.height / cropped.height
    return OutputShape(width=width, height=height, format=out, source_area=area), cropped_size


def format_id(format: VideoFormat) -> int:
    """VapourSynth's format id."""
    kind = vs.FLOAT if format.is_float else vs.INTEGER
    return int(vs.core.query_video_format(vs.ColorFamily[format.family], kind, format.bits, *format.subsampling).id)


def alpha_format(format: VideoFormat) -> VideoFormat:
    """Format of the alpha plane of a format."""
    return VideoFormat("GRAY", format.bits, is_float=format.is_float)


def enlarged_alpha(clip: vs.VideoNode, shape: OutputShape) -> vs.VideoNode:
    """The alpha clip, resized to the output's size and depth."""
    out = vs.core.query_video_format(vs.GRAY, shape.format.sample_type, shape.format.bits_per_sample).id
    full = vs.RANGE_FULL
    area = shape.resize_area(1)
    return clip.resize.Bicubic(shape.width, shape.height, format=out, range_in=full, range=full, **area)


def to_vs_frame(
    format: VideoFormat, size: Size, planes: tuple[Plane, ...], props: Mapping[str, Property]
) -> vs.VideoFrame:
    """A new frame with the planes, padded to `size`. RGB gets no `_Matrix` of YUV: FFmpeg and PyAV may leave one
    on a frame that they have converted, which VapourSynth refuses.
    """
    frame = vs.core.create_video_frame(format_id(format), *size)
    for index, plane in enumerate(planes):
        target = np.asarray(frame[index])
        height, width = plane.shape
        np.copyto(target[:height, :width], plane)
        target[height:, :width] = target[height - 1, :width]
        target[:, width:] = target[:, width - 1 : width]
    frame.props.update(props)
    if format.family == "RGB" and props.get("_Matrix", vs.MATRIX_RGB) not in {vs.MATRIX_RGB, vs.MATRIX_UNSPECIFIED}:
        del frame.props["_Matrix"]
    return frame


def from_vs_frame(frame: vs.VideoFrame, alpha: vs.VideoFrame | None, size: Size, tag: object) -> RawFrame:
    """A RawFrame that shares the frames' memory, read-only, cropped to `size`."""
    vs_format = frame.format
    subsampling = vs_format.subsampling_w, vs_format.subsampling_h
    format = VideoFormat(
        vs_format.color_family.name, vs_format.bits_per_sample, subsampling, vs_format.sample_type == vs.FLOAT
    )
    planes = tuple(_cropped(frame, index, format.size(index, *size)) for index in range(format.planes))
    props = {name: value for name, value in frame.props.items() if isinstance(value, int | float | str)}
    return RawFrame(format, *size, planes, None if alpha is None else _cropped(alpha, 0, size), props, tag)


def _cropped(frame: vs.VideoFrame, plane: int, size: tuple[int, int]) -> Plane:
    whole: Plane = np.asarray(frame[plane])
    return whole[: size[1], : size[0]]


def limit_frame_cache(width: int, height: int) -> None:
    """Limits VapourSynth's frame cache in a dedicated process."""
    vs.core.max_cache_size = cache_size(width, height, vs.core.max_cache_size)


@contextmanager
def as_format_error() -> Iterator[None]:
    """Turns VapourSynth errors into FormatError, with advice that fits frames of FFmpeg."""
    try:
        yield
    except vs.Error as error:
        message = _SCRIPT_ADVICE.sub(_TAG_ADVICE, str(error).removeprefix("Upscale: "))
        raise FormatError(message) from error

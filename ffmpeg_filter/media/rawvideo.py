"""Raw video on pipes: planes in order, lines without padding."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import av
import numpy as np
from numpy.typing import NDArray

from ffmpeg_filter.media.av_frames import component_views
from ffmpeg_filter.media.frame import Plane
from ffmpeg_filter.media.pipe_formats import PipeFormat
from ffmpeg_filter.media.pixel_formats import PixelLayout, layout_of

type Buffer = memoryview | NDArray[np.generic]


def read_frame(width: int, height: int, pixel_format: str, read: Callable[[memoryview], None]) -> av.VideoFrame:
    """A new frame, filled by calling `read` with its buffers in order."""
    frame = av.VideoFrame(width, height, pixel_format)
    layout = layout_of(pixel_format)
    for number, plane in enumerate(frame.planes):
        across, lines = _line_bytes(layout, number, width, height)
        if plane.line_size == across:
            read(memoryview(plane)[: across * lines])
            continue
        packed = np.empty((lines, across), np.uint8)
        read(memoryview(packed).cast("B"))
        np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[:lines, :across] = packed
    return frame


def _line_bytes(layout: PixelLayout, plane: int, width: int, height: int) -> tuple[int, int]:
    """Bytes per line of a plane, and its number of lines."""
    sizes = [
        (layout.format.size(number, width, height), component.step)
        for number, component in enumerate(layout.components)
        if component.plane == plane
    ]
    samples = max(across * step for (across, _), step in sizes)
    return samples * np.dtype(layout.dtype).itemsize, max(lines for (_, lines), _ in sizes)


def frame_buffers(frame: av.VideoFrame, pipe_format: PipeFormat) -> Iterator[Buffer]:
    """The bytes of a frame in its pipe format, as buffers in order."""
    if pipe_format.pfm_magic:
        yield from _pfm_buffers(frame, pipe_format)
    elif pipe_format.pixel_format == frame.format.name:
        yield from plane_buffers(frame)
    else:
        yield from _planar_buffers(frame, layout_of(pipe_format.pixel_format))


def frame_bytes(frame: av.VideoFrame, pipe_format: PipeFormat) -> int:
    """The size of a frame in its pipe format."""
    return sum(memoryview(part).nbytes for part in frame_buffers(frame, pipe_format))


def plane_buffers(frame: av.VideoFrame) -> Iterator[Buffer]:
    """The bytes of a frame's planes, as buffers in order."""
    layout = layout_of(frame.format.name)
    for number, plane in enumerate(frame.planes):
        across, lines = _line_bytes(layout, number, frame.width, frame.height)
        if plane.line_size == across:
            yield memoryview(plane)[: across * lines]
        else:
            rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
            yield np.ascontiguousarray(rows[:lines, :across])


def _planar_buffers(frame: av.VideoFrame, target: PixelLayout) -> Iterator[Buffer]:
    """Samples as planes: neutral chroma is added to grey, chroma of 4:4:0 is doubled vertically."""
    layout = layout_of(frame.format.name)
    planes = [_at_bit_0(view, layout) for view in component_views(frame, layout)]
    if layout.format.family == "GRAY":
        grey = np.full_like(planes[0], 1 << (target.format.bits - 1))
        planes[1:1] = [grey, grey]
    for number, plane in enumerate(planes):
        height = target.format.size(number, frame.width, frame.height)[1]
        whole = plane if len(plane) == height else np.repeat(plane, 2, 0)[:height]
        yield np.ascontiguousarray(whole.astype(target.dtype, copy=False))


def _at_bit_0(view: Plane, layout: PixelLayout) -> Plane:
    return view >> layout.shift if layout.shift else view  # type: ignore[operator]  # no float has a shift


def _pfm_buffers(frame: av.VideoFrame, pipe_format: PipeFormat) -> Iterator[Buffer]:
    """A PFM file: lines from bottom to top, samples interleaved."""
    yield memoryview(b"%s\n%d %d\n-1.0\n" % (pipe_format.pfm_magic, frame.width, frame.height))
    samples = np.stack([view[::-1] for view in component_views(frame, layout_of(frame.format.name))], -1)
    yield np.ascontiguousarray(samples.astype("<f4", copy=False))

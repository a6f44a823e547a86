"""The pixels of frames as they go through pipes: planes one after the other, lines without gaps."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import av
import numpy as np
from numpy.typing import NDArray

from ffmpeg_filter.media.av_frames import views
from ffmpeg_filter.media.frame import Plane
from ffmpeg_filter.media.pipe_formats import Carrier
from ffmpeg_filter.media.pixel_formats import Layout, layout_of

type Buffer = memoryview | NDArray[np.generic]


def filled(width: int, height: int, pixel_format: str, read: Callable[[memoryview], None]) -> av.VideoFrame:
    """A new frame; `read` fills the buffers that it is called with, in order."""
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


def _line_bytes(layout: Layout, plane: int, width: int, height: int) -> tuple[int, int]:
    """The bytes in a line of a plane, and its lines."""
    sizes = [
        (layout.format.size(number, width, height), component.step)
        for number, component in enumerate(layout.components)
        if component.plane == plane
    ]
    samples = max(across * step for (across, _), step in sizes)
    return samples * np.dtype(layout.dtype).itemsize, max(lines for (_, lines), _ in sizes)


def parts(frame: av.VideoFrame, carrier: Carrier) -> Iterator[Buffer]:
    """The pixels of a frame as its carrier has them, in order."""
    if carrier.picture:
        yield from _picture(frame, carrier)
    elif carrier.format == frame.format.name:
        yield from _packed(frame)
    else:
        yield from _planes(frame, layout_of(carrier.format))


def size(frame: av.VideoFrame, carrier: Carrier) -> int:
    """The bytes of all parts of a frame."""
    return sum(memoryview(part).nbytes for part in parts(frame, carrier))


def _packed(frame: av.VideoFrame) -> Iterator[Buffer]:
    layout = layout_of(frame.format.name)
    for number, plane in enumerate(frame.planes):
        across, lines = _line_bytes(layout, number, frame.width, frame.height)
        if plane.line_size == across:
            yield memoryview(plane)[: across * lines]
        else:
            rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
            yield np.ascontiguousarray(rows[:lines, :across])


def _planes(frame: av.VideoFrame, wanted: Layout) -> Iterator[Buffer]:
    """The samples in planes: chroma that grey has none of is added, that of 4:4:0 is made as high as luma."""
    layout = layout_of(frame.format.name)
    planes = [_lowered(view, layout) for view in views(frame, layout)]
    if layout.format.family == "GRAY":
        middle = np.full_like(planes[0], 1 << (wanted.format.bits - 1))
        planes[1:1] = [middle, middle]
    for number, plane in enumerate(planes):
        height = wanted.format.size(number, frame.width, frame.height)[1]
        whole = plane if len(plane) == height else np.repeat(plane, 2, 0)[:height]
        yield np.ascontiguousarray(whole.astype(wanted.dtype, copy=False))


def _lowered(view: Plane, layout: Layout) -> Plane:
    return view >> layout.shift if layout.shift else view  # type: ignore[operator]  # no float has a shift


def _picture(frame: av.VideoFrame, carrier: Carrier) -> Iterator[Buffer]:
    """A PFM file: lines from the bottom to the top, the samples of a pixel side by side."""
    yield memoryview(b"%s\n%d %d\n-1.0\n" % (carrier.picture, frame.width, frame.height))
    samples = np.stack([view[::-1] for view in views(frame, layout_of(frame.format.name))], -1)
    yield np.ascontiguousarray(samples.astype("<f4", copy=False))

"""Frames of PyAV as arrays and frame properties."""

from __future__ import annotations

import av
import numpy as np

from ffmpeg_filter.media.frame import Plane, Property, Raw
from ffmpeg_filter.media.pixel_formats import Component, Layout, layout_of

_COLOURS = {"_Matrix": "colorspace", "_Primaries": "color_primaries", "_Transfer": "color_trc"}
"""Properties and the attributes of frames that hold the same numbers, those of ITU-T H.273."""
UNSPECIFIED = 2
_LAST = 22
"""The last number of H.273; FFmpeg has some of its own far above."""


def raw_of(frame: av.VideoFrame) -> Raw:
    """The frame's own memory, with the frame as tag; samples that do not start at bit 0 are a copy."""
    layout = layout_of(frame.format.name)
    samples = [view >> layout.shift if layout.shift else view for view in views(frame, layout)]  # type: ignore[operator]
    count = layout.format.planes
    alpha = samples[count] if layout.has_alpha else None
    return Raw(layout.format, frame.width, frame.height, tuple(samples[:count]), alpha, _props(frame, layout), frame)


def views(frame: av.VideoFrame, layout: Layout) -> list[Plane]:
    """Each component in the frame's memory, (H, W)."""
    sizes = [layout.format.size(index, frame.width, frame.height) for index in range(len(layout.components))]
    return [
        _view(frame, component, layout.dtype, size) for component, size in zip(layout.components, sizes, strict=True)
    ]


def _view(frame: av.VideoFrame, component: Component, dtype: str, size: tuple[int, int]) -> Plane:
    plane = frame.planes[component.plane]
    lines = np.frombuffer(plane, np.uint8).reshape(-1, abs(plane.line_size)).view(dtype)
    upright = lines[::-1] if plane.line_size < 0 else lines
    return upright[: size[1], component.offset :: component.step][:, : size[0]]


def _props(frame: av.VideoFrame, layout: Layout) -> dict[str, Property]:
    numbers = {name: getattr(frame, attribute) for name, attribute in _COLOURS.items()}
    props: dict[str, Property] = {
        name: int(number) for name, number in numbers.items() if 0 < number <= _LAST and number != UNSPECIFIED
    }
    if layout.full_range or frame.color_range:
        props["_Range"] = int(layout.full_range or frame.color_range == 2)
    if location := getattr(frame, "chroma_location", 0):  # PyAV 19 and later
        props["_ChromaLocation"] = int(location) - 1
    return props

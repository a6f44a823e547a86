"""PyAV frames as arrays and frame properties."""

from __future__ import annotations

import av
import numpy as np

from ffmpeg_filter.media.frame import Plane, Property, RawFrame
from ffmpeg_filter.media.pixel_formats import Component, PixelLayout, layout_of

_COLOR_ATTRIBUTES = {"_Matrix": "colorspace", "_Primaries": "color_primaries", "_Transfer": "color_trc"}
"""Frame properties and the PyAV attributes with the same codes (ITU-T H.273)."""
UNSPECIFIED = 2
_LAST_CODE = 22
"""The highest code of H.273; FFmpeg's own codes are far above."""


def to_raw_frame(frame: av.VideoFrame) -> RawFrame:
    """A RawFrame that shares the frame's memory and has it as tag; samples not aligned to bit 0 are copied."""
    layout = layout_of(frame.format.name)
    samples = [view >> layout.shift if layout.shift else view for view in component_views(frame, layout)]  # type: ignore[operator]
    count = layout.format.planes
    alpha = samples[count] if layout.has_alpha else None
    return RawFrame(
        layout.format, frame.width, frame.height, tuple(samples[:count]), alpha, _props(frame, layout), frame
    )


def component_views(frame: av.VideoFrame, layout: PixelLayout) -> list[Plane]:
    """Views (H, W) of each component in the frame's memory."""
    sizes = [layout.format.size(index, frame.width, frame.height) for index in range(len(layout.components))]
    return [
        _view(frame, component, layout.dtype, size) for component, size in zip(layout.components, sizes, strict=True)
    ]


def _view(frame: av.VideoFrame, component: Component, dtype: str, size: tuple[int, int]) -> Plane:
    plane = frame.planes[component.plane]
    lines = np.frombuffer(plane, np.uint8).reshape(-1, abs(plane.line_size)).view(dtype)
    upright = lines[::-1] if plane.line_size < 0 else lines
    return upright[: size[1], component.offset :: component.step][:, : size[0]]


def _props(frame: av.VideoFrame, layout: PixelLayout) -> dict[str, Property]:
    numbers = {name: getattr(frame, attribute) for name, attribute in _COLOR_ATTRIBUTES.items()}
    props: dict[str, Property] = {
        name: int(number) for name, number in numbers.items() if 0 < number <= _LAST_CODE and number != UNSPECIFIED
    }
    if layout.full_range or frame.color_range:
        props["_Range"] = int(layout.full_range or frame.color_range == 2)
    if location := getattr(frame, "chroma_location", 0):  # PyAV 19 and later
        props["_ChromaLocation"] = int(location) - 1
    return props

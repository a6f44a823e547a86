"""PyAV frames as arrays and frame properties, and back, with timestamps, color tags and side data."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from ffmpeg_filter.media import side_data
from ffmpeg_filter.media.frame import Plane, Property, RawFrame
from ffmpeg_filter.media.pixel_formats import Component, PixelLayout, layout_of

_log = logging.getLogger(__name__)

_COLOR_ATTRIBUTES = {"_Matrix": "colorspace", "_Primaries": "color_primaries", "_Transfer": "color_trc"}
"""Frame properties and the PyAV attributes with the same codes (ITU-T H.273)."""
_UNSPECIFIED = 2
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
        name: int(number) for name, number in numbers.items() if 0 < number <= _LAST_CODE and number != _UNSPECIFIED
    }
    if layout.full_range or frame.color_range:
        props["_Range"] = int(layout.full_range or frame.color_range == 2)
    if location := getattr(frame, "chroma_location", 0):  # PyAV 19 and later
        props["_ChromaLocation"] = int(location) - 1
    return props


class ToAvFrame:
    """Conversion of raw frames whose tag is the PyAV frame that they were made from, to frames in a pixel format, by
    default the source's. Everything but pixels and colors is the source frame's, side data only if asked for.
    """

    def __init__(self, pixel_format: str | None, *, side_data: bool) -> None:
        self._pixel_format = pixel_format
        self._scaler = VideoReformatter() if side_data else None
        self._has_warned = False

    def __call__(self, raw: RawFrame) -> av.VideoFrame:
        source = source_of(raw)
        self._pixel_format = self._pixel_format or source.format.name
        frame = self._with_side_data(source, raw.width, raw.height, self._pixel_format)
        return _fill(frame or _without_side_data(source, raw.width, raw.height, self._pixel_format), raw)

    def _with_side_data(self, source: av.VideoFrame, width: int, height: int, name: str) -> av.VideoFrame | None:
        """A frame with side data, metadata and field order, which PyAV copies only when it scales a frame; None without
        any.
        """
        if self._scaler is None:
            return None
        kinds = side_data.side_data_kinds(source)
        if kinds is not None and not kinds.safe:
            self._warn(kinds.names)
        if kinds is not None and not (kinds.safe and (kinds.names or _has_more(source))):
            return None
        try:
            if (source.width, source.height, source.format.name) == (width, height, name):
                between = "gray" if name != "gray" else "yuv444p"  # else it is the source itself that comes back
                source = self._scaler.reformat(source, width, height, between, interpolation="POINT")
            frame = self._scaler.reformat(source, width, height, name, interpolation="POINT")
        except (av.FFmpegError, ValueError):  # a format or colour that libswscale does not take
            return None
        frame.pict_type = 0
        return frame

    def _warn(self, names: Sequence[str]) -> None:
        if not self._has_warned:
            self._has_warned = True
            _log.warning("left out, as PyAV %s frees it twice: side data (%s)", av.__version__, ", ".join(names))


def _has_more(source: av.VideoFrame) -> bool:
    """Whether a frame has a field order, or metadata of filters, which PyAV 18 does not tell."""
    return bool(source.interlaced_frame or getattr(source, "metadata", None))


def source_of(raw: RawFrame) -> av.VideoFrame:
    """The PyAV frame that a raw frame was made from."""
    assert isinstance(raw.tag, av.VideoFrame)
    return raw.tag


def _fill(frame: av.VideoFrame, raw: RawFrame) -> av.VideoFrame:
    layout = layout_of(frame.format.name)
    for index, plane in enumerate(frame.planes):
        if layout.has_gaps(index):
            np.frombuffer(plane, np.uint8)[:] = 0xFF
    peak = 1 if layout.format.is_float else (1 << layout.format.bits) - 1
    planes = [*raw.planes, np.array(peak) if raw.alpha is None else raw.alpha]
    for view, samples in zip(component_views(frame, layout), planes, strict=False):
        np.copyto(view, samples << layout.shift if layout.shift else samples, casting="unsafe")  # type: ignore[operator]
    _describe(frame, raw)
    return frame


def _without_side_data(source: av.VideoFrame, width: int, height: int, name: str) -> av.VideoFrame:
    """A new frame without side data."""
    frame = av.VideoFrame(width, height, name)
    frame.pts, frame.dts, frame.duration = source.pts, source.dts, source.duration
    if source.time_base:
        frame.time_base = source.time_base
    frame.opaque = source.opaque
    return frame


def _describe(frame: av.VideoFrame, raw: RawFrame) -> None:
    source = source_of(raw)
    frame.colorspace = int(raw.props.get("_Matrix", _UNSPECIFIED))
    frame.color_primaries, frame.color_trc = source.color_primaries, source.color_trc
    frame.color_range = int(raw.props["_Range"]) + 1 if "_Range" in raw.props else 0
    if hasattr(frame, "chroma_location"):
        frame.chroma_location = int(raw.props.get("_ChromaLocation", -1)) + 1

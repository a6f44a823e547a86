"""The PyAV face: video frames in, upscaled video frames out, with their timestamps, durations and colours."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from typing import Unpack, cast

import av
import numpy as np

from ffmpeg_filter import passage
from ffmpeg_filter.pixels import Component, Layout, layout_of
from ffmpeg_filter.raw import Plane, Property, Raw

_log = logging.getLogger(__name__)

_COLOURS = {"_Matrix": "colorspace", "_Primaries": "color_primaries", "_Transfer": "color_trc"}
"""Properties and the attributes of frames that hold the same numbers, those of ITU-T H.273."""

_UNSPECIFIED = 2
_LAST = 22
"""The last number of H.273; FFmpeg has some of its own far above."""


class Options(passage.Model, passage.Resizing, total=False):
    """The arguments of `core.adcvsr.Upscale`. `format` is the name of a pixel format, the source's by default;
    `active` says of which frames the network's pictures are wanted: others come as a plain bicubic upscale.
    """

    format: str | None
    active: Callable[[av.VideoFrame], bool] | None


def upscale_frames(frames: Iterable[av.VideoFrame], **options: Unpack[Options]) -> Generator[av.VideoFrame]:
    """The frames upscaled, in order, one for each, in their own pixel format unless `format` says otherwise.

    Timestamps, time bases, durations, colours, `opaque` and side data are the source frame's. The picture type is not,
    so that encoders choose. The pixels have the same bits as those of `core.adcvsr.Upscale`. `frames` is read on
    another thread. Raises UsageError, WeightsError or BackendError at once, and behind the pictures of the frames
    before it FormatError for one that cannot be taken or is not like the first, or whatever `frames` raises.
    """
    active = options.get("active")
    given = {**options, "active": active and (lambda raw: active(_source(raw)))}
    return _written(passage.upscale(_read(frames), **cast(passage.Options, given)), options.get("format"))


def _read(frames: Iterable[av.VideoFrame]) -> Iterator[Raw]:
    warned = False
    for n, frame in enumerate(frames):
        if frame.interlaced_frame and not warned:
            _log.warning("frame %d is interlaced and is upscaled as if it were not; deinterlace first (bwdif)", n)
            warned = True
        yield raw_of(frame)


def raw_of(frame: av.VideoFrame) -> Raw:
    """The frame's own memory, with the frame as tag; samples that do not start at bit 0 are a copy."""
    layout = layout_of(frame.format.name)
    views = [view >> layout.shift if layout.shift else view for view in _views(frame, layout)]  # type: ignore[operator]
    count = layout.format.planes
    alpha = views[count] if layout.has_alpha else None
    return Raw(layout.format, frame.width, frame.height, tuple(views[:count]), alpha, _props(frame, layout), frame)


def _views(frame: av.VideoFrame, layout: Layout) -> list[Plane]:
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
        name: int(number) for name, number in numbers.items() if 0 < number <= _LAST and number != _UNSPECIFIED
    }
    if layout.full_range or frame.color_range:
        props["_Range"] = int(layout.full_range or frame.color_range == 2)
    if location := getattr(frame, "chroma_location", 0):  # PyAV 19 and later
        props["_ChromaLocation"] = int(location) - 1
    return props


def _written(made: Generator[Raw], name: str | None) -> Generator[av.VideoFrame]:
    with closing(made):
        for raw in made:
            name = name or _source(raw).format.name
            yield _frame_of(raw, name)


def _source(raw: Raw) -> av.VideoFrame:
    assert isinstance(raw.tag, av.VideoFrame)
    return raw.tag


def _frame_of(raw: Raw, name: str) -> av.VideoFrame:
    frame, layout = _alike(_source(raw), raw, name), layout_of(name)
    for index, plane in enumerate(frame.planes):
        if layout.has_gaps(index):
            np.frombuffer(plane, np.uint8)[:] = 0xFF
    peak = 1 if layout.format.is_float else (1 << layout.format.bits) - 1
    planes = [*raw.planes, np.array(peak) if raw.alpha is None else raw.alpha]
    for view, samples in zip(_views(frame, layout), planes, strict=False):
        np.copyto(view, samples << layout.shift if layout.shift else samples, casting="unsafe")  # type: ignore[operator]
    _describe(frame, raw)
    return frame


def _alike(source: av.VideoFrame, raw: Raw, name: str) -> av.VideoFrame:
    """A frame with all that the source says, but for colour and pixels."""
    if len(source.side_data) and (source.width, source.height) != (raw.width, raw.height):
        # PyAV has no other way to side data; it leaves out what is bound to the old size.
        frame = source.reformat(raw.width, raw.height, name, interpolation="POINT")
        frame.pict_type = 0
        return frame
    frame = av.VideoFrame(raw.width, raw.height, name)
    frame.pts, frame.dts, frame.duration = source.pts, source.dts, source.duration
    if source.time_base:
        frame.time_base = source.time_base
    frame.opaque = source.opaque
    return frame


def _describe(frame: av.VideoFrame, raw: Raw) -> None:
    source = _source(raw)
    frame.colorspace = int(raw.props.get("_Matrix", _UNSPECIFIED))
    frame.color_primaries, frame.color_trc = source.color_primaries, source.color_trc
    frame.color_range = int(raw.props["_Range"]) + 1 if "_Range" in raw.props else 0
    if hasattr(frame, "chroma_location"):
        frame.chroma_location = int(raw.props.get("_ChromaLocation", -1)) + 1

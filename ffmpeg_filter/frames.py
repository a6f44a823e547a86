"""PyAV frames upscaled, with timestamps, durations, color tags and side data."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from typing import Unpack, cast

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from ffmpeg_filter.media import side_data
from ffmpeg_filter.media.av_frames import UNSPECIFIED, component_views, to_raw_frame
from ffmpeg_filter.media.frame import RawFrame
from ffmpeg_filter.media.pixel_formats import layout_of
from ffmpeg_filter.upscale import stream

_log = logging.getLogger(__name__)


class FrameOptions(stream.ModelOptions, stream.ResizeOptions, total=False):
    """Arguments of `core.adcvsr.Upscale`, and the following."""

    format: str | None
    """Output pixel format; the source's by default."""
    active: Callable[[av.VideoFrame], bool] | None
    """Predicate of frames to be upscaled by the network; others get a bicubic upscale."""
    side_data: bool
    """Whether side data and metadata are copied; True by default."""


def upscale_frames(frames: Iterable[av.VideoFrame], **options: Unpack[FrameOptions]) -> Generator[av.VideoFrame]:
    """Upscaled frames, in order, one per input frame, bit-identical to `core.adcvsr.Upscale`.

    Timestamps, time bases, durations, color tags, field order, `opaque` and side data are the source frame's; the
    picture type is reset, so that encoders choose. The pixel format is the source's unless `format` is given. `frames`
    is read on another thread. Raises UsageError, WeightsError or BackendError at once; FormatError for unsupported or
    changing frames, and whatever `frames` raises, after all frames before.
    """
    active = options.get("active")
    raw_options = {**options, "active": active and (lambda raw: active(_source(raw)))}
    new_frame = _WithSideData() if raw_options.pop("side_data", True) else _without_side_data
    return _to_av_frames(
        stream.upscale(_to_raw_frames(frames), **cast(stream.UpscaleOptions, raw_options)),
        options.get("format"),
        new_frame,
    )


def _to_raw_frames(frames: Iterable[av.VideoFrame]) -> Iterator[RawFrame]:
    warned = False
    for n, frame in enumerate(frames):
        if frame.interlaced_frame and not warned:
            _log.warning("frame %d is interlaced and is upscaled as if it were not; deinterlace first (bwdif)", n)
            warned = True
        yield to_raw_frame(frame)


type _FrameLike = Callable[[av.VideoFrame, int, int, str], av.VideoFrame]
"""Makes a frame of a width, height and pixel format with everything of a source frame but pixels and colors."""


def _to_av_frames(upscaled: Generator[RawFrame], name: str | None, new_frame: _FrameLike) -> Generator[av.VideoFrame]:
    with closing(upscaled):
        for raw in upscaled:
            name = name or _source(raw).format.name
            yield _fill(new_frame(_source(raw), raw.width, raw.height, name), raw)


def _source(raw: RawFrame) -> av.VideoFrame:
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


class _WithSideData:
    """Makes frames with side data and metadata, which PyAV copies only when it scales a frame."""

    def __init__(self) -> None:
        self._scaler = VideoReformatter()
        self._has_warned = False

    def __call__(self, source: av.VideoFrame, width: int, height: int, name: str) -> av.VideoFrame:
        kinds = side_data.side_data_kinds(source)
        if kinds is not None and not kinds.safe:
            self._warn(kinds.names)
        if kinds is not None and not (kinds.safe and kinds.names):
            return _without_side_data(source, width, height, name)
        try:
            if (source.width, source.height, source.format.name) == (width, height, name):
                between = "gray" if name != "gray" else "yuv444p"  # else it is the source itself that comes back
                source = self._scaler.reformat(source, width, height, between, interpolation="POINT")
            frame = self._scaler.reformat(source, width, height, name, interpolation="POINT")
        except (av.FFmpegError, ValueError):  # a format or colour that libswscale does not take
            return _without_side_data(source, width, height, name)
        frame.pict_type = 0
        return frame

    def _warn(self, names: Sequence[str]) -> None:
        if not self._has_warned:
            self._has_warned = True
            _log.warning("left out, as PyAV %s frees it twice: side data (%s)", av.__version__, ", ".join(names))


def _describe(frame: av.VideoFrame, raw: RawFrame) -> None:
    source = _source(raw)
    frame.colorspace = int(raw.props.get("_Matrix", UNSPECIFIED))
    frame.color_primaries, frame.color_trc = source.color_primaries, source.color_trc
    frame.color_range = int(raw.props["_Range"]) + 1 if "_Range" in raw.props else 0
    if hasattr(frame, "chroma_location"):
        frame.chroma_location = int(raw.props.get("_ChromaLocation", -1)) + 1

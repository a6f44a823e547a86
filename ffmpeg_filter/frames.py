"""The PyAV face: video frames in, upscaled video frames out, with their timestamps, durations and colours."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from typing import Unpack, cast

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from ffmpeg_filter.media import side_data
from ffmpeg_filter.media.av_frames import UNSPECIFIED, raw_of, views
from ffmpeg_filter.media.frame import Raw
from ffmpeg_filter.media.pixel_formats import layout_of
from ffmpeg_filter.upscale import stream

_log = logging.getLogger(__name__)


class Options(stream.Model, stream.Resizing, total=False):
    """The arguments of `core.adcvsr.Upscale`. `format` is the name of a pixel format, the source's by default;
    `active` says of which frames the network's pictures are wanted: others come as a plain bicubic upscale.
    `side_data=False` leaves side data and metadata out.
    """

    format: str | None
    active: Callable[[av.VideoFrame], bool] | None
    side_data: bool


def upscale_frames(frames: Iterable[av.VideoFrame], **options: Unpack[Options]) -> Generator[av.VideoFrame]:
    """The frames upscaled, in order, one for each, in their own pixel format unless `format` says otherwise.

    Timestamps, time bases, durations, colours, field order, `opaque` and side data are the source frame's. The picture
    type is not, so that encoders choose. The pixels have the same bits as those of `core.adcvsr.Upscale`. `frames` is
    read on another thread. Raises UsageError, WeightsError or BackendError at once, and behind the pictures of the
    frames before it FormatError for one that cannot be taken or is not like the first, or whatever `frames` raises.
    """
    active = options.get("active")
    given = {**options, "active": active and (lambda raw: active(_source(raw)))}
    like = _WithSideData() if given.pop("side_data", True) else _bare
    return _written(stream.upscale(_read(frames), **cast(stream.Options, given)), options.get("format"), like)


def _read(frames: Iterable[av.VideoFrame]) -> Iterator[Raw]:
    warned = False
    for n, frame in enumerate(frames):
        if frame.interlaced_frame and not warned:
            _log.warning("frame %d is interlaced and is upscaled as if it were not; deinterlace first (bwdif)", n)
            warned = True
        yield raw_of(frame)


type _Like = Callable[[av.VideoFrame, int, int, str], av.VideoFrame]
"""Makes a frame of a width, a height and a pixel format with what a source frame says, but for colour and pixels."""


def _written(made: Generator[Raw], name: str | None, like: _Like) -> Generator[av.VideoFrame]:
    with closing(made):
        for raw in made:
            name = name or _source(raw).format.name
            yield _filled(like(_source(raw), raw.width, raw.height, name), raw)


def _source(raw: Raw) -> av.VideoFrame:
    assert isinstance(raw.tag, av.VideoFrame)
    return raw.tag


def _filled(frame: av.VideoFrame, raw: Raw) -> av.VideoFrame:
    layout = layout_of(frame.format.name)
    for index, plane in enumerate(frame.planes):
        if layout.has_gaps(index):
            np.frombuffer(plane, np.uint8)[:] = 0xFF
    peak = 1 if layout.format.is_float else (1 << layout.format.bits) - 1
    planes = [*raw.planes, np.array(peak) if raw.alpha is None else raw.alpha]
    for view, samples in zip(views(frame, layout), planes, strict=False):
        np.copyto(view, samples << layout.shift if layout.shift else samples, casting="unsafe")  # type: ignore[operator]
    _describe(frame, raw)
    return frame


def _bare(source: av.VideoFrame, width: int, height: int, name: str) -> av.VideoFrame:
    """Without side data."""
    frame = av.VideoFrame(width, height, name)
    frame.pts, frame.dts, frame.duration = source.pts, source.dts, source.duration
    if source.time_base:
        frame.time_base = source.time_base
    frame.opaque = source.opaque
    return frame


class _WithSideData:
    """With side data and metadata, which PyAV copies only where it scales a frame."""

    def __init__(self) -> None:
        self._scaler = VideoReformatter()
        self._has_warned = False

    def __call__(self, source: av.VideoFrame, width: int, height: int, name: str) -> av.VideoFrame:
        kinds = side_data.kinds(source)
        if kinds is not None and not kinds.safe:
            self._warn(kinds.names)
        if kinds is not None and not (kinds.safe and kinds.names):
            return _bare(source, width, height, name)
        try:
            if (source.width, source.height, source.format.name) == (width, height, name):
                between = "gray" if name != "gray" else "yuv444p"  # else it is the source itself that comes back
                source = self._scaler.reformat(source, width, height, between, interpolation="POINT")
            frame = self._scaler.reformat(source, width, height, name, interpolation="POINT")
        except (av.FFmpegError, ValueError):  # a format or colour that libswscale does not take
            return _bare(source, width, height, name)
        frame.pict_type = 0
        return frame

    def _warn(self, names: Sequence[str]) -> None:
        if not self._has_warned:
            self._has_warned = True
            _log.warning("left out, as PyAV %s frees it twice: side data (%s)", av.__version__, ", ".join(names))


def _describe(frame: av.VideoFrame, raw: Raw) -> None:
    source = _source(raw)
    frame.colorspace = int(raw.props.get("_Matrix", UNSPECIFIED))
    frame.color_primaries, frame.color_trc = source.color_primaries, source.color_trc
    frame.color_range = int(raw.props["_Range"]) + 1 if "_Range" in raw.props else 0
    if hasattr(frame, "chroma_location"):
        frame.chroma_location = int(raw.props.get("_ChromaLocation", -1)) + 1

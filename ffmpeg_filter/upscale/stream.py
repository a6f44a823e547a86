"""Upscaling of frames in any pixel format, raw or of PyAV, bit-identical to `core.adcvsr.Upscale`.

VapourSynth converts in-process: each frame becomes frame n of an endless clip. A pixel is converted twice and copied
three times. Output frames share VapourSynth's memory.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from itertools import chain
from typing import NamedTuple, TypedDict, Unpack, cast

import av

from ffmpeg_filter.media.av_frames import ToAvFrame, source_of, to_raw_frame
from ffmpeg_filter.media.frame import Property, RawFrame
from ffmpeg_filter.media.pixel_formats import output_layout
from ffmpeg_filter.upscale.prefetch import prefetch
from ffmpeg_filter.upscale.vs_bridge import (
    FrameStore,
    alpha_format,
    as_format_error,
    enlarged_alpha,
    format_id,
    from_vs_frame,
    limit_frame_cache,
    output_shape,
    padded_size,
    to_vs_frame,
)
from vsadcvsr.color import ColorFormat
from vsadcvsr.engine import Engine, InputFrame
from vsadcvsr.errors import FormatError, near_misses
from vsadcvsr.output import OutputFrame
from vsadcvsr.plugin import load
from vsadcvsr.plugin.formats import PlanarRequest, from_rgb, matrix_for, matrix_number, to_rgb
from vsadcvsr.plugin.frames import engine_format, input_frame, output_frame
from vsadcvsr.plugin.output_shape import SizeRequest

_log = logging.getLogger(__name__)

_PREFETCHED = 2
"""Number of frames that each stage may be ahead of the next."""


class ModelOptions(TypedDict, total=False):
    """Arguments of `Engine.open`."""

    model: str
    backend: str
    device: str
    device_index: int
    precision: str
    threads: int
    num_streams: int
    backend_options: str
    tile: tuple[int, int] | None
    tile_pad: int | None
    sc_threshold: float | None
    denoise: float
    steady: float
    sharpen: float
    strength: float
    color_fix: str | None


class ResizeOptions(TypedDict, total=False):
    """Output size, and the matrix of untagged frames."""

    scale: int | None
    width: int | None
    height: int | None
    matrix: int | str | None
    """A number of H.273, or its name."""


class OutputOptions(ResizeOptions, total=False):
    """Output size and format, and when the network is active."""

    format: str | None
    """FFmpeg's name of the output pixel format; alpha that it lacks is dropped."""
    active: Callable[[RawFrame], bool] | None
    """Predicate of frames to be upscaled by the network; others get a bicubic upscale."""


class UpscaleOptions(ModelOptions, OutputOptions, total=False):
    """Arguments of `core.adcvsr.Upscale`, and `active`."""


def open_engine(options: Mapping[str, object], size: tuple[int, int] | None = None) -> Engine:
    """The engine for these options, of which some may be no model's, and for frames of that (width, height), which
    decides which network of a model suits an exact output size. Raises UsageError, WeightsError or BackendError.
    """
    resize = cast(ResizeOptions, options)
    request = SizeRequest.checked(resize.get("scale"), resize.get("width"), resize.get("height"))
    model = {name: value for name, value in options.items() if name in ModelOptions.__annotations__}
    scale = request.least_scale(*size) if size else request.scale
    engine = Engine.open(scale=scale, **cast(ModelOptions, model))
    request.check(engine.spec)
    return engine


def upscale(frames: Iterable[RawFrame], **options: Unpack[UpscaleOptions]) -> Generator[RawFrame]:
    """Upscaled frames, in order, one per input frame, prefetched.

    `frames` is read on another thread. Raises UsageError, WeightsError or BackendError at once; FormatError for
    unsupported or changing frames, and whatever `frames` raises, after all frames before.
    """
    _check_names(options, UpscaleOptions)
    target = {name: value for name, value in options.items() if name in OutputOptions.__annotations__}
    if (matrix := options.get("matrix")) is not None:
        matrix_number(matrix)  # at once too
    output_layout(options.get("format"))
    engine = open_engine(options)  # at once, whatever the frames are
    return _upscale(iter(frames), engine, lambda *size: open_engine(options, size), cast(OutputOptions, target))


def _upscale(
    frames: Iterator[RawFrame], engine: Engine, engine_for: Callable[[int, int], Engine], target: OutputOptions
) -> Generator[RawFrame]:
    first = next(frames, None)
    if first is not None:
        engine = engine_for(first.width, first.height)
        yield from FrameUpscaler(first, engine, **target).upscale(chain([first], frames))


class FrameOptions(ModelOptions, ResizeOptions, total=False):
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
    is read on another thread: close this generator before the container that they come from, or PyAV crashes. Raises
    UsageError, WeightsError or BackendError at once; FormatError for unsupported or changing frames, and whatever
    `frames` raises, after all frames before.
    """
    _check_names(options, FrameOptions)
    active = options.get("active")
    raw_options = {**options, "active": active and (lambda raw: active(source_of(raw)))}
    convert = ToAvFrame(options.get("format"), side_data=bool(raw_options.pop("side_data", True)))
    return _to_av_frames(upscale(_to_raw_frames(frames), **cast(UpscaleOptions, raw_options)), convert)


def _check_names(options: Mapping[str, object], known: type) -> None:
    """Raises TypeError, as Python does, for an argument that is not among those of a TypedDict."""
    unknown = next((name for name in options if name not in known.__annotations__), None)
    if unknown is not None:
        hint = near_misses(unknown, known.__annotations__) or f"allowed: {', '.join(known.__annotations__)}"
        raise TypeError(f"there is no argument {unknown!r}; {hint}")


def _to_raw_frames(frames: Iterable[av.VideoFrame]) -> Iterator[RawFrame]:
    warned = False
    for n, frame in enumerate(frames):
        if not isinstance(frame, av.VideoFrame):
            raise FormatError(f"frame {n} is a {type(frame).__name__}, allowed: av.VideoFrame")
        if frame.interlaced_frame and not warned:
            _log.warning("frame %d is interlaced and is upscaled as if it were not; deinterlace first (bwdif)", n)
            warned = True
        yield to_raw_frame(frame)


def _to_av_frames(upscaled: Generator[RawFrame], convert: ToAvFrame) -> Generator[av.VideoFrame]:
    with closing(upscaled):
        yield from map(convert, upscaled)


class FrameUpscaler:
    """Upscales one clip with an engine. Alpha is resized with bicubic."""

    def __init__(
        self,
        first: RawFrame,
        engine: Engine,
        *,
        scale: int | None = None,
        width: int | None = None,
        height: int | None = None,
        format: str | None = None,
        matrix: int | str | None = None,
        active: Callable[[RawFrame], bool] | None = None,
    ) -> None:
        """For frames like `first`, which is not consumed. Raises UsageError or FormatError."""
        load()
        self.first = first
        self.engine = engine
        self._active = active
        self._sources, self._upscaled_frames, self._alphas = FrameStore(), FrameStore(), FrameStore()
        self._pending: dict[int, _PendingFrame] = {}
        self._failure: Exception | None = None
        self._padded = padded_size(first)
        with as_format_error():
            clip = self._sources.clip(format_id(first.format), *self._padded)
        layout = output_layout(format)
        output_format = layout.format if layout else None
        request = SizeRequest.checked(scale, width, height)
        shape, self.size = output_shape(clip, first, request, engine.spec, format=output_format)
        number = None if matrix is None else matrix_number(matrix)
        matrix = matrix_for(first.height, number)  # by the source's own height, which padding changes
        self._source_clip, self._rgb_clip = to_rgb(clip, shape, matrix)
        self._source_clip.std.SetVideoCache(0)
        upscaled_size = self._padded.width * engine.scale, self._padded.height * engine.scale
        limit_frame_cache(*upscaled_size)
        self._request, self._format = PlanarRequest(self._source_clip, shape, matrix, engine.scale), shape.format.id
        planar_format = self._request.color_format({})
        self._has_planar_output = planar_format is not None and engine.planar_output(
            self._padded.height, self._padded.width, planar_format
        )
        upscaled_clip = self._upscaled_frames.clip(engine_format(engine), *upscaled_size)
        planar_frames = self._upscaled_frames.clip(self._format, *upscaled_size) if self._has_planar_output else None
        self._output_clip = from_rgb(upscaled_clip, self._source_clip, shape, matrix, planar_frames)
        self._bicubic_clip = from_rgb(self._rgb_clip.resize.Bicubic(*upscaled_size), self._source_clip, shape, matrix)
        alpha_source = self._alphas.clip(format_id(alpha_format(first.format)), *self._padded)
        keeps_alpha = first.alpha is not None and (layout is None or layout.has_alpha)
        self._alpha_clip = enlarged_alpha(alpha_source, shape) if keeps_alpha else None

    def upscale(self, frames: Iterable[RawFrame]) -> Generator[RawFrame]:
        """Upscaled frames, in order, one per input frame; to be called once. Conversions and the engine have a thread
        each; closing the generator ends them.
        """
        sources = prefetch(self._to_engine(frames), _PREFETCHED, may_block=True)
        return prefetch(self._from_engine(prefetch(self.engine.stream_output(sources), _PREFETCHED)), _PREFETCHED)

    def _to_engine(self, frames: Iterable[RawFrame]) -> Iterator[InputFrame]:
        try:
            for n, raw in enumerate(frames):
                yield self._input_frame(n, raw)
        except Exception as error:  # noqa: BLE001 - raised after the frames before it
            self._failure = error

    def _input_frame(self, n: int, raw: RawFrame) -> InputFrame:
        if not raw.is_like(self.first):
            raise FormatError(f"frame {n} is {raw}, but the first one is {self.first}; convert all to one format")
        self._sources[n] = to_vs_frame(raw.format, self._padded, raw.planes, raw.props)
        if self._alpha_clip and raw.alpha is not None:
            self._alphas[n] = to_vs_frame(alpha_format(raw.format), self._padded, (raw.alpha,), {})
        active = self._active is None or self._active(raw)
        with as_format_error(), self._rgb_clip.get_frame(n) as frame:
            self._pending[n] = _PendingFrame(raw.tag, dict(frame.props), active)
            return input_frame(frame, self._color_format(n) if self._has_planar_output else None)

    def _color_format(self, n: int) -> ColorFormat | None:
        with self._source_clip.get_frame(n) as frame:
            return self._request.color_format(frame.props)

    def _from_engine(self, outputs: Iterable[OutputFrame]) -> Iterator[RawFrame]:
        for n, output in enumerate(outputs):
            pending = self._pending.pop(n)
            self._upscaled_frames[n] = output_frame(output, self._format)
            self._upscaled_frames[n].props.update(pending.props)
            with as_format_error():
                frame = (self._output_clip if pending.active else self._bicubic_clip).get_frame(n)
                alpha = self._alpha_clip.get_frame(n) if self._alpha_clip else None
            for store in (self._sources, self._upscaled_frames, self._alphas):
                store.pop(n, None)
            yield from_vs_frame(frame, alpha, self.size, pending.tag)
        if self._failure is not None:
            raise self._failure


class _PendingFrame(NamedTuple):
    """Metadata of a frame while it is in the engine; `props` as VapourSynth converted them."""

    tag: object
    props: dict[str, Property]
    active: bool

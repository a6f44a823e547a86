"""Pairs of source and output frames for the report page.

A source frame is identified by number and checksum, an output frame by its number in the chunk. Pairs that cannot be
matched with certainty are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from fractions import Fraction
from itertools import islice

import av
import numpy as np
from numpy.typing import NDArray

from ffmpeg_filter.farm import intermediate
from ffmpeg_filter.farm.job_context import JobContext, chdir_to_job
from ffmpeg_filter.farm.render import FrameSource, MisalignedError
from vsadcvsr.color import LUMA_709
from vsadcvsr.errors import AdcvsrError, MediaError
from vsadcvsr.farm.monitor.report import Preview
from vsadcvsr.farm.store.chunk_boundaries import Chunk
from vsadcvsr.farm.store.job import Job, checksum
from vsadcvsr.html_page import data_uri

_GEOMETRY_FILTERS = {"crop", "hflip", "pad", "transpose", "vflip"}
"""Filters after `adcvsr` that are allowed in chunks and move pixels."""
_WIDTH, _HEIGHT = 1280, 720
"""Maximum size of a shown image."""
_MAX_UNSEEKABLE = 2000
"""Frames to decode at most if the source cannot be seeked."""
_MIN_CORRELATION = 0.5
"""Luma correlation below which two frames are not considered the same."""
_UNTAGGED = 2
_HDR = {16, 18}

_TIME_BASE = Fraction(1, 25)

type Pixels = NDArray[np.uint8]


class UnmatchedError(MediaError):
    """A frame that cannot be shown, and why."""


def samples(job: Job, count: int) -> tuple[list[Preview], list[str]]:
    """About `count` pairs from the whole video, and notes on those that are left out."""
    if count < 1:
        return [], []
    try:
        chdir_to_job(job.request)
        source = _PreviewSource(job)
    except (AdcvsrError, OSError) as error:
        return [], [f"no pictures: {error}"]
    previews, notes = [], source.notes
    for number in source.numbers(count):
        try:
            previews.append(source.sample(number))
        except (AdcvsrError, OSError, av.FFmpegError) as error:
            notes.append(f"frame {number} is left out: {error}")
    return previews, notes


class _PreviewSource:
    """Source and output frames of a job. Raises UnmatchedError if they cannot be overlaid."""

    def __init__(self, job: Job) -> None:
        self._context = context = JobContext(job)
        self._is_direct = context.spec.mode == "direct"
        filters = _geometry_filters(context) if self._is_direct else []
        if filters:
            raise UnmatchedError(f"{filters[0]} after adcvsr moves pixels")
        self._source = FrameSource.of(context)
        self._done = job.done()
        self.notes: list[str] = []

    def numbers(self, count: int) -> list[int]:
        """Evenly spaced frame numbers; from the beginning only if the source cannot be seeked."""
        frames = len(self._context.index.times)
        span = frames if self._context.spec.pts_shift is not None else min(frames, _MAX_UNSEEKABLE)
        return sorted({(2 * number + 1) * span // (2 * count) for number in range(count)})

    def sample(self, number: int) -> Preview:
        """The pair of a frame number. Raises UnmatchedError if a frame is missing or the two differ."""
        job, index = self._context.job, self._context.index
        chunk = next(chunk for chunk in job.chunks if chunk.begin <= number < chunk.end)
        source, result = self._source_frame(number), self._result_frame(chunk, number)
        self._tag_colors(result, source)
        if source.color_trc in _HDR and not self.notes:
            self.notes.append("PQ and HLG frames are shown as they are, without tone mapping")
        shape = (result.width, result.height)
        before, after = _rgb(source, shape, "BICUBIC"), _rgb(result, shape)
        back = _rgb(result, (source.width, source.height), "AREA")
        metrics = _metrics(before, after, _rgb(source, (source.width, source.height)), back)
        crops = _center_crop(before), _center_crop(after)
        tall, wide = crops[0].shape[:2]
        return Preview(
            frame=number, chunk=chunk.number, at=float(index.seconds[number] - index.seconds[0]), width=wide,
            height=tall, before=_data_uri(crops[0]), after=_data_uri(crops[1]), numbers=metrics,
            note="" if (wide, tall) == shape else f"the middle {wide}x{tall} of {shape[0]}x{shape[1]}",
        )  # fmt: skip

    def _tag_colors(self, result: av.VideoFrame, source: av.VideoFrame) -> None:
        """Copies color tags of the source to an output frame that lacks them."""
        if not self._is_direct:
            result.colorspace, result.color_range = source.colorspace, source.color_range
        elif result.colorspace == _UNTAGGED and not source.format.is_rgb and not result.format.is_rgb:
            result.colorspace = source.colorspace
        if not result.color_range and not source.format.is_rgb:
            result.color_range = source.color_range

    def _source_frame(self, number: int) -> av.VideoFrame:
        for at in self._source.seek_points(number):
            try:
                with closing(self._source.frames(number, number + 1, at)) as frames:
                    return next(frames)
            except MisalignedError as error:
                if at is None:
                    raise UnmatchedError(str(error)) from error
        raise AssertionError("the last attempt begins with the video")

    def _result_frame(self, chunk: Chunk, number: int) -> av.VideoFrame:
        line = self._done.get(chunk.number)
        if line is None:
            raise UnmatchedError(f"chunk {chunk.number} is missing")
        path = self._context.job.chunk_folder / line.file
        if checksum(path) != line.checksum:
            raise UnmatchedError(f"{path.name} is damaged")
        with av.open(str(path)) as file:
            frames: Iterator[av.VideoFrame] = file.decode(video=0)
            if not self._is_direct:
                frames = intermediate.read(path, self._context.spec.pixel_format)
            frame = next(islice(frames, number - chunk.begin, None), None)
        if frame is None:
            raise UnmatchedError(f"{path.name} has too few frames")
        return frame


def _geometry_filters(context: JobContext) -> list[str]:
    return [node.name for _, _, node in context.split.cut.after.nodes() if node.name in _GEOMETRY_FILTERS]


def _rgb(frame: av.VideoFrame, size: tuple[int, int], interpolation: str = "BICUBIC") -> Pixels:
    """8-bit RGB (H, W, 3) at `size` (width, height); untagged frames are converted as FFmpeg would."""
    return np.asarray(frame.reformat(*size, format="rgb24", interpolation=interpolation).to_ndarray(), np.uint8)


def _luma(pixels: Pixels) -> NDArray[np.float32]:
    return np.asarray(pixels @ np.array(LUMA_709, np.float32), np.float32)


def _metrics(before: Pixels, after: Pixels, source: Pixels, back: Pixels) -> dict[str, str]:
    """Metrics of a pair; `back` is the output at the source's size. Raises UnmatchedError if the two do not
    correlate.
    """
    source_luma, result_luma = _luma(source), _luma(back)
    deviation = float(source_luma.std() * result_luma.std())
    if deviation < 1e-3:
        raise UnmatchedError("it has no detail to compare")
    correlation = float(((source_luma - source_luma.mean()) * (result_luma - result_luma.mean())).mean()) / deviation
    if correlation < _MIN_CORRELATION:
        raise UnmatchedError(f"source and output hardly correlate ({correlation:.2f})")
    error = float(((source_luma - result_luma) ** 2).mean())
    return {
        "PSNR of the result, shrunk to the source's size, to the source": _decibels(error),
        "Mean step between neighbouring pixels, bicubic": f"{_steps(before):.2f}",
        "Mean step between neighbouring pixels, result": f"{_steps(after):.2f}",
    }


def _decibels(error: float) -> str:
    return f"{10 * np.log10(255**2 / error):.1f} dB" if error > 0 else "equal"


def _steps(pixels: Pixels) -> float:
    plane = _luma(pixels)
    return float(np.abs(np.diff(plane, axis=0)).mean() + np.abs(np.diff(plane, axis=1)).mean()) / 2


def _center_crop(pixels: Pixels) -> Pixels:
    height, width = pixels.shape[:2]
    top, left = max(0, height - _HEIGHT) // 2, max(0, width - _WIDTH) // 2
    return np.ascontiguousarray(pixels[top : top + _HEIGHT, left : left + _WIDTH])


def _data_uri(pixels: Pixels) -> str:
    """An image as a data URI: WebP, or PNG if PyAV lacks a WebP encoder."""
    image_type, name, pixel_format = (
        ("webp", "libwebp", "bgra") if "libwebp" in av.codecs_available else ("png", "png", "rgb24")
    )
    encoder = av.CodecContext.create(name, "w")
    assert isinstance(encoder, av.VideoCodecContext)
    frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format=pixel_format)
    encoder.width, encoder.height, encoder.pix_fmt = frame.width, frame.height, pixel_format
    encoder.time_base = frame.time_base = _TIME_BASE
    encoder.options = {"quality": "90"} if image_type == "webp" else {}
    frame.pts = 0
    packets = [*encoder.encode(frame), *encoder.encode(None)]
    return data_uri(image_type, b"".join(bytes(packet) for packet in packets))

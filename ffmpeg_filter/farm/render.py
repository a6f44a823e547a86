"""Rendering of one chunk: decode, upscale, encode."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from fractions import Fraction
from importlib.metadata import PackageNotFoundError, version
from itertools import islice
from pathlib import Path
from typing import cast

import av

from ffmpeg_filter.farm import commands, frame_index, intermediate
from ffmpeg_filter.farm.decode import FrameSource, MisalignedError
from ffmpeg_filter.farm.job_context import JobContext
from ffmpeg_filter.frames import upscale_frames
from ffmpeg_filter.media.nut import to_fraction
from ffmpeg_filter.transcode.encoder import Encoder
from ffmpeg_filter.upscale.stream import ModelOptions
from vsadcvsr.engine import Engine
from vsadcvsr.errors import MediaError
from vsadcvsr.farm.store.chunks import Chunk
from vsadcvsr.farm.store.fingerprints import ChangedError
from vsadcvsr.farm.store.job import Job


class ChunkRenderer:
    """Renders chunks of a job on this machine, with the model loaded once.

    `say` receives messages for the user, `on_frame` the time (seconds) of each output frame. CPU backends use `threads`
    threads, 0 for all, unless the command sets a number. Raises ChangedError if this machine differs from the planning
    one.
    """

    def __init__(
        self,
        job: Job,
        *,
        say: Callable[[str], None] = lambda _: None,
        on_frame: Callable[[float], None] = lambda _: None,
        threads: int = 0,
    ) -> None:
        self._context = context = JobContext(job)
        self._options = replace(context.split.filter_options, threads=context.split.filter_options.threads or threads)
        self._log, self._on_frame = lambda message: None if _ENCODER_BANNER.match(message) else say(message), on_frame
        spec = context.spec
        self._source = FrameSource(
            context.binary, context.split.decoder_args, context.index, spec.pts_shift, spec.preroll
        )
        options = self._options.upscale_arguments(1, 1)
        self._engine = Engine.open(
            **cast(ModelOptions, {name: options[name] for name in options if name in _MODEL_OPTIONS})
        )

    @property
    def engine(self) -> str:
        """Backend, device, precision and library version, such as "ort/cuda/fp16 1.27.0": another release may round
        differently.
        """
        return " ".join([self._engine.label, *_library_version(self._engine.label.partition("/")[0])])

    def render(self, chunk: Chunk) -> Path:
        """Renders a chunk into a new file in the job's chunk folder and returns its path.

        Raises ChangedError if the frames are not those of the index, MediaError if a program fails, and what the engine
        raises.
        """
        store = self._context.job.chunk_folder
        store.mkdir(parents=True, exist_ok=True)
        ending = ".mkv" if self._is_direct else intermediate.suffix(self._context.spec.pixel_format)
        part = self._context.job.unfinished_path(chunk.number, ending)
        try:
            self._render_retrying(chunk, part)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        return part

    @property
    def _is_direct(self) -> bool:
        return self._context.spec.mode == "direct"

    def _render_retrying(self, chunk: Chunk, part: Path) -> None:
        """Renders from the fastest seek point; if that yields other frames, from safer ones."""
        for at in self._source.seek_points(chunk.first):
            try:
                self._render_from(chunk, part, at)
                return
            except MisalignedError as error:
                if at is None:
                    raise ChangedError(f"{error}; is it the same source and the same FFmpeg?") from error
                part.unlink(missing_ok=True)

    def _render_from(self, chunk: Chunk, part: Path, at: Fraction | None) -> None:
        with (
            closing(self._source.frames(chunk.first, chunk.last, at)) as frames,
            closing(self._upscaled(frames, chunk)) as upscaled,
        ):
            if self._is_direct:
                self._encode(upscaled, part, chunk.begin)
            else:
                intermediate.write(part, upscaled)
        count = intermediate.count_packets(part)
        if count != chunk.length:
            raise MediaError(f"chunk {chunk.number} has {count} frames instead of {chunk.length}")

    def _upscaled(self, frames: Iterator[av.VideoFrame], chunk: Chunk) -> Generator[av.VideoFrame]:
        first = next(frames)
        options = self._options.upscale_arguments(first.width, first.height)
        active = self._active(chunk.first)
        upscaled = upscale_frames(_chained(first, frames), active=active, side_data=False, **options)  # type: ignore[arg-type]
        with closing(upscaled):
            for frame in islice(upscaled, chunk.begin - chunk.first, chunk.end - chunk.first):
                yield frame
                self._on_frame(float((frame.pts or 0) * (to_fraction(frame.time_base) or 0)))

    def _active(self, first: int) -> Callable[[av.VideoFrame], bool] | None:
        """The `enable` expression as a predicate, for frames from number `first` on, in order."""
        is_active = self._context.split.filter_options.activity()
        if is_active is None:
            return None
        numbers = iter(range(first, len(self._context.index.times)))
        return lambda frame: is_active((frame.pts or 0) * (to_fraction(frame.time_base) or Fraction(0)), next(numbers))

    def _encode(self, frames: Iterator[av.VideoFrame], part: Path, begin: int) -> None:
        context, encoder = self._context, None
        args = commands.chunk_command(
            context.encoder_args, context.split.codec, str(part), context.encoder_index.time_base
        )
        try:
            for frame in frame_index.with_times(frames, context.encoder_index, begin):
                encoder = encoder or Encoder([context.binary.path, *args], frame, context.stream_info, self._log)
                encoder.write(frame)
            assert encoder is not None, "a chunk has frames"
            encoder.finish()
        finally:
            if encoder is not None:
                encoder.kill()


_MODEL_OPTIONS = ModelOptions.__annotations__
_LIBRARIES = {"openvino": ["openvino"], "ort": ["onnxruntime-gpu", "onnxruntime"], "torch": ["torch"]}
"""Distributions of a backend's library; the first installed one counts."""
_ENCODER_BANNER = re.compile(r"(Svt|x264|x265) ?\[(info|warn)")
"""Informational messages of encoders, which would appear with every chunk."""


def _library_version(backend: str) -> Iterator[str]:
    """The version of a backend's library."""
    for name in _LIBRARIES.get(backend, ()):
        with suppress(PackageNotFoundError):
            yield version(name)
            return


def _chained(first: av.VideoFrame, frames: Iterator[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    yield first
    yield from frames

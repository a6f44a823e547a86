"""Rendering of one chunk: its frames decoded and verified against the index, upscaled, encoded."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain, dropwhile, islice
from pathlib import Path

import av

from ffmpeg_filter.farm import commands, frame_index, intermediate
from ffmpeg_filter.farm.frame_index import FrameIndex, frame_checksum
from ffmpeg_filter.farm.job_context import JobContext
from ffmpeg_filter.media.binary import Binary
from ffmpeg_filter.media.nut import to_fraction
from ffmpeg_filter.transcode.decoder import open_decoder
from ffmpeg_filter.transcode.encoder import Encoder
from ffmpeg_filter.upscale.stream import open_engine, upscale_frames
from vsadcvsr.backends.cpu_features import CpuFeatures, cpu_features
from vsadcvsr.environment import package_versions
from vsadcvsr.errors import MediaError
from vsadcvsr.farm.store.chunk_boundaries import Chunk
from vsadcvsr.farm.store.fingerprints import ChangedError
from vsadcvsr.farm.store.job import Job

_LIBRARIES = {"openvino": ["openvino"], "ort": ["onnxruntime-gpu", "onnxruntime"], "torch": ["torch"]}
"""Distributions of a backend's library; the first installed one counts."""
_ENCODER_BANNER = re.compile(r"(Svt|x264|x265) ?\[(info|warn)")
"""Informational messages of encoders, which would appear with every chunk."""
_SEEK_MARGINS = (0, 2, 8, 32)
"""Seconds before the wanted frame at which to seek, tried in order: a seek may land late (MPEG-TS), or on frames that
do not decode on their own.
"""
_MIN_SEEK = 1
"""Seconds from the start of the video within which seeking is not worthwhile."""


class MisalignedError(MediaError):
    """The decoder returned other frames than the index lists."""


@dataclass(frozen=True)
class FrameSource:
    """The frames before `adcvsr`, with random access."""

    binary: Binary
    decoder_args: Sequence[str]
    """The decode command of a run on one machine."""
    index: FrameIndex
    pts_shift: int | None
    """See `EncodeSpec.pts_shift`."""
    preroll: int | None
    """See `EncodeSpec.preroll`."""

    @classmethod
    def of(cls, context: JobContext) -> FrameSource:
        """The frames of a job."""
        spec = context.spec
        return cls(context.binary, context.split.decoder_args, context.index, spec.pts_shift, spec.preroll)

    def seek_points(self, first: int) -> Iterator[Fraction | None]:
        """Where to seek for frame `first` (seconds, source timestamps): fastest first, safer ones later, and finally
        None for decoding from the start.
        """
        if self.pts_shift is not None and self.preroll is not None:
            times, time_base = self.index.times, self.index.time_base
            target = times[max(0, first - self.preroll)] * time_base
            for margin in _SEEK_MARGINS:
                if target - margin > times[0] * time_base + _MIN_SEEK:
                    yield target - margin + self.pts_shift * time_base
        yield None

    def frames(self, first: int, last: int, at: Fraction | None) -> Generator[av.VideoFrame]:
        """Frames `first` to `last`, half-open, with the timestamps of the index. Raises MisalignedError if they
        differ.
        """
        args = self.decoder_args if at is None else commands.seeking_command(self.decoder_args, at)
        pts_shift = 0 if at is None else self.pts_shift or 0
        with open_decoder([self.binary.path, *args]) as decoder:
            decoded = (frame for frame, _ in decoder)
            selected = islice(decoded, first, None) if at is None else dropwhile(self._is_before(first), decoded)
            for number, frame in enumerate(islice(selected, last - first), first):
                yield self._verified(frame, number, pts_shift)
                if number + 1 == last:
                    return
            decoder.child.wait_unless_killed()
        raise MisalignedError(f"the decoder ends before frame {last}: {decoder.child.log.reason()}")

    def _is_before(self, first: int) -> Callable[[av.VideoFrame], bool]:
        """A predicate: whether a frame decoded after a seek precedes frame `first`."""
        begin = self.index.times[first] + (self.pts_shift or 0)
        return lambda frame: frame.pts is None or frame.pts < begin

    def _verified(self, frame: av.VideoFrame, number: int, pts_shift: int) -> av.VideoFrame:
        index = self.index
        if (
            to_fraction(frame.time_base) != index.time_base
            or frame.pts is None
            or frame.pts - pts_shift != index.times[number]
        ):
            raise MisalignedError(f"frame {number} has another timestamp than when the job was planned")
        if frame_checksum(frame) != index.checksums[number]:
            raise MisalignedError(f"frame {number} has other pixels than when the job was planned")
        frame.pts, frame.duration = index.times[number], index.durations[number]
        return frame


class ChunkRenderer:
    """Renders chunks of a job on this machine, with the model loaded once.

    `on_message` receives messages for the user, `on_frame` the time (seconds) of each output frame. CPU backends use
    `threads` threads, 0 for all, unless the command sets a number. Raises ChangedError if this machine differs from the
    planning one.
    """

    def __init__(
        self,
        job: Job,
        *,
        on_message: Callable[[str], None] = lambda _: None,
        on_frame: Callable[[float], None] = lambda _: None,
        threads: int = 0,
    ) -> None:
        self._context = context = JobContext(job)
        self._options = replace(context.split.filter_options, threads=context.split.filter_options.threads or threads)
        self._log = lambda message: None if _ENCODER_BANNER.match(message) else on_message(message)
        self._on_frame = on_frame
        self._source = FrameSource.of(context)
        self._engine = open_engine(self._options.upscale_arguments(1, 1))

    @property
    def engine(self) -> str:
        """Backend, device, precision and library version, such as "ort/cuda/fp16 1.27.0": another release may round
        differently. In int8 also whether this CPU lacks VNNI, without which weights are quantised otherwise.
        """
        return engine_kind(self._engine.label)

    def render(self, chunk: Chunk) -> Path:
        """Renders a chunk into a new file in the job's chunk folder and returns its path.

        Raises ChangedError if the frames are not those of the index, MediaError if a program fails, and what the engine
        raises.
        """
        store = self._context.job.chunk_folder
        store.mkdir(parents=True, exist_ok=True)
        part = self._context.job.unfinished_path(chunk.number, intermediate.SUFFIX)
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
        self._engine = open_engine(options, (first.width, first.height))
        active = self._active(chunk.first)
        upscaled = upscale_frames(chain([first], frames), active=active, side_data=False, **options)  # type: ignore[arg-type]
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
        argv = [context.binary.path, *args]
        try:
            for frame in frame_index.with_times(frames, context.encoder_index, begin):
                encoder = encoder or Encoder(argv, frame, context.stream_info, self._log, reports=False)
                encoder.write(frame)
            assert encoder is not None, "a chunk has frames"
            encoder.finish()
        finally:
            if encoder is not None:
                encoder.kill()


def engine_kind(label: str) -> str:
    """What engines of one label must have in common, for their frames to have the same bits."""
    backend, _, device = label.partition("/")
    computes = backend in _LIBRARIES and device.startswith("cpu/")
    library = list(package_versions(_LIBRARIES.get(backend, ())).values())[:1]
    return " ".join([label, *library, *(_instructions(label) if computes else [])])


def _instructions(label: str) -> Iterator[str]:
    """What a CPU computes with: longer vectors sum in another order."""
    features = cpu_features()
    if vectors := next((feature for feature in (CpuFeatures.AVX512, CpuFeatures.AVX2) if feature in features), None):
        yield f"with {vectors.name}"
    if label.endswith("/int8") and CpuFeatures.VNNI not in features:
        yield "without VNNI"

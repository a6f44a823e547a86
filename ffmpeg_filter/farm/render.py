"""One chunk made: its frames decoded, upscaled, and encoded or kept without loss."""

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
from ffmpeg_filter.farm.decode import Film, MisalignedError
from ffmpeg_filter.farm.job_context import Kitchen
from ffmpeg_filter.frames import upscale_frames
from ffmpeg_filter.media.nut import exact
from ffmpeg_filter.transcode.encoder import Encoder
from ffmpeg_filter.upscale.stream import Model
from vsadcvsr.engine import Engine
from vsadcvsr.errors import MediaError
from vsadcvsr.farm.store.chunks import Chunk
from vsadcvsr.farm.store.fingerprints import ChangedError
from vsadcvsr.farm.store.job import Job


class Renderer:
    """Makes chunks of a job on this machine; the model stays loaded as long as this is there. It runs on `threads`
    threads of a CPU, 0 for all, where the command says nothing of them.

    `say` is told what the user should read, `frame` of each picture that is made (its time in seconds). Raises
    ChangedError where the job was planned with something else than what is here.
    """

    def __init__(
        self,
        job: Job,
        *,
        say: Callable[[str], None] = lambda _: None,
        frame: Callable[[float], None] = lambda _: None,
        threads: int = 0,
    ) -> None:
        self._kitchen = kitchen = Kitchen(job)
        self._options = replace(kitchen.plan.options, threads=kitchen.plan.options.threads or threads)
        self._say, self._frame = lambda words: None if _BANNER.match(words) else say(words), frame
        recipe = kitchen.recipe
        self._film = Film(kitchen.binary, kitchen.plan.decoder, kitchen.index, recipe.shift, recipe.run_up)
        chosen = self._options.upscaling(1, 1)
        self._engine = Engine.open(**cast(Model, {name: chosen[name] for name in chosen if name in _OF_MODEL}))

    @property
    def engine(self) -> str:
        """What makes the pictures, such as "ort/cuda/fp16 1.27.0": another release may round otherwise."""
        return " ".join([self._engine.label, *_release(self._engine.label.partition("/")[0])])

    def render(self, chunk: Chunk) -> Path:
        """A file in the job's folder of chunks, of a name of its own, with all pictures of the chunk in it.

        Raises ChangedError where the frames cannot be decoded as they were when the job was planned, MediaError where
        a program fails, and what the engine raises.
        """
        store = self._kitchen.job.store
        store.mkdir(parents=True, exist_ok=True)
        ending = ".mkv" if self._is_direct else intermediate.suffix(self._kitchen.recipe.pixels)
        part = self._kitchen.job.part(chunk.number, ending)
        try:
            self._attempt(chunk, part)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        return part

    @property
    def _is_direct(self) -> bool:
        return self._kitchen.recipe.mode == "direct"

    def _attempt(self, chunk: Chunk, part: Path) -> None:
        for at in self._film.attempts(chunk.first):
            try:
                self._make(chunk, part, at)
                return
            except MisalignedError as error:
                if at is None:
                    raise ChangedError(f"{error}; is it the same source and the same FFmpeg?") from error
                part.unlink(missing_ok=True)

    def _make(self, chunk: Chunk, part: Path, at: Fraction | None) -> None:
        with (
            closing(self._film.frames(chunk.first, chunk.last, at)) as frames,
            closing(self._upscaled(frames, chunk)) as made,
        ):
            if self._is_direct:
                self._encode(made, part, chunk.begin)
            else:
                intermediate.write(part, made)
        count = intermediate.packets(part)
        if count != chunk.length:
            raise MediaError(f"chunk {chunk.number} came out with {count} pictures instead of {chunk.length}")

    def _upscaled(self, frames: Iterator[av.VideoFrame], chunk: Chunk) -> Generator[av.VideoFrame]:
        first = next(frames)
        options = self._options.upscaling(first.width, first.height)
        active = self._active(chunk.first)
        pictures = upscale_frames(_chained(first, frames), active=active, side_data=False, **options)  # type: ignore[arg-type]
        with closing(pictures):
            for picture in islice(pictures, chunk.begin - chunk.first, chunk.end - chunk.first):
                yield picture
                self._frame(float((picture.pts or 0) * (exact(picture.time_base) or 0)))

    def _active(self, first: int) -> Callable[[av.VideoFrame], bool] | None:
        """Whether the network's picture is wanted of a frame, asked from number `first` on, in order."""
        chosen = self._kitchen.plan.options.active()
        if chosen is None:
            return None
        numbers = iter(range(first, len(self._kitchen.index.times)))
        return lambda frame: chosen((frame.pts or 0) * (exact(frame.time_base) or Fraction(0)), next(numbers))

    def _encode(self, pictures: Iterator[av.VideoFrame], part: Path, begin: int) -> None:
        kitchen, encoder = self._kitchen, None
        words = commands.of_chunk(kitchen.encoder, kitchen.plan.codec, str(part), kitchen.encoded.tick)
        try:
            for picture in frame_index.stamped(pictures, kitchen.encoded, begin):
                encoder = encoder or Encoder([kitchen.binary.path, *words], picture, kitchen.info, self._say)
                encoder.take(picture)
            assert encoder is not None, "a chunk has pictures"
            encoder.finish()
        finally:
            if encoder is not None:
                encoder.kill()


_OF_MODEL = Model.__annotations__
_LIBRARIES = {"openvino": ["openvino"], "ort": ["onnxruntime-gpu", "onnxruntime"], "torch": ["torch"]}
"""The distributions that a backend may run on, the first that is installed."""
_BANNER = re.compile(r"(Svt|x264|x265) ?\[(info|warn)")
"""What encoders say of themselves, which they would with every chunk."""


def _release(backend: str) -> Iterator[str]:
    """The version of the library behind a backend."""
    for name in _LIBRARIES.get(backend, ()):
        with suppress(PackageNotFoundError):
            yield version(name)
            return


def _chained(first: av.VideoFrame, frames: Iterator[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    yield first
    yield from frames

"""From frames in any pixel format to the engine and back, bit for bit as `core.adcvsr.Upscale` does it.

VapourSynth converts, in this process: a frame handed in becomes frame n of an endless clip, and so does each picture.
A pixel is copied three times, beside being converted twice: into VapourSynth, out of it to the engine, and back. What
comes out is VapourSynth's own memory.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from itertools import chain
from typing import NamedTuple, TypedDict, Unpack, cast

from ffmpeg_filter.media.frame import Property, Raw
from ffmpeg_filter.media.pixel_formats import wanted_layout
from ffmpeg_filter.upscale.prefetch import ahead
from ffmpeg_filter.upscale.vs_bridge import (
    Held,
    alpha_of,
    enlarged_alpha,
    filled,
    format_id,
    in_words,
    limit_cache,
    padded,
    raw_of,
    shapes,
)
from vsadcvsr.color import Encoding
from vsadcvsr.engine import Engine, Source
from vsadcvsr.errors import FormatError
from vsadcvsr.output import Finished
from vsadcvsr.plugin import load
from vsadcvsr.plugin.formats import Request, enter, leave, matrix_for
from vsadcvsr.plugin.frames import format_of, frame_of, source_of
from vsadcvsr.spec import SCALE

_AHEAD = 2
"""Frames that each stage may be ahead of the next, beside the one it works on."""


class Model(TypedDict, total=False):
    """The arguments of `Engine.open`."""

    model: str
    backend: str
    device: str
    device_index: int
    precision: str
    threads: int
    tile: tuple[int, int] | None
    tile_pad: int | None
    sc_threshold: float | None
    denoise: float
    strength: float
    color_fix: str | None


class Resizing(TypedDict, total=False):
    """The size to make, and the matrix of frames that name none."""

    scale: int
    width: int | None
    height: int | None
    matrix: int | None


class Target(Resizing, total=False):
    """What is to come out. `format` is FFmpeg's name of a pixel format, whose samples are wanted, in planes; alpha that
    it has no room for is left out. `active` says of which frames the network's pictures are wanted: the others, though
    it sees them, come as a plain bicubic upscale.
    """

    format: str | None
    active: Callable[[Raw], bool] | None


class Options(Model, Target, total=False):
    """The arguments of `core.adcvsr.Upscale`, and `active`."""


def upscale(frames: Iterable[Raw], **options: Unpack[Options]) -> Generator[Raw]:
    """The frames upscaled, in order, one for each; made as they are asked for, and a few ahead.

    `frames` is read on another thread. Raises UsageError, WeightsError or BackendError at once, FormatError for frames
    that cannot be taken or are not like the first, and whatever `frames` raises: behind the pictures of all frames
    before.
    """
    target = {name: value for name, value in options.items() if name in Target.__annotations__}
    model = {name: value for name, value in options.items() if name not in target}
    wanted_layout(options.get("format"))
    return _upscale(iter(frames), Engine.open(**cast(Model, model)), cast(Target, target))


def _upscale(frames: Iterator[Raw], engine: Engine, target: Target) -> Generator[Raw]:
    first = next(frames, None)
    if first is not None:
        yield from Passage(first, engine, **target).stream(chain([first], frames))


class Passage:
    """The way of one clip through an engine. Alpha is enlarged plainly and goes along."""

    def __init__(
        self,
        first: Raw,
        engine: Engine,
        *,
        scale: int = SCALE,
        width: int | None = None,
        height: int | None = None,
        format: str | None = None,
        matrix: int | None = None,
        active: Callable[[Raw], bool] | None = None,
    ) -> None:
        """For frames like `first`, which is only looked at. Raises UsageError or FormatError."""
        load()
        self.first = first
        self.engine = engine
        self._active = active
        self._sources, self._pictures, self._alphas = Held(), Held(), Held()
        self._waiting: dict[int, _Waiting] = {}
        self._failure: Exception | None = None
        self._padded = padded(first)
        with in_words():
            clip = self._sources.clip(format_id(first.format), *self._padded)
        layout = wanted_layout(format)
        out = layout.format if layout else None
        shape, self.size = shapes(clip, first, scale=scale, width=width, height=height, format=out)
        matrix_for(first.height, matrix)
        self._door, self._entered = enter(clip, matrix)
        self._door.std.SetVideoCache(0)
        large = self._padded.width * engine.scale, self._padded.height * engine.scale
        limit_cache(*large)
        self._request, self._format = Request(self._door, shape, matrix), shape.format.id
        usual = self._request.of({})
        self._finishes = usual is not None and engine.finishes(self._padded.height, self._padded.width, usual)
        pictures = self._pictures.clip(format_of(engine), *large)
        ready = self._pictures.clip(self._format, *large) if self._finishes else None
        self._left = leave(pictures, self._door, shape, matrix, ready)
        self._plain = leave(self._entered.resize.Bicubic(*large), self._door, shape, matrix)
        beside = self._alphas.clip(format_id(alpha_of(first.format)), *self._padded)
        keep = first.alpha is not None and (layout is None or layout.has_alpha)
        self._alpha = enlarged_alpha(beside, shape) if keep else None

    def stream(self, frames: Iterable[Raw]) -> Generator[Raw]:
        """The frames upscaled, in order, one for each. Conversions and the engine have a thread each; closing this
        ends them. Once only.
        """
        sources = ahead(self._enter(frames), _AHEAD, foreign=True)
        return ahead(self._leave(ahead(self.engine.pictures(sources), _AHEAD)), _AHEAD)

    def _enter(self, frames: Iterable[Raw]) -> Iterator[Source]:
        try:
            for n, raw in enumerate(frames):
                yield self._source(n, raw)
        except Exception as error:  # noqa: BLE001 - raised when the pictures of the frames before it are out
            self._failure = error

    def _source(self, n: int, raw: Raw) -> Source:
        if not raw.is_like(self.first):
            raise FormatError(f"frame {n} is {raw}, allowed: {self.first}, as the first one; make them alike first")
        self._sources[n] = filled(raw.format, self._padded, raw.planes, raw.props)
        if self._alpha and raw.alpha is not None:
            self._alphas[n] = filled(alpha_of(raw.format), self._padded, (raw.alpha,), {})
        active = self._active is None or self._active(raw)
        with in_words(), self._entered.get_frame(n) as frame:
            self._waiting[n] = _Waiting(raw.tag, dict(frame.props), active)
            return source_of(frame, self._encoding(n) if self._finishes else None)

    def _encoding(self, n: int) -> Encoding | None:
        with self._door.get_frame(n) as frame:
            return self._request.of(frame.props)

    def _leave(self, pictures: Iterable[Finished]) -> Iterator[Raw]:
        for n, picture in enumerate(pictures):
            waiting = self._waiting.pop(n)
            self._pictures[n] = frame_of(picture, self._format)
            self._pictures[n].props.update(waiting.props)
            with in_words():
                frame = (self._left if waiting.active else self._plain).get_frame(n)
                alpha = self._alpha.get_frame(n) if self._alpha else None
            for held in (self._sources, self._pictures, self._alphas):
                held.pop(n, None)
            yield raw_of(frame, alpha, self.size, waiting.tag)
        if self._failure is not None:
            raise self._failure


class _Waiting(NamedTuple):
    """What is known of a frame between its ways in and out; `props` as they are beside RGB."""

    tag: object
    props: dict[str, Property]
    active: bool

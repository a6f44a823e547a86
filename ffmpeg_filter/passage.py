"""From frames in any pixel format to the engine and back, bit for bit as `core.adcvsr.Upscale` does it.

VapourSynth converts, in this process: a frame handed in becomes frame n of an endless clip, and so does each picture.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import chain
from queue import Empty, Queue
from typing import TypedDict, Unpack

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from ffmpeg_filter.pixels import Format
from vsadcvsr.engine import Engine, Source
from vsadcvsr.errors import FormatError
from vsadcvsr.picture import Picture
from vsadcvsr.plugin import load
from vsadcvsr.plugin_formats import Shape, enter, leave, matrix_for, shape_of
from vsadcvsr.plugin_frames import format_of, frame_of, source_of
from vsadcvsr.spec import SCALE

type Plane = NDArray[np.generic]
type Property = int | float | str

_ENDLESS = (1 << 31) - 1
_AHEAD = 2
"""Frames that each stage may be ahead of the next, beside the one it works on."""


@dataclass(frozen=True, eq=False)
class Raw:
    """A frame in memory. Planes are (H, W) each, in the order Y U V, R G B or grey; so is `alpha`, at full size.

    `props` are VapourSynth's frame properties: `_Matrix`, `_Range`, `_Primaries`, `_Transfer`, `_ChromaLocation`,
    `_FieldBased`, `_SARNum`, `_SARDen`, `_SceneChangePrev`, and what else there is. `tag` comes out as it went in.
    """

    format: Format
    width: int
    height: int
    planes: tuple[Plane, ...]
    alpha: Plane | None = None
    props: Mapping[str, Property] = field(default_factory=dict)
    tag: object = None

    def __str__(self) -> str:
        return f"{self.width}x{self.height} {_video_format(self.format).name}" + (" with alpha" * self.has_alpha)

    @property
    def has_alpha(self) -> bool:
        return self.alpha is not None

    def is_like(self, other: Raw) -> bool:
        """Whether size and format are the same."""
        return (self.format, self.width, self.height, self.has_alpha) == (
            other.format, other.width, other.height, other.has_alpha,
        )  # fmt: skip


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
    strength: float
    color_fix: str | None


class Target(TypedDict, total=False):
    """What is to come out. `active` says of which frames the network's pictures are wanted: the others, though it sees
    them, come as a plain bicubic upscale.
    """

    scale: int
    width: int | None
    height: int | None
    format: Format | None
    matrix: int | None
    active: Callable[[Raw], bool] | None


class Options(Model, Target, total=False):
    """The arguments of `core.adcvsr.Upscale`, and `active`."""


def upscale(frames: Iterable[Raw], **options: Unpack[Options]) -> Iterator[Raw]:
    """The frames upscaled, in order, one for each; made as they are asked for, and a few ahead.

    `frames` is read on another thread. Raises UsageError, WeightsError or BackendError at once, FormatError for frames
    that cannot be taken or are not like the first, and whatever `frames` raises.
    """
    target = Target(**{name: options.pop(name) for name in Target.__annotations__ if name in options})
    engine = Engine.open(**options)
    return _upscale(iter(frames), engine, target)


def _upscale(frames: Iterator[Raw], engine: Engine, target: Target) -> Iterator[Raw]:
    for first in frames:
        yield from Passage(first, engine, **target).stream(chain([first], frames))


class Passage:
    """The way of one clip through an engine. Alpha is enlarged plainly and goes along."""

    def __init__(  # noqa: PLR0913 - arguments of core.adcvsr.Upscale, all by name
        self,
        first: Raw,
        engine: Engine,
        *,
        scale: int = SCALE,
        width: int | None = None,
        height: int | None = None,
        format: Format | None = None,
        matrix: int | None = None,
        active: Callable[[Raw], bool] | None = None,
    ) -> None:
        """For frames like `first`, which is only looked at. Raises UsageError or FormatError."""
        load()
        self.first = first
        self.engine = engine
        self._active = active
        self._sources, self._pictures, self._alphas = _Held(), _Held(), _Held()
        self._tags: dict[int, tuple[object, bool]] = {}
        clip = self._sources.clip(_video_format(first.format), first.width, first.height)
        wanted = None if format is None else int(_video_format(format).id)
        self.shape = shape_of(clip, scale=scale, width=width, height=height, format=wanted)
        matrix_for(first.height, matrix)
        door, self._entered = enter(clip, matrix)
        large = first.width * engine.scale, first.height * engine.scale
        big = self._pictures.clip(vs.core.get_video_format(format_of(engine)), *large)
        self._left = leave(big, door, self.shape, matrix)
        self._plain = leave(self._entered.resize.Bicubic(*large).std.RemoveFrameProps(), door, self.shape, matrix)
        self._alpha = _enlarged(self._alphas, first, self.shape)
        door.std.SetVideoCache(0)

    def stream(self, frames: Iterable[Raw]) -> Iterator[Raw]:
        """The frames upscaled, in order, one for each. Conversions and the engine have a thread each; closing this
        ends them. Once only.
        """
        sources = ahead(self._enter(frames), _AHEAD)
        return ahead(self._leave(ahead(self.engine.pictures(sources), _AHEAD)), _AHEAD)

    def _enter(self, frames: Iterable[Raw]) -> Iterator[Source]:
        for n, raw in enumerate(frames):
            if not raw.is_like(self.first):
                raise FormatError(f"frame {n} is {raw}, allowed: {self.first}, as the first one; make them alike first")
            self._tags[n] = raw.tag, self._active is None or self._active(raw)
            self._sources[n] = _filled(_video_format(raw.format), raw.planes, raw.props)
            if raw.alpha is not None:
                self._alphas[n] = _filled(_grey_as(raw.format), [raw.alpha], {})
            with _in_words(), self._entered.get_frame(n) as frame:
                source = source_of(frame)
            yield source

    def _leave(self, pictures: Iterable[Picture]) -> Iterator[Raw]:
        for n, picture in enumerate(pictures):
            tag, active = self._tags.pop(n)
            self._pictures[n] = frame_of(picture)
            with _in_words():
                frame = (self._left if active else self._plain).get_frame(n)
                alpha = self._alpha.get_frame(n) if self._alpha else None
            for held in (self._sources, self._pictures, self._alphas):
                held.pop(n, None)
            yield _raw(frame, alpha, tag)


class _Held(dict[int, vs.VideoFrame]):
    """Frames by number, for as long as they are needed."""

    def clip(self, format: vs.VideoFormat, width: int, height: int) -> vs.VideoNode:
        """An endless clip of which those frames exist that are held."""
        blank = vs.core.std.BlankClip(format=format.id, width=width, height=height, length=_ENDLESS, keep=True)
        given: Callable[[int, vs.VideoFrame], vs.VideoFrame] = self._give
        clip = blank.std.ModifyFrame(blank, given)
        clip.std.SetVideoCache(0)
        return clip

    def _give(self, n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        del f
        return self[n]


def _enlarged(alphas: _Held, first: Raw, shape: Shape) -> vs.VideoNode | None:
    """The clip of alpha in the wanted size and depth, if there is any."""
    if first.alpha is None:
        return None
    out = vs.core.query_video_format(vs.GRAY, shape.format.sample_type, shape.format.bits_per_sample)
    clip = alphas.clip(_grey_as(first.format), first.width, first.height)
    full = vs.RANGE_FULL
    return clip.resize.Bicubic(shape.width, shape.height, format=out.id, range_in=full, range=full)


def _video_format(format: Format) -> vs.VideoFormat:
    kind = vs.FLOAT if format.is_float else vs.INTEGER
    return vs.core.query_video_format(vs.ColorFamily[format.family], kind, format.bits, *format.subsampling)


def _grey_as(format: Format) -> vs.VideoFormat:
    return _video_format(Format("GRAY", format.bits, is_float=format.is_float))


def _filled(format: vs.VideoFormat, planes: Iterable[Plane], props: Mapping[str, Property]) -> vs.VideoFrame:
    planes = list(planes)
    frame = vs.core.create_video_frame(format.id, planes[0].shape[1], planes[0].shape[0])
    for index, plane in enumerate(planes):
        np.copyto(np.asarray(frame[index]), plane)
    frame.props.update(props)
    return frame


def _raw(frame: vs.VideoFrame, alpha: vs.VideoFrame | None, tag: object) -> Raw:
    """The frames' own memory, read-only."""
    made = frame.format
    family = made.color_family.name
    format = Format(family, made.bits_per_sample, (made.subsampling_w, made.subsampling_h), made.sample_type == vs.FLOAT)
    planes = tuple(np.asarray(frame[index]) for index in range(made.num_planes))
    props = {name: value for name, value in frame.props.items() if isinstance(value, int | float | str)}
    beside = None if alpha is None else np.asarray(alpha[0])
    return Raw(format, frame.width, frame.height, planes, beside, props, tag)


@contextmanager
def _in_words() -> Iterator[None]:
    """What VapourSynth says of a frame is said as FormatError."""
    try:
        yield
    except vs.Error as error:
        raise FormatError(str(error).removeprefix("Upscale: ")) from error


def ahead[T](items: Iterator[T], depth: int) -> Iterator[T]:
    """The items, made on a thread of their own, up to `depth` before they are asked for. What they raise is raised
    here; closing this closes them, on their thread, and waits for that.
    """
    queue: Queue[T | _End] = Queue(depth)
    closed = threading.Event()

    def work() -> None:
        end = _End(None)
        try:
            for item in items:
                queue.put(item)
                if closed.is_set():
                    break
        except BaseException as error:  # noqa: BLE001 - it crosses over
            end = _End(error)
        finally:
            if isinstance(items, Generator):
                items.close()
            queue.put(end)

    thread = threading.Thread(target=work, name="adcvsr", daemon=True)
    thread.start()
    try:
        while not isinstance(item := queue.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        closed.set()
        while thread.is_alive():
            with suppress(Empty):
                queue.get(timeout=0.05)


@dataclass(frozen=True)
class _End:
    error: BaseException | None

"""A forward run: frames go through the network in order, pictures come out, and no more is kept than that takes."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from vsadcvsr import arguments, output, postprocess, scenes, tiling
from vsadcvsr.backends import Backend, Finisher, Planner
from vsadcvsr.color import Encoding, Finish
from vsadcvsr.engine.schedule import Course
from vsadcvsr.errors import BackendError, FormatError, UsageError
from vsadcvsr.output import Finished, Parts, Picture, Planes
from vsadcvsr.spec import Array

_COLOR_FIXES = ("none", "frame")


@dataclass(frozen=True)
class Source:
    """A frame (3, H, W), RGB, 0 to 1, and whether it begins a new scene; None lets the detector decide.

    With an `encoding` its picture comes as planes, where `finishes` says so.
    """

    pixels: Array
    cut: bool | None = None
    encoding: Encoding | None = None


@dataclass(frozen=True)
class Given:
    """A frame that has been checked; `cut` is None where nothing is known of what was before it."""

    pixels: Array
    cut: bool | None
    encoding: Encoding | None = None


@dataclass(frozen=True, kw_only=True)
class Manner:
    """How pictures are made, beside the network. `threshold` 0 turns the cut detector off."""

    tiles: tiling.Tiling | None = None
    threshold: float = scenes.DEFAULT_THRESHOLD
    strength: float = 1.0
    color_fix: str = "none"
    capacity: int | None = None

    def __post_init__(self) -> None:
        arguments.between("sc_threshold", self.threshold, (0, math.inf), "0 (no detection) or more")
        arguments.between("strength", self.strength, (0, 1), "0 (plain bicubic) to 1 (the network)")
        if self.color_fix not in _COLOR_FIXES:
            raise UsageError.of("color_fix", self.color_fix, ", ".join(_COLOR_FIXES))
        if self.capacity is not None:
            arguments.at_least(1, "capacity", self.capacity, "1 or more")

    @property
    def needs_source(self) -> bool:
        """Whether a picture cannot be finished without its source frame."""
        return self.strength != 1 or self.color_fix != "none"


class _Seen:
    """A frame whose small picture is made once, if at all."""

    def __init__(self, pixels: Array) -> None:
        self.pixels = pixels

    @cached_property
    def small(self) -> Array:
        return scenes.small_luma(self.pixels)


class Entrance:
    """Checks the frames of one run, in order, and says which begin a scene: from each and the one before it alone."""

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self._before: _Seen | None = None

    def admit(self, source: Source) -> Given:
        """The frame, if it can be taken. Raises FormatError."""
        pixels = source.pixels
        if pixels.ndim != 3 or pixels.shape[0] != 3 or not pixels.size or pixels.dtype != np.float32:
            raise FormatError(f"a frame is {pixels.dtype} {pixels.shape}, allowed: float32 (3, height, width)")
        before, self._before = self._before, _Seen(pixels)
        if before and before.pixels.shape != pixels.shape:
            raise FormatError(f"a frame is {_size(pixels)}, allowed: {_size(before.pixels)} as the ones before it")
        if not np.isfinite(pixels).all():
            raise FormatError("a frame holds NaN or infinity, allowed: numbers from 0 to 1")
        return Given(pixels, self._begins_scene(source.cut, before, self._before), source.encoding)

    def _begins_scene(self, told: bool | None, before: _Seen | None, now: _Seen) -> bool | None:
        if told is not None or before is None:
            return told
        return self.threshold > 0 and scenes.distance(before.small, now.small) > self.threshold


def finishes(backend: Backend, manner: Manner, size: tuple[int, int], encoding: Encoding) -> bool:
    """Whether pictures of (height, width) frames come as planes: the backend makes them, from whole pictures.

    Raises BackendError where no memory suffices.
    """
    return _makes(backend, encoding) and len(_planned(backend, size, manner.tiles)) == 1


def _makes(backend: Backend, encoding: Encoding) -> bool:
    return isinstance(backend, Finisher) and backend.finishes and encoding.is_simple


def _planned(backend: Backend, size: tuple[int, int], tiles: tiling.Tiling | None) -> tiling.Plan:
    if isinstance(backend, Planner):
        tiles = backend.plan(*size, tiles)
    return tiling.plan(backend.spec, *size, tiles)


class Forward:
    """One run through a clip, which `course` keeps the count of. Its memory does not grow."""

    def __init__(self, backend: Backend, manner: Manner, course: Course, entrance: Entrance) -> None:
        self.course = course
        self.entrance = entrance
        self.waiting: deque[Given] = deque()
        """Frames that have been fetched and are to be fed first."""
        self._backend = backend
        self._manner = manner
        self._sources: deque[Array] = deque()  # of the pictures that are still to come, where finishing needs them
        self._tiles: _Tiles | None = None

    def feed(self, given: Given) -> tuple[int, Finished] | None:
        """Frame `course.position` goes in: the number of the picture that comes out, and the picture, once warm."""
        if self._manner.needs_source:
            self._sources.append(given.pixels)
        linked = given.cut is False and self.course.position > self.course.begin
        return self._pass(given.pixels, linked=linked, encoding=given.encoding)

    def flush(self) -> tuple[int, Finished] | None:
        """A blank goes in, after the last frame."""
        return self._pass(None, linked=False, encoding=None)

    def _pass(self, frame: Array | None, *, linked: bool, encoding: Encoding | None) -> tuple[int, Finished] | None:
        try:
            if self._tiles is None:
                assert frame is not None, "a run begins with a frame"
                self._tiles = _Tiles(self._backend, frame, self._manner.tiles)
            made = self._tiles.step(frame, linked=linked, finish=self._finish(self._tiles, encoding))
            number = self.course.feed()
            return None if number is None else (number, self._finished(number, made))
        except MemoryError as error:
            raise BackendError(self._too_big()) from error

    def _finish(self, tiles: _Tiles, encoding: Encoding | None) -> Finish | None:
        if encoding is None or len(tiles.plan) > 1 or not _makes(self._backend, encoding):
            return None
        manner = self._manner
        return Finish(
            encoding=encoding, height=tiles.height, width=tiles.width,
            strength=manner.strength, color_fix=manner.color_fix,
        )  # fmt: skip

    def _finished(self, number: int, made: Finished) -> Finished:
        source = self._sources.popleft() if self._manner.needs_source else None
        if number < self.course.good_from:
            return made
        if source is None or isinstance(made, Planes):
            postprocess.settle(made)
            return made
        finished = output.whole(made)
        if self._manner.color_fix == "frame":
            finished = postprocess.match_frame(finished, source)
        if self._manner.strength != 1:
            finished = postprocess.temper(finished, source, self._manner.strength)
        postprocess.settle(finished)
        return finished

    def _too_big(self) -> str:
        spec, tiles = self._backend.spec, self._manner.tiles
        if tiles:
            now, pad = (tiles.width, tiles.height), tiles.pad
        else:
            assert self._tiles is not None, "a plan needs no memory to speak of"
            row, column = next(iter(self._tiles.plan))  # the whole frame, unless the backend chose tiles
            now, pad = (column.end - column.begin, row.end - row.begin), tiling.default_pad(spec)
        tried = tiling.smaller(spec, now, pad)
        advice = f"try tile=[{tried[0]}, {tried[1]}]" if tried else "no smaller tiles are allowed"
        return (
            f"no memory for model {spec.name!r} on {now[0]}x{now[1]} pixels at a time ({self._backend.label}); {advice}"
        )


class _Tiles:
    """The network over whole frames: one state for each tile."""

    def __init__(self, backend: Backend, frame: Array, tiles: tiling.Tiling | None) -> None:
        self.height, self.width = frame.shape[1:]
        self.plan = _planned(backend, (self.height, self.width), tiles)
        self._backend = backend
        self._states: list[object] = []

    def step(self, frame: Array | None, *, linked: bool, finish: Finish | None) -> Finished:
        """The upscaled frame that comes out, as large as the frames are; None feeds a blank. `finish` is for the
        picture of the frame that goes in.
        """
        if not self._states:
            sizes = [(row.end - row.begin, column.end - column.begin) for row, column in self.plan]
            self._states = [self._backend.start(height, width) for height, width in sizes]
        padded = np.zeros((3, self.plan.height, self.plan.width), np.float32) if frame is None else self._padded(frame)
        links = np.array([linked], np.float32)
        if len(self.plan) > 1:
            return self._cropped(self._joined(padded, links))
        if not isinstance(self._backend, Finisher):
            return self._cropped(self._one(padded, links, 0))
        made, self._states[0] = self._backend.finishing_step(_alone(padded), links, self._states[0], finish)
        return made if isinstance(made, Planes) else self._cropped(output.at(made, 0))

    def _cropped(self, made: Picture) -> Picture:
        return output.cropped(made, self.height, self.width)

    def _joined(self, padded: Array, links: Array) -> Picture:
        canvases: tuple[Array, ...] = ()
        for index in range(len(self.plan)):
            made = self._one(self.plan.cut(padded, index), links, index)
            parts = output.arrays(made)
            canvases = canvases or tuple(map(self.plan.canvas, parts))
            for canvas, part in zip(canvases, parts, strict=True):
                self.plan.place(canvas, index, part)
        return Parts(*canvases) if len(canvases) > 1 else canvases[0]

    def _one(self, tile: Array, links: Array, index: int) -> Picture:
        made, self._states[index] = self._backend.step(_alone(tile), links, self._states[index])
        return output.at(made, 0)

    def _padded(self, frame: Array) -> Array:
        below, right = self.plan.height - self.height, self.plan.width - self.width
        padded: Array = np.pad(frame, ((0, 0), (0, below), (0, right)), mode="edge") if below or right else frame
        return padded


def _alone(frame: Array) -> Array:
    return np.ascontiguousarray(frame)[None]


def _size(pixels: Array) -> str:
    return f"{pixels.shape[2]}x{pixels.shape[1]}"

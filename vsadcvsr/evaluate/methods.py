"""Methods of evaluation: plain resizing, and every model that the engine opens."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from vsadcvsr import blending, sharpen, steady
from vsadcvsr.errors import UsageError
from vsadcvsr.resample import BICUBIC, resized
from vsadcvsr.spec import SCALES, Array, check_scale

NO_TEMPORAL = "#no-temporal"
"""Suffix of a model's name: every frame is treated as a scene, so that neighbouring frames are not used."""

SETTINGS = {"denoise": blending.ALLOWED, "steady": steady.ALLOWED, "sharpen": sharpen.ALLOWED}
"""Options that may follow a model's name as #NAME=NUMBER, and the numbers that they take."""

SCALE = "#scale="
"""After a model's name, and before a number from 1 to 4: `scale` of its network, whose output is resized to the truth's
size.
"""

type Upscaler = Callable[[Sequence[Array]], Iterator[Array]]


def resize_with(method: int, scale: int) -> Upscaler:
    """Upscaling by one of OpenCV's interpolations."""

    def upscale(frames: Sequence[Array]) -> Iterator[Array]:
        for frame in frames:
            size = (frame.shape[2] * scale, frame.shape[1] * scale)
            upscaled = cv2.resize(np.ascontiguousarray(frame.transpose(1, 2, 0)), size, interpolation=method)
            yield np.asarray(upscaled.transpose(2, 0, 1).clip(0, 1), dtype=np.float32)

    return upscale


SOURCE = "source"
"""The method of scale 1 that leaves frames as they are."""


def resizers(scale: int = 4) -> dict[str, Upscaler]:
    """The methods that others are compared with, by name; the first is the baseline."""
    if scale == 1:
        return {SOURCE: iter}
    return {"bicubic": resize_with(cv2.INTER_CUBIC, scale), "lanczos": resize_with(cv2.INTER_LANCZOS4, scale)}


class TimedFrames(Iterator[Array]):
    """Frames of a method that measures its own time: `seconds` is the time of the frames so far, without preparation.

    NaN if unknown.
    """

    def __init__(self, timed: Iterator[tuple[Array, float]]) -> None:
        self._source = timed
        self.seconds = 0.0

    def __next__(self) -> Array:
        frame, seconds = next(self._source)
        self.seconds += seconds
        return frame


@dataclass(frozen=True)
class _ModelChoice:
    """A model and how it is run, from its name and the suffixes behind it, in any order."""

    model: str
    settings: Mapping[str, float]
    """By the names of `SETTINGS`."""
    scale: int | None = None
    """Scale of the network, if it is named."""
    cut: bool | None = None
    """True if every frame begins a scene."""

    @classmethod
    def parse(cls, name: str) -> Self:
        """The choice that a name stands for. Raises UsageError."""
        cut = True if NO_TEMPORAL in name else None
        rest, scale = _without(name.replace(NO_TEMPORAL, ""), SCALE)
        settings = {}
        for key in SETTINGS:
            rest, word = _without(rest, f"#{key}=")
            settings[key] = _number(key, word) if word else 0.0
        return cls(rest, settings, _scale(scale) if scale else None, cut)

    def check(self, network_scale: int, scale: int) -> None:
        """Raises UsageError where the output of a network of that scale cannot be measured at `scale`."""
        if network_scale == scale or (self.scale is not None and network_scale > scale):
            return
        hint = "give a model of that scale, or --scale"
        if network_scale > scale:
            hint = f"{self.model}{SCALE}{network_scale} measures it with a downscale"
        raise UsageError(f"{self.model} upscales by {network_scale} and the truth is larger by {scale}; {hint}")


def open_model(name: str, *, backend: str = "auto", threads: int = 0, scale: int = 4) -> Upscaler:
    """A model by name or path, optionally followed by `SETTINGS` and `SCALE` with their numbers, and by `NO_TEMPORAL`.

    It is loaded at the first clip; the time of that, and of a first frame of each size, is not counted. Raises
    UsageError then for a model of another scale, unless `SCALE` names it: the output is resized in that case, as
    VapourSynth does it.
    """
    from vsadcvsr.engine import Engine, InputFrame

    choice = _ModelChoice.parse(name)
    open_once = functools.cache(
        lambda: Engine.open(
            choice.model,
            scale=choice.scale or scale,
            backend=backend,
            threads=threads,
            denoise=choice.settings["denoise"],
            steady=choice.settings["steady"],
            sharpen=choice.settings["sharpen"],
        )
    )
    prepared: set[tuple[int, ...]] = set()

    def timed(frames: Sequence[Array]) -> Iterator[tuple[Array, float]]:
        engine = open_once()
        choice.check(engine.spec.scale, scale)
        size = frames[0].shape[1] * scale, frames[0].shape[2] * scale
        if frames[0].shape not in prepared:
            prepared.add(frames[0].shape)
            list(engine.stream([InputFrame(frames[0])]))
        outputs = engine.stream(InputFrame(pixels, choice.cut) for pixels in frames)
        if engine.spec.scale != scale:
            outputs = (resized(frame, size, BICUBIC) for frame in outputs)
        yield from _with_times(outputs)

    return lambda frames: TimedFrames(timed(frames))


def _without(name: str, suffix: str) -> tuple[str, str]:
    """A name without a suffix that has a value, and the value; an empty one where the suffix is missing."""
    before, _, rest = name.partition(suffix)
    value, mark, after = rest.partition("#")
    return before + mark + after, value


def _scale(word: str) -> int:
    try:
        check_scale(int(word))
    except ValueError:  # UsageError is one
        raise UsageError.of("scale", word, ", ".join(map(str, SCALES))) from None
    return int(word)


def _number(key: str, word: str) -> float:
    try:
        return float(word)
    except ValueError:
        raise UsageError.of(key, word, SETTINGS[key]) from None


def _with_times(frames: Iterator[Array]) -> Iterator[tuple[Array, float]]:
    """Each frame, with the seconds since the one before."""
    while True:
        start = time.perf_counter()
        frame = next(frames, None)
        if frame is None:
            return
        yield frame, time.perf_counter() - start


def downscale(frame: Array, factor: int = 4) -> Array:
    """A frame made smaller by antialiased bicubic (a = -0.5, as Pillow does it), in 8-bit steps; sizes round down."""
    height, width = frame.shape[1] // factor * factor, frame.shape[2] // factor * factor
    columns, rows = (downscale_weights(side, factor).astype(np.float32) for side in (width, height))
    return quantize(np.asarray(rows @ frame[:, :height, :width] @ columns.T, dtype=np.float32))


def quantize(frame: Array) -> Array:
    """A frame as an 8-bit screen or file holds it: clipped and rounded to steps of 1/255."""
    return np.asarray(np.rint(frame.clip(0, 1) * np.float32(255)) / np.float32(255), dtype=np.float32)


def downscale_weights(length: int, factor: int) -> NDArray[np.float64]:
    """The weights (length / factor, length) of a bicubic kernel widened by `factor`, cut off at the border."""
    centres = (np.arange(length // factor) + 0.5) * factor - 0.5
    distance = np.abs(np.arange(length)[None] - centres[:, None]) / factor
    near = 1.5 * distance**3 - 2.5 * distance**2 + 1
    far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
    weights = np.where(distance < 1, near, np.where(distance < 2, far, 0))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))

"""What can be measured: plain resizing, the truth itself, and every model that the engine opens."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from vsadcvsr.blending import ALLOWED
from vsadcvsr.errors import UsageError
from vsadcvsr.spec import SCALE, Array

ALONE = "#no-temporal"
"""After a model's name: every frame as a scene of its own, so that nothing is taken from its neighbours."""

DENOISE = "#denoise="
"""After a model's name, and before a number from 0 to 1: `denoise`."""

type Upscaler = Callable[[Sequence[Array]], Iterator[Array]]


def resized(method: int) -> Upscaler:
    """Upscaling by one of OpenCV's interpolations."""

    def upscale(frames: Sequence[Array]) -> Iterator[Array]:
        for frame in frames:
            size = (frame.shape[2] * SCALE, frame.shape[1] * SCALE)
            large = cv2.resize(np.ascontiguousarray(frame.transpose(1, 2, 0)), size, interpolation=method)
            yield np.asarray(large.transpose(2, 0, 1).clip(0, 1), dtype=np.float32)

    return upscale


PLAIN: dict[str, Upscaler] = {"bicubic": resized(cv2.INTER_CUBIC), "lanczos": resized(cv2.INTER_LANCZOS4)}


class Timed(Iterator[Array]):
    """Frames of a method that keeps its own time: `seconds` is what the frames so far took, without any preparation.

    It is NaN where that is not known.
    """

    def __init__(self, timed: Iterator[tuple[Array, float]]) -> None:
        self._timed = timed
        self.seconds = 0.0

    def __next__(self) -> Array:
        frame, seconds = next(self._timed)
        self.seconds += seconds
        return frame


def model_named(name: str, *, backend: str = "auto", threads: int = 0) -> Upscaler:
    """A model by name or path, optionally followed by `DENOISE` with its number, and by `ALONE`.

    It is loaded at the first clip; the time of that, and of a first frame of each size, is not counted.
    """
    from vsadcvsr.engine import Engine, Source

    bare, _, denoise = name.removesuffix(ALONE).partition(DENOISE)
    share = _number(denoise) if denoise else 0.0
    cut = True if name.endswith(ALONE) else None
    open_once = functools.cache(lambda: Engine.open(bare, backend=backend, threads=threads, denoise=share))
    prepared: set[tuple[int, ...]] = set()

    def timed(frames: Sequence[Array]) -> Iterator[tuple[Array, float]]:
        engine = open_once()
        if frames[0].shape not in prepared:
            prepared.add(frames[0].shape)
            list(engine.stream([Source(frames[0])]))
        yield from _clocked(engine.stream(Source(pixels, cut) for pixels in frames))

    return lambda frames: Timed(timed(frames))


def _number(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        raise UsageError.of("denoise", word, ALLOWED) from None


def _clocked(made: Iterator[Array]) -> Iterator[tuple[Array, float]]:
    """Each frame, and how long it took from the one before."""
    while True:
        began = time.perf_counter()
        frame = next(made, None)
        if frame is None:
            return
        yield frame, time.perf_counter() - began


def shrunk(frame: Array, factor: int = SCALE) -> Array:
    """A frame made smaller by antialiased bicubic (a = -0.5, as Pillow does it), in 8-bit steps; sizes round down."""
    height, width = frame.shape[1] // factor * factor, frame.shape[2] // factor * factor
    across, down = (shrinking(side, factor).astype(np.float32) for side in (width, height))
    return shown(np.asarray(down @ frame[:, :height, :width] @ across.T, dtype=np.float32))


def shown(frame: Array) -> Array:
    """A frame as an 8-bit screen or file holds it: clipped and rounded to steps of 1/255."""
    return np.asarray(np.rint(frame.clip(0, 1) * np.float32(255)) / np.float32(255), dtype=np.float32)


def shrinking(length: int, factor: int) -> NDArray[np.float64]:
    """The weights (length / factor, length) of a bicubic kernel widened by `factor`, cut off at the border."""
    centres = (np.arange(length // factor) + 0.5) * factor - 0.5
    apart = np.abs(np.arange(length)[None] - centres[:, None]) / factor
    near = 1.5 * apart**3 - 2.5 * apart**2 + 1
    far = -0.5 * apart**3 + 2.5 * apart**2 - 4 * apart + 2
    weights = np.where(apart < 1, near, np.where(apart < 2, far, 0))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))

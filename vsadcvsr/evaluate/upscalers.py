"""What can be measured: plain resizing, the truth itself, and every model that the engine opens."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import cv2
import numpy as np

from vsadcvsr.spec import SCALE, Array

ALONE = "#no-temporal"
"""After a model's name: every frame as a scene of its own, so that nothing is taken from its neighbours."""

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


def model_named(name: str, *, backend: str = "auto", threads: int = 0) -> Upscaler:
    """A model by name or path, optionally followed by `ALONE`. Every call runs a clip through an engine of its own."""
    from vsadcvsr.engine import Engine, Source

    bare = name.removesuffix(ALONE)
    cut = True if name.endswith(ALONE) else None

    def upscale(frames: Sequence[Array]) -> Iterator[Array]:
        engine = Engine.open(bare, backend=backend, threads=threads)
        try:
            yield from engine.stream(Source(pixels, cut) for pixels in frames)
        finally:
            engine.close()

    return upscale


def shrunk(frame: Array, factor: int = SCALE) -> Array:
    """A frame made smaller by antialiased bicubic (a = -0.5, as Pillow does it), in 8-bit steps; sizes round down."""
    height, width = frame.shape[1] // factor * factor, frame.shape[2] // factor * factor
    lines = _bicubic(height, factor) @ frame[:, :height, :width]
    return shown(np.asarray(lines @ _bicubic(width, factor).T, dtype=np.float32))


def shown(frame: Array) -> Array:
    """A frame as an 8-bit screen or file holds it: clipped and rounded to steps of 1/255."""
    return np.asarray(np.rint(frame.clip(0, 1) * np.float32(255)) / np.float32(255), dtype=np.float32)


def _bicubic(length: int, factor: int) -> Array:
    """The weights (length / factor, length) of a bicubic kernel widened by `factor`, cut off at the border."""
    centres = (np.arange(length // factor) + 0.5) * factor - 0.5
    apart = np.abs(np.arange(length)[None] - centres[:, None]) / factor
    near = 1.5 * apart**3 - 2.5 * apart**2 + 1
    far = -0.5 * apart**3 + 2.5 * apart**2 - 4 * apart + 2
    weights = np.where(apart < 1, near, np.where(apart < 2, far, 0))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float32)

"""A clip whose motion is known."""

from __future__ import annotations

import numpy as np

from vsadcvsr.spec import Array

HEIGHT, WIDTH = 72, 96


def sliding(count: int, step: int) -> list[Array]:
    """A soft texture that moves `step` pixels to the left from frame to frame."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:HEIGHT, : WIDTH + count * step].astype(np.float64)
    texture = sum(np.sin(rows * rng.uniform(-0.5, 0.5) + columns * rng.uniform(-0.5, 0.5)) for _ in range(12))
    plane = 0.5 + 0.04 * np.asarray(texture, dtype=np.float32)
    return [np.repeat(plane[None, :, index * step : index * step + WIDTH], 3, axis=0) for index in range(count)]

"""Application of a degradation preset to a clip."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vsadcvsr.train.degradations.operators import to_uint8
from vsadcvsr.train.degradations.presets import Preset
from vsadcvsr.train.degradations.sampling import sample_operators


def degrade(clip: NDArray[np.float32], preset: Preset, rng: np.random.Generator, scale: int) -> NDArray[np.uint8]:
    """The clip (T, H, W, 3), RGB in 0..1, degraded by a preset: 8 bit, `scale` times smaller.

    An image is a clip of one frame. All random numbers come from `rng`, so that a seed gives the same clip anywhere.
    """
    low_size = (clip.shape[2] // scale, clip.shape[1] // scale)
    frames = list(clip)
    for operator in sample_operators(preset, len(clip), low_size, rng):
        frames = operator.apply(frames)
    return np.stack([to_uint8(frame) for frame in frames])

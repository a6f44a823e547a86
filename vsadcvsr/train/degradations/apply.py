"""What clips and pictures go through before they reach a restorer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vsadcvsr.spec import SCALE
from vsadcvsr.train.degradations.operators import eight_bit
from vsadcvsr.train.degradations.presets import Recipe
from vsadcvsr.train.degradations.sampling import draw


def through(clip: NDArray[np.float32], recipe: Recipe, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The clip (T, H, W, 3), RGB in 0..1, after all of a recipe: 8 bit, at a quarter of its size.

    A picture is a clip of one frame. All draws come from `rng`, so that a seed makes the same clip anywhere.
    """
    small = (clip.shape[2] // SCALE, clip.shape[1] // SCALE)
    frames = list(clip)
    for step in draw(recipe, len(clip), small, rng):
        frames = step.on(frames)
    return np.stack([eight_bit(frame) for frame in frames])

"""Shift consistency: a clip that begins a few pixels later gives the same images there.

Students work on a grid of several pixels, and each place of it fills a block of the output by weights of its own for
each pixel. Whatever a discriminator asks for comes cheapest as a pattern that is locked to that grid, a checkerboard
artefact, which stands still while the scene moves. It is another pattern when the clip is moved against the grid.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from vsadcvsr.train.losses import smooth_l1
from vsadcvsr.train.students import Student, reconstruct

_MARGIN = 4  # pixels of the source at the border, where the moved clip lacks what the whole one sees


def shift_loss(student: Student, low: Tensor, linked: Tensor, images: Tensor, rng: np.random.Generator) -> Tensor:
    """Distance of what a student makes of a moved clip from its images of the whole one, which are the target.

    `low` (B, T, 3, H, W), `linked` (B * T,), `images` (B, T, 3, sH, sW). One clip is moved, by less than
    the student's grid.
    """
    multiple, scale = student.spec.multiple, student.spec.scale
    index = int(rng.integers(len(low)))
    top, left = divmod(int(rng.integers(1, multiple**2)), multiple)
    height, width = (side - multiple for side in low.shape[3:])
    moved = low[index, :, :, top : top + height, left : left + width].contiguous(memory_format=torch.channels_last)
    features = student.features(moved, linked.view(low.shape[:2])[index])
    result = reconstruct(student, features, moved).float()
    target = images[index, ..., scale * top :, scale * left :].detach()
    inner = slice(scale * _MARGIN, scale * (height - _MARGIN)), slice(scale * _MARGIN, scale * (width - _MARGIN))
    return smooth_l1(result[..., *inner], target[..., *inner].float())

"""Warping loss: a student's error shall move with the scene.

Frame-to-frame differences compare what lies in one place. Where the scene moves, detail that moves with it costs as
much there as detail that is drawn anew in each frame, which is what flickers. Here the error of each frame is compared
with that of the next along the optical flow of the truth, as E*warp compares frames (Lai et al., Learning Blind Video
Temporal Consistency, 2018).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vsadcvsr.optical_flow import paths_of


def warping_loss(images: Tensor, truth: Tensor) -> Tensor:
    """Mean squared change of the error of images along the motion of the truth, both (B, T, 3, H, W), RGB in 0..1.

    Pixels that are hidden in the next frame, or outside it, count as 0. Squared, as in E*warp: flicker of an edge costs
    far more than that of faint texture.
    """
    if truth.shape[1] < 2:
        return images.new_zeros(())
    grid, seen = (values.to(images.device) for values in _grids(truth))
    error = images - truth
    first, second = error[:, :-1].flatten(0, 1), error[:, 1:].flatten(0, 1)
    return F.mse_loss(seen * F.grid_sample(second, grid, align_corners=True), seen * first)


def _grids(truth: Tensor) -> tuple[Tensor, Tensor]:
    """For each frame but the last of each clip, end to end: where its pixels are in the next one, (N, H, W, 2), from -1
    to 1 as `grid_sample` counts, and whether they are seen there, (N, 1, H, W).
    """
    paths = [path for clip in truth.cpu().numpy() for path in paths_of(list(clip))]
    height, width = truth.shape[3:]
    own = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1)
    grid = torch.from_numpy(np.stack([own + path.flow for path in paths]).astype(np.float32))
    grid = grid * (2 / torch.tensor([width - 1, height - 1])) - 1
    visible = torch.from_numpy(np.stack([path.visible for path in paths]))
    return grid, (visible & (grid.abs() <= 1).all(-1)).float().unsqueeze(1)

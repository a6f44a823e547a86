"""The warping loss on clips whose motion is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.sliding import HEIGHT, WIDTH, sliding
from vsadcvsr.train.losses import smooth_l1, temporal_difference
from vsadcvsr.train.warping import warping_loss

STEP = 3
"""Pixels by which the scene moves from frame to frame."""


def truth(count: int = 3) -> Tensor:
    return torch.from_numpy(np.stack(sliding(count, STEP))).unsqueeze(0)


def dots(count: int = 3, *, moving: bool) -> Tensor:
    """An error of fine dots, which moves with the scene or stays where it is."""
    noise = 0.1 * torch.rand(1, 1, 3, HEIGHT, WIDTH + STEP * count, generator=torch.Generator().manual_seed(1))
    starts = [STEP * number if moving else 0 for number in range(count)]
    return torch.cat([noise[..., start : start + WIDTH] for start in starts], 1)


def test_an_error_that_moves_with_the_scene_is_nearly_free_and_one_that_stands_still_is_not() -> None:
    """The other way round for frame-to-frame differences."""
    clip = truth()
    moving, standing = (warping_loss(clip + dots(moving=moving), clip).item() for moving in (True, False))
    assert moving < 0.1 * standing
    assert smooth_l1(*(temporal_difference(values) for values in (clip + dots(moving=False), clip))) < 1e-6


def test_without_an_error_or_a_second_frame_there_is_no_loss() -> None:
    assert warping_loss(truth(), truth()) == 0
    assert warping_loss(truth(1) + 0.1, truth(1)) == 0


def test_what_leaves_the_frame_does_not_count() -> None:
    """The scene moves to the left: the first columns of a frame are outside the next one."""
    clip = truth(2)
    images = clip.clone()
    images[:, 0, ..., :STEP] += 0.5
    assert warping_loss(images, clip).item() == pytest.approx(0, abs=1e-5)
    images[:, 0, ..., 40 : 40 + STEP] += 0.5
    assert warping_loss(images, clip).item() > 1e-3


def test_both_frames_learn() -> None:
    clip = truth(2)
    images = (clip + dots(2, moving=False)).requires_grad_()
    warping_loss(images, clip).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    assert images.grad is not None
    assert images.grad.abs().sum((0, 2, 3, 4)).min() > 0

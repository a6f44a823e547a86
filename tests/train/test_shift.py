"""Shift consistency: nothing for networks that move with their input, something for a pattern on their grid."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from tests.train.tiny import TINY
from vsadcvsr.nets.compact import CompactStudent
from vsadcvsr.train.shift import shift_loss
from vsadcvsr.train.students import links, reconstruct


def student_with_a_pattern(strength: float) -> CompactStudent:
    """A bilinear upscale with dots on the first pixel of each place of the head."""
    torch.manual_seed(1)
    student = CompactStudent(TINY)
    with torch.no_grad():
        student.head.bias[0] += strength  # type: ignore[index]  # not None
    return student


def images_of(student: CompactStudent, low: Tensor) -> Tensor:
    frames = low.flatten(0, 1)
    images = reconstruct(student, student.features(frames, links(*low.shape[:2])), frames)
    return images.view(*low.shape[:2], *images.shape[1:])


def test_a_bilinear_upscale_is_consistent_and_a_pattern_on_the_grid_is_not() -> None:
    """The head's grid is of two pixels: moves by two in both directions leave its pattern where it was."""
    low = torch.rand(2, 3, 3, 24, 32, generator=torch.Generator().manual_seed(1))
    for strength, least, most in ((0.0, 0.0, 1e-7), (0.05, 1e-4, 0.05)):
        student = student_with_a_pattern(strength)
        images, linked = images_of(student, low), links(*low.shape[:2])
        losses = [shift_loss(student, low, linked, images, np.random.default_rng(seed)).item() for seed in range(12)]
        assert least <= np.mean(losses) <= most


def test_its_slope_takes_the_pattern_away_and_leaves_the_whole_clip_as_a_target() -> None:
    student, low = student_with_a_pattern(0.05), torch.rand(1, 3, 3, 24, 24)
    images = images_of(student, low).detach().requires_grad_()
    for seed in range(4):
        shift_loss(student, low, links(*low.shape[:2]), images, np.random.default_rng(seed)).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    assert images.grad is None
    assert student.head.bias is not None
    slope = student.head.bias.grad
    assert slope is not None
    assert slope[0] > 0
    assert slope[0] > slope[1:].max()

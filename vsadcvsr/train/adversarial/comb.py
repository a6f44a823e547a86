"""Comb filter: discriminators do not see what repeats on the grid of the student's head.

A discriminator asks for detail. Where a scene has none that a small image could tell of, along an even edge or in a
plain area, a network without a source of randomness can only draw the same in each place of its grid: a checkerboard
artefact, which a discriminator takes for detail. What it does not see it does not ask for, and the regression takes it
away.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from vsadcvsr.train.losses import luma

_CELLS = 5  # places of the grid over which something repeats


def without_repetition(images: Tensor, truth: Tensor, period: int) -> Tensor:
    """Images (N, 3, H, W) without that part of their luma's error which repeats after `period` pixels, along rows and
    along columns.

    H and W are multiples of the period. Only the error is filtered: regular texture of the truth stays.
    """
    error = luma(images - truth)
    rest = _without_repetition(_without_repetition(error, period).mT, period).mT
    return images - (error - rest).unsqueeze(1)


def _without_repetition(planes: Tensor, period: int) -> Tensor:
    """Planes (N, H, W) without what repeats along each row: the means, over the neighbouring cells of `period` pixels,
    of each place in a cell, as far as they differ from each other.
    """
    cells = planes.reshape(*planes.shape[:2], -1, period)
    means = F.avg_pool2d(cells, (_CELLS, 1), 1, (_CELLS // 2, 0), count_include_pad=False)
    return planes - (means - means.mean(-1, keepdim=True)).flatten(2)

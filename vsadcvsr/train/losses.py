"""Losses on clips (B, T, 3, H, W), RGB in 0..1."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

_KNEE = 0.005  # in pixel values: below this the loss is quadratic, so that it settles
_LUMA = (0.299, 0.587, 0.114)


def distance(result: Tensor, target: Tensor) -> Tensor:
    """The mean absolute difference, rounded off near zero; one kernel each way, where a formula would take ten."""
    return F.smooth_l1_loss(result, target, beta=_KNEE)


def luma(clip: Tensor) -> Tensor:
    """BT.601 luma of full-range RGB, (B, T, H, W)."""
    red, green, blue = clip.unbind(2)
    return _LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue


def motion(clip: Tensor) -> Tensor:
    """Differences between neighbouring frames, (B, T - 1, 3, H, W)."""
    return clip[:, 1:] - clip[:, :-1]


def regression(result: Tensor, target: Tensor, *, luma_weight: float, difference_weight: float) -> Tensor:
    """Distance in RGB, in luma (where the eye and the metrics look) and in change over time (where flicker shows)."""
    total = distance(result, target)
    if luma_weight:
        total = total + luma_weight * distance(luma(result), luma(target))
    if difference_weight and result.shape[1] > 1:
        total = total + difference_weight * distance(motion(result), motion(target))
    return total

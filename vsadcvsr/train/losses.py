"""Losses on clips (B, T, 3, H, W), RGB in 0..1, and on the maps of discriminators."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

_KNEE = 0.005  # in pixel values: below this the loss is quadratic, so that it settles
_LUMA = (0.299, 0.587, 0.114)
_WINDOW = 7
_LIGHT, _CONTRAST = 0.01**2, 0.03**2  # SSIM's constants for a range of 1


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


def structure(result: Tensor, target: Tensor) -> Tensor:
    """1 - SSIM of planes (B, T, H, W) in plain 7x7 windows, every second of them (Wang et al. 2004)."""

    def blurred(plane: Tensor) -> Tensor:
        return F.avg_pool2d(plane, _WINDOW, stride=2)

    mean, other = blurred(result), blurred(target)
    spread = blurred(result * result) - mean * mean
    spread_other = blurred(target * target) - other * other
    shared = blurred(result * target) - mean * other
    light = (2 * mean * other + _LIGHT) / (mean * mean + other * other + _LIGHT)
    return 1 - (light * (2 * shared + _CONTRAST) / (spread + spread_other + _CONTRAST)).mean()


def regression(
    result: Tensor, target: Tensor, *, luma_weight: float, difference_weight: float, structure_weight: float = 0.0
) -> Tensor:
    """Distance in RGB, in luma (where the eye and the metrics look), in change over time (where flicker shows) and in
    local structure."""
    total = distance(result, target)
    if luma_weight:
        total = total + luma_weight * distance(luma(result), luma(target))
    if difference_weight and result.shape[1] > 1:
        total = total + difference_weight * distance(motion(result), motion(target))
    if structure_weight:
        total = total + structure_weight * structure(luma(result), luma(target))
    return total


def judged(logits: Tensor, label: int) -> Tensor:
    """softplus(-label * logits), the mean over a head's map: small where the head agrees with a label of +1 or -1."""
    return F.softplus(-label * logits.float()).mean()

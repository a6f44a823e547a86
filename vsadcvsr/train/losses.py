"""Losses on clips (B, T, 3, H, W), RGB in 0..1, and on the maps of discriminators."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor
from torch.nn import functional as F

_KNEE = 0.005  # in pixel values: below this the loss is quadratic, so that it settles
_LUMA = (0.299, 0.587, 0.114)
_WINDOW, _AREA = 7, 8  # pixels
_LIGHT, _CONTRAST = 0.01**2, 0.03**2  # SSIM's constants for a range of 1


class Weights(Protocol):
    """Of the losses beside that on RGB, which has 1; 0 leaves one out."""

    @property
    def luma(self) -> float: ...  # where the eye and the metrics look
    @property
    def difference(self) -> float: ...  # change over time, where flicker shows
    @property
    def structure(self) -> float: ...  # 1 - SSIM
    @property
    def tone(self) -> float: ...  # contrast at large, which structure alone lets drift


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


def tone(result: Tensor, target: Tensor) -> Tensor:
    """Distance of planes (B, T, H, W) in the means of 8x8 areas, which overlap by half."""
    return distance(*(F.avg_pool2d(plane, _AREA, stride=_AREA // 2) for plane in (result, target)))


def regression(result: Tensor, target: Tensor, weights: Weights) -> Tensor:
    """Distance in RGB, and in whatever else has a weight."""
    total = distance(result, target)
    if weights.difference and result.shape[1] > 1:
        total = total + weights.difference * distance(motion(result), motion(target))
    bright, wanted = luma(result), luma(target)
    for weight, loss in ((weights.luma, distance), (weights.structure, structure), (weights.tone, tone)):
        if weight:
            total = total + weight * loss(bright, wanted)
    return total


def judged(logits: Tensor, label: int) -> Tensor:
    """softplus(-label * logits), the mean over a head's map: small where the head agrees with a label of +1 or -1."""
    return F.softplus(-label * logits.float()).mean()

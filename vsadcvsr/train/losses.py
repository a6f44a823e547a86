"""Losses on clips (B, T, 3, H, W), RGB in 0..1, and on the maps of discriminators."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.nn import functional as F

from vsadcvsr.color import LUMA_601
from vsadcvsr.nets.efficientnet import Trunk, feature_distance

_KNEE = 0.005  # in pixel values: below this the loss is quadratic, so that it settles
_WINDOW, _AREA = 7, 8  # pixels
_LEVELS = 3  # of the pyramid: areas of 2x2, 4x4 and 8x8 pixels
_LIGHT, _CONTRAST = 0.01**2, 0.03**2  # SSIM's constants for a range of 1


class Weights(Protocol):
    """Of the losses beside that on RGB, which has 1; 0 leaves one out."""

    @property
    def luma(self) -> float: ...  # where the eye and the metrics look
    @property
    def difference(self) -> float: ...  # change over time, where flicker shows
    @property
    def pyramid(self) -> float: ...  # means of areas, whose errors fine texture hides from RGB
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
    return LUMA_601[0] * red + LUMA_601[1] * green + LUMA_601[2] * blue


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


class _Distances(torch.autograd.Function):
    """Distance in RGB, in luma, in frame-to-frame differences and in a pyramid of an error (B, T, 3, H, W), with the
    weights of the last three.

    All three are functions of the error alone, so value and gradient are made in one go, in a third of the passes over
    memory that autograd would take; on a CPU those cost as much as the layers.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, error: Tensor, of_luma: float, of_difference: float, of_pyramid: float) -> Tensor:
        total, slope = _rounded(error)
        if of_luma:
            value, step = _rounded(luma(error))
            total += of_luma * value
            for channel, share in enumerate(LUMA_601):
                slope[:, :, channel].add_(step, alpha=of_luma * share)
        if of_difference and error.shape[1] > 1:
            value, step = _rounded(motion(error))
            total += of_difference * value
            slope[:, 1:].add_(step, alpha=of_difference)
            slope[:, :-1].sub_(step, alpha=of_difference)
        if of_pyramid:
            total += of_pyramid * _pyramid(error.flatten(0, 1), slope.flatten(0, 1), of_pyramid, _LEVELS)
        ctx.save_for_backward(slope)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, following: Tensor) -> tuple[Tensor, None, None, None]:
        (slope,) = ctx.saved_tensors  # type: ignore[attr-defined]  # torch leaves it out of the type
        return slope * following, None, None, None


def _rounded(error: Tensor) -> tuple[Tensor, Tensor]:
    """The `distance` of an error from none, and its gradient."""
    slope = (error * (1 / _KNEE)).clamp_(-1, 1)
    flat = slope.flatten()
    value = (torch.dot(flat, error.flatten()) - _KNEE / 2 * torch.dot(flat, flat)) / error.numel()
    return value, slope.div_(error.numel())


def _pyramid(error: Tensor, slope: Tensor, weight: float, levels: int) -> Tensor:
    """The distances of the means of 2x2, 4x4, … areas of an error (T, 3, H, W) from none, summed; as much as `weight`
    of their gradient is added to `slope`."""
    small = F.avg_pool2d(error, 2)
    value, step = _rounded(small)
    step.mul_(weight)
    if levels > 1 and not any(side % 2 for side in small.shape[2:]):
        value = value + _pyramid(small, step, weight, levels - 1)
    for row in range(2):
        for column in range(2):
            slope[..., row::2, column::2].add_(step, alpha=0.25)
    return value


def regression(result: Tensor, target: Tensor, weights: Weights) -> Tensor:
    """Distance in RGB, and in whatever else has a weight."""
    total: Tensor = _Distances.apply(result - target, weights.luma, weights.difference, weights.pyramid)
    rest = [(weight, loss) for weight, loss in ((weights.structure, structure), (weights.tone, tone)) if weight]
    if rest:
        bright, wanted = luma(result), luma(target)
        total = total + torch.stack([weight * loss(bright, wanted) for weight, loss in rest]).sum()
    return total


def perceptual(result: Tensor, target: Tensor, trunk: Trunk) -> Tensor:
    """Distance of the middle frames in a trunk's features: one frame is enough, and all would take most of a step."""
    middle = result.shape[1] // 2
    with torch.no_grad():
        wanted = trunk(target[:, middle])
    return feature_distance(trunk(result[:, middle]), wanted).mean()


def judged(logits: Tensor, label: int) -> Tensor:
    """softplus(-label * logits), the mean over a head's map: small where the head agrees with a label of +1 or -1."""
    return F.softplus(-label * logits.float()).mean()

"""Losses on clips (B, T, 3, H, W), RGB in 0..1, and on the maps of discriminators."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.nn import functional as F

from vsadcvsr.color import LUMA_601
from vsadcvsr.nets.efficientnet import Trunk, feature_distance

_BETA = 0.005  # in pixel values: below this the loss is quadratic, so that it settles
_WINDOW, _AREA = 7, 8  # pixels
_GRIDS = ((1, 8), (2, 4), (4, 4))  # of the base, the head and the body: pixels of the source, and areas of a window
_LEVELS = 3  # of the pyramid: areas of 2x2, 4x4 and 8x8 pixels
_SSIM_LUMINANCE, _SSIM_CONTRAST = 0.01**2, 0.03**2  # SSIM's constants for a range of 1


class LossWeights(Protocol):
    """Weights of the losses apart from that on RGB, which has 1; 0 disables a loss."""

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
    @property
    def grid(self) -> float: ...  # patterns that repeat on the student's grids


def smooth_l1(result: Tensor, target: Tensor) -> Tensor:
    """The mean absolute difference, rounded off near zero; one kernel each way, where a formula would take ten."""
    return F.smooth_l1_loss(result, target, beta=_BETA)


def luma(images: Tensor) -> Tensor:
    """BT.601 luma (…, H, W) of full-range RGB (…, 3, H, W)."""
    red, green, blue = images.unbind(-3)
    return LUMA_601[0] * red + LUMA_601[1] * green + LUMA_601[2] * blue


def temporal_difference(clip: Tensor) -> Tensor:
    """Differences between neighbouring frames, (B, T - 1, 3, H, W)."""
    return clip[:, 1:] - clip[:, :-1]


def structure(result: Tensor, target: Tensor) -> Tensor:
    """1 - SSIM of planes (B, T, H, W) in plain 7x7 windows, every second of them (Wang et al. 2004)."""

    def window_mean(plane: Tensor) -> Tensor:
        return F.avg_pool2d(plane, _WINDOW, stride=2)

    mean, other = window_mean(result), window_mean(target)
    variance = window_mean(result * result) - mean * mean
    other_variance = window_mean(target * target) - other * other
    covariance = window_mean(result * target) - mean * other
    luminance = (2 * mean * other + _SSIM_LUMINANCE) / (mean * mean + other * other + _SSIM_LUMINANCE)
    return 1 - (luminance * (2 * covariance + _SSIM_CONTRAST) / (variance + other_variance + _SSIM_CONTRAST)).mean()


def tone(result: Tensor, target: Tensor) -> Tensor:
    """Distance of planes (B, T, H, W) in the means of 8x8 areas, which overlap by half."""
    return smooth_l1(*(F.avg_pool2d(plane, _AREA, stride=_AREA // 2) for plane in (result, target)))


def grid(error: Tensor, scale: int) -> Tensor:
    """How far an error (B, T, H, W) repeats on the grids of a student of that scale, which are of 1, 2 and 4 pixels of
    the source.

    For each place in a grid's area, windows of several areas are averaged: 0 where all places have one mean. Scenes
    know nothing of the grids, so what is left there is the network's.
    """
    plane = error.flatten(0, 1).unsqueeze(1)
    return torch.stack([_repetition(plane, scale * side, window) for side, window in _GRIDS]).sum()


def _repetition(plane: Tensor, period: int, window: int) -> Tensor:
    """How far a plane (N, 1, H, W) repeats after `period` pixels, over windows of so many periods."""
    places = F.pixel_unshuffle(plane, period)
    means = F.avg_pool2d(places, window, stride=window // 2)
    means = means - means.mean(1, keepdim=True)
    return smooth_l1(means, torch.zeros_like(means))


class _RegressionLoss(torch.autograd.Function):
    """Distance in RGB, in luma, in frame-to-frame differences and in a pyramid of an error (B, T, 3, H, W), with the
    weights of the last three.

    All three are functions of the error alone, so value and gradient are made in one go, in a third of the passes over
    memory that autograd would take; on a CPU those cost as much as the layers.
    """

    @staticmethod
    def forward(
        ctx: FunctionCtx, error: Tensor, luma_weight: float, difference_weight: float, pyramid_weight: float
    ) -> Tensor:
        total, gradient = _smooth_l1_gradient(error)
        if luma_weight:
            value, part = _smooth_l1_gradient(luma(error))
            total += luma_weight * value
            for channel, weight in enumerate(LUMA_601):
                gradient[:, :, channel].add_(part, alpha=luma_weight * weight)
        if difference_weight and error.shape[1] > 1:
            value, part = _smooth_l1_gradient(temporal_difference(error))
            total += difference_weight * value
            gradient[:, 1:].add_(part, alpha=difference_weight)
            gradient[:, :-1].sub_(part, alpha=difference_weight)
        if pyramid_weight:
            total += pyramid_weight * _pyramid(error.flatten(0, 1), gradient.flatten(0, 1), pyramid_weight, _LEVELS)
        ctx.save_for_backward(gradient)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, upstream: Tensor) -> tuple[Tensor, None, None, None]:
        (gradient,) = ctx.saved_tensors  # type: ignore[attr-defined]  # torch leaves it out of the type
        return gradient * upstream, None, None, None


def _smooth_l1_gradient(error: Tensor) -> tuple[Tensor, Tensor]:
    """The `smooth_l1` of an error from none, and its gradient."""
    gradient = (error * (1 / _BETA)).clamp_(-1, 1)
    flat = gradient.flatten()
    value = (torch.dot(flat, error.flatten()) - _BETA / 2 * torch.dot(flat, flat)) / error.numel()
    return value, gradient.div_(error.numel())


def _pyramid(error: Tensor, gradient: Tensor, weight: float, levels: int) -> Tensor:
    """The distances of the means of 2x2, 4x4, … areas of an error (T, 3, H, W) from none, summed; as much as `weight`
    of their gradient is added to `gradient`."""
    means = F.avg_pool2d(error, 2)
    value, part = _smooth_l1_gradient(means)
    part.mul_(weight)
    if levels > 1 and not any(side % 2 for side in means.shape[2:]):
        value = value + _pyramid(means, part, weight, levels - 1)
    for row in range(2):
        for column in range(2):
            gradient[..., row::2, column::2].add_(part, alpha=0.25)
    return value


def regression(
    result: Tensor, target: Tensor, weights: LossWeights, truth: Tensor | None = None, *, scale: int = 4
) -> Tensor:
    """Distance in RGB, and in whatever else has a weight, of a student of that scale.

    With a truth beside the target, frame-to-frame differences follow the truth: what makes targets frame by frame
    flickers.
    """
    difference = weights.difference if truth is None else 0.0
    total: Tensor = _RegressionLoss.apply(result - target, weights.luma, difference, weights.pyramid)
    if truth is not None and weights.difference and result.shape[1] > 1:
        changes = (temporal_difference(clip) for clip in (result, truth))
        total = total + weights.difference * smooth_l1(*changes)
    if weights.grid:
        total = total + weights.grid * grid(luma(result - target), scale)
    rest = [(weight, loss) for weight, loss in ((weights.structure, structure), (weights.tone, tone)) if weight]
    if rest:
        result_luma, target_luma = luma(result), luma(target)
        total = total + torch.stack([weight * loss(result_luma, target_luma) for weight, loss in rest]).sum()
    return total


def perceptual(result: Tensor, target: Tensor, trunk: Trunk, corner: tuple[int, int] = (0, 0)) -> Tensor:
    """Distance of the middle frames in a trunk's features: one frame is enough, and all would take most of a step.

    The frames are seen from `corner` (row, column) on.
    """
    middle, (top, left) = result.shape[1] // 2, corner
    with torch.no_grad():
        target_features = trunk(target[:, middle, :, top:, left:])
    return feature_distance(trunk(result[:, middle, :, top:, left:]), target_features).mean()


def adversarial_loss(logits: Tensor, label: int) -> Tensor:
    """softplus(-label * logits), the mean over a head's map: small where the head agrees with a label of +1 or -1."""
    return F.softplus(-label * logits.float()).mean()

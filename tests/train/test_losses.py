"""Losses, and the rate at which they are followed."""

from __future__ import annotations

import pytest
import torch

from vsadcvsr.nets.efficientnet import Trunk
from vsadcvsr.spec import SCALES
from vsadcvsr.train.losses import (
    adversarial_loss,
    grid,
    luma,
    perceptual,
    regression,
    smooth_l1,
    structure,
    temporal_difference,
    tone,
)
from vsadcvsr.train.schedule import rate
from vsadcvsr.train.settings import RegressionSettings
from vsadcvsr.train.students import links, upsample_bilinear


def test_the_loss_sees_flicker_that_single_frames_hide() -> None:
    still = torch.full((1, 4, 3, 4, 4), 0.5)
    flicker = still + 0.1 * torch.tensor([1.0, -1, 1, -1]).view(1, 4, 1, 1, 1)
    steady = still + 0.1
    apart = [float(regression(clip, still, RegressionSettings(luma=0, difference=1))) for clip in (flicker, steady)]
    assert apart[0] > 2 * apart[1]
    assert luma(still).shape == (1, 4, 4, 4)
    assert temporal_difference(still).abs().max() == 0


def test_value_and_gradient_are_those_of_the_formula() -> None:
    torch.manual_seed(0)
    target = torch.rand(2, 3, 3, 8, 8, dtype=torch.float64)
    plain = (target + 0.01 * torch.randn_like(target)).requires_grad_()
    fused = plain.detach().clone().requires_grad_()
    loss = smooth_l1(plain, target) + 0.5 * smooth_l1(luma(plain), luma(target))
    loss = loss + 1.2 * smooth_l1(temporal_difference(plain), temporal_difference(target))
    for side in (2, 4, 8):
        means = (torch.nn.functional.avg_pool2d(clip.flatten(0, 1), side) for clip in (plain, target))
        loss = loss + 0.7 * smooth_l1(*means)
    actual = regression(fused, target, RegressionSettings(luma=0.5, difference=1.2, pyramid=0.7))
    assert actual.item() == pytest.approx(loss.item(), rel=1e-12)
    assert torch.allclose(torch.autograd.grad(loss, plain)[0], torch.autograd.grad(actual, fused)[0], rtol=1e-9)


def test_changes_follow_the_truth_where_a_target_flickers() -> None:
    still = torch.full((1, 4, 3, 8, 8), 0.5)
    flickering = still + 0.1 * torch.tensor([1.0, -1, 1, -1]).view(1, 4, 1, 1, 1)
    weights = RegressionSettings(luma=0, difference=1.0)
    steady, copied = (float(regression(result, flickering, weights, still)) for result in (still, flickering))
    assert steady == pytest.approx(float(smooth_l1(still, flickering)))  # for the image alone
    assert copied == pytest.approx(float(smooth_l1(temporal_difference(flickering), temporal_difference(still))))
    assert float(regression(flickering, flickering, weights)) == 0


def test_structure_is_lost_by_blur_and_not_by_nothing() -> None:
    torch.manual_seed(0)
    sharp = torch.rand(1, 2, 24, 24)
    blurred = torch.nn.functional.avg_pool2d(sharp, 3, stride=1, padding=1)
    assert float(structure(sharp, sharp)) == pytest.approx(0, abs=1e-5)
    assert 0.2 < float(structure(blurred, sharp)) < 1


def test_contrast_that_drifts_costs_tone_and_texture_does_not() -> None:
    torch.manual_seed(0)
    areas = torch.rand(1, 2, 6, 6).repeat_interleave(8, -1).repeat_interleave(8, -2)
    stronger = 0.5 + 1.1 * (areas - 0.5)
    texture = areas + 0.1 * torch.tensor([1.0, -1]).repeat(24)
    assert float(tone(texture, areas)) == pytest.approx(0, abs=1e-6)
    assert float(tone(stronger, areas)) > 0.01
    clip, still = (plane.unsqueeze(2).expand(-1, -1, 3, -1, -1) for plane in (stronger, areas))
    heeded, ignored = (float(regression(clip, still, RegressionSettings(tone=weight))) for weight in (1.0, 0.0))
    assert heeded - ignored == pytest.approx(float(tone(stronger, areas)), rel=1e-4)


def test_features_of_the_middle_frame_count() -> None:
    torch.manual_seed(0)
    trunk, target = Trunk(), torch.rand(1, 3, 3, 32, 32)
    result = target.clone()
    result[:, ::2] = 0
    assert float(perceptual(result, target, trunk)) == pytest.approx(0, abs=1e-6)
    result[:, 1] = 0.5 * result[:, 1]
    loss = perceptual(result.requires_grad_(), target, trunk)
    (slope,) = torch.autograd.grad(loss, result)
    assert float(loss.detach()) > 0
    assert slope[:, 1].abs().max() > 0
    assert slope[:, ::2].abs().max() == 0
    (slope,) = torch.autograd.grad(perceptual(result, target, trunk, (5, 9)), result)
    assert slope[:, 1, :, :5].abs().max() == slope[:, 1, :, :, :9].abs().max() == 0
    assert slope[:, 1, :, 5:, 9:].abs().max() > 0


def test_the_discriminator_loss_is_that_of_wrong_logits() -> None:
    sure = torch.full((1, 4, 2, 2), 5.0)
    assert float(adversarial_loss(sure, +1)) < 0.01
    assert float(adversarial_loss(sure, -1)) == pytest.approx(5, abs=0.01)
    assert float(adversarial_loss(torch.zeros(3), -1)) == pytest.approx(0.6931, abs=1e-3)


def test_the_rate_rises_stays_and_falls() -> None:
    stage = RegressionSettings(steps=1000, warmup=100, decay=0.5)
    rates = [rate(stage, step) for step in range(1000)]
    assert rates[0] < rates[50] < rates[99] == pytest.approx(stage.learning_rate)
    assert rates[400] == pytest.approx(stage.learning_rate)
    assert rates[999] < 1e-2 * stage.learning_rate


def test_each_clip_of_a_batch_begins_again() -> None:
    assert links(2, 3).tolist() == [0, 1, 1, 0, 1, 1]


@pytest.mark.parametrize("scale", SCALES)
def test_the_enlargement_of_training_is_the_bilinear_one(scale: int) -> None:
    small = torch.rand(2, 3, 5, 9)
    plain = torch.nn.functional.interpolate(small, scale_factor=float(scale), mode="bilinear")
    assert torch.allclose(upsample_bilinear(small, scale), plain, atol=1e-6)


@pytest.mark.parametrize("period", [4, 8, 16])
def test_the_grid_loss_sees_what_repeats_on_the_grids_of_a_student_and_no_brightness(period: int) -> None:
    dots, other = torch.zeros(2, 1, 1, 256, 256)
    dots[..., 1::period, 2::period] = 0.1
    other[..., 1 :: period + 1, 2 :: period + 1] = 0.1
    assert grid(torch.full((1, 2, 64, 64), 0.3), 4) == pytest.approx(0, abs=1e-7)
    assert grid(dots, 4) > 2 * grid(other, 4)


def test_the_grid_loss_follows_the_scale_of_the_student() -> None:
    result, target = torch.zeros(1, 2, 3, 64, 64), torch.zeros(1, 2, 3, 64, 64)
    result[..., ::2, ::2] = 0.1
    plain = regression(result, target, RegressionSettings())
    losses = [float(regression(result, target, RegressionSettings(grid=1.0), scale=s) - plain) for s in (2, 4)]
    assert min(losses) > 0.01

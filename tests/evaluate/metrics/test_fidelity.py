"""PSNR and SSIM against numbers worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vsadcvsr.errors import FormatError
from vsadcvsr.evaluate.metrics.fidelity import fidelity, luma, luma_fidelity, ms_ssim, psnr, scales_of, ssim, ssim7
from vsadcvsr.spec import Array


def noise(seed: int, height: int = 32, width: int = 40) -> Array:
    return np.random.default_rng(seed).random((3, height, width), dtype=np.float32)


def test_a_frame_is_infinitely_near_to_itself() -> None:
    result = fidelity(noise(0), noise(0))
    assert math.isinf(result.psnr_y)
    assert math.isinf(result.psnr_rgb)
    assert (result.ssim_y, result.ssim7_y, result.ssim_rgb) == pytest.approx((1, 1, 1))


def test_luma_alone_has_the_same_numbers() -> None:
    result = fidelity(noise(0), noise(1))
    assert luma_fidelity(noise(0), noise(1)) == (result.psnr_y, result.ssim_y)


def test_an_offset_of_a_tenth_is_20_db_on_rgb() -> None:
    gray = np.full((3, 32, 32), 0.5, dtype=np.float32)
    assert fidelity(gray + np.float32(0.1), gray).psnr_rgb == pytest.approx(20, abs=1e-4)


def test_studio_luma_makes_the_same_offset_smaller() -> None:
    gray = np.full((3, 32, 32), 0.5, dtype=np.float32)
    expected = 20 - 20 * math.log10(219 / 255)
    assert fidelity(gray + np.float32(0.1), gray).psnr_y == pytest.approx(expected, abs=1e-4)


def test_luma_spans_16_to_235() -> None:
    black, white = np.zeros((3, 2, 2), dtype=np.float32), np.ones((3, 2, 2), dtype=np.float32)
    assert luma(black)[0, 0] * 255 == pytest.approx(16)
    assert luma(white)[0, 0] * 255 == pytest.approx(235)


def test_what_lies_outside_the_crop_does_not_count() -> None:
    frame = noise(0)
    framed = frame.copy()
    framed[:, :4], framed[:, -4:], framed[:, :, :4], framed[:, :, -4:] = 0, 0, 0, 0
    assert math.isinf(fidelity(framed, frame).psnr_rgb)
    assert math.isfinite(fidelity(framed, frame, crop=3).psnr_rgb)


def test_psnr_of_a_single_wrong_pixel() -> None:
    plane = np.zeros((10, 10))
    wrong = plane.copy()
    wrong[3, 3] = 1
    assert psnr(wrong, plane) == pytest.approx(20)


def test_ssim_of_two_even_fields_is_the_light_term_alone() -> None:
    first, second = np.full((1, 20, 20), 0.2), np.full((1, 20, 20), 0.6)
    expected = (2 * 0.2 * 0.6 + 1e-4) / (0.2**2 + 0.6**2 + 1e-4)
    assert ssim(first, second) == pytest.approx(expected, abs=1e-6)


def test_ssim_of_unrelated_noise_is_near_zero() -> None:
    first, second = (np.random.default_rng(seed).random((1, 80, 80)) for seed in (0, 1))
    assert abs(ssim(first, second)) < 0.05
    assert abs(ssim7(first[0], second[0])) < 0.05


@pytest.mark.parametrize("other", [noise(1, 32, 41), noise(1, 33, 40)])
def test_frames_of_different_sizes_are_refused(other: Array) -> None:
    with pytest.raises(FormatError, match="cannot compare"):
        fidelity(noise(0), other)


def test_frames_smaller_than_the_window_are_refused() -> None:
    with pytest.raises(FormatError, match="after cropping 4"):
        fidelity(noise(0, 16, 18), noise(1, 16, 18))


def test_ms_ssim_of_a_frame_with_itself_is_1() -> None:
    assert ms_ssim(noise(0, 200, 220), noise(0, 200, 220)) == pytest.approx(1)


@pytest.mark.parametrize(("side", "scales"), [(18, 0), (19, 1), (29, 1), (30, 2), (183, 4), (184, 5), (2000, 5)])
def test_a_scale_needs_a_whole_window(side: int, scales: int) -> None:
    assert scales_of((3, side, 3000)) == scales


def test_ms_ssim_of_one_scale_is_ssim() -> None:
    first, second = noise(0, 24, 28), np.maximum(noise(0, 24, 28), noise(1, 24, 28))
    assert ms_ssim(first, second) == pytest.approx(fidelity(first, second).ssim_y)


def test_ms_ssim_weighs_coarse_scales_more_than_ssim_does() -> None:
    """Fine noise disappears in the coarse scales, so five of them forgive it."""
    smooth = noise(0, 25, 25).repeat(8, axis=1).repeat(8, axis=2)
    dirty = smooth + np.float32(0.4) * noise(1, 200, 200) - np.float32(0.2)
    assert fidelity(dirty, smooth).ssim_y < 0.9 * ms_ssim(dirty, smooth)
    blurred = np.full(smooth.shape, 0.5, dtype=np.float32)
    assert ms_ssim(blurred, smooth) < 0.1


def test_ms_ssim_refuses_what_has_no_room() -> None:
    with pytest.raises(FormatError, match="cannot compare"):
        ms_ssim(noise(0, 18, 40), noise(1, 18, 40))

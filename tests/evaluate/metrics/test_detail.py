"""Fine detail on gratings whose frequency is known."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.evaluate.waves import picture
from vsadcvsr.evaluate.methods import downscale, resizers
from vsadcvsr.evaluate.metrics.detail import detail, high_frequencies, sharpness
from vsadcvsr.spec import Array

HEIGHT, WIDTH = 72, 104  # 64 x 96 without the border


def grating(waves: float, *, across: bool = True, height: float = 0.1) -> Array:
    """`waves` half periods inside the border: exactly one coefficient of the transform."""
    side = WIDTH if across else HEIGHT
    line = 0.5 + height * np.cos(np.pi * waves * (np.arange(side) - 4 + 0.5) / (side - 8))
    plane = np.broadcast_to(line if across else line[:, None], (HEIGHT, WIDTH))
    return np.stack([plane] * 3).astype(np.float32)


def fine_texture(seed: int) -> Array:
    noise = np.random.default_rng(seed).normal(0, 0.05, (1, HEIGHT, WIDTH))
    return np.repeat(0.5 + noise, 3, axis=0).astype(np.float32)


def test_a_frame_has_as_much_detail_as_itself_and_all_of_it_right() -> None:
    assert detail(fine_texture(0), fine_texture(0)) == pytest.approx((1, 1))


@pytest.mark.parametrize(("across", "nyquist"), [(True, 24), (False, 16)])
def test_fine_begins_at_the_nyquist_frequency_of_a_quarter(across: bool, nyquist: int) -> None:
    energy = [float((high_frequencies(grating(waves, across=across)) ** 2).sum()) for waves in (nyquist - 1, nyquist)]
    assert energy[0] == pytest.approx(0, abs=1e-6)
    assert energy[1] > 1


@given(share=st.floats(0.1, 3))
def test_detail_is_the_share_of_the_energy(share: float) -> None:
    amount, right = detail(grating(50, height=0.1 * share), grating(50))
    assert amount == pytest.approx(share**2, rel=1e-3)
    assert right == pytest.approx(1, abs=1e-4)


def test_invented_detail_adds_energy_and_takes_correlation_away() -> None:
    amount, right = detail(fine_texture(0) + fine_texture(1) - np.float32(0.5), fine_texture(0))
    assert amount == pytest.approx(2, rel=0.1)
    assert right == pytest.approx(math.sqrt(0.5), abs=0.05)


def test_detail_turned_over_is_all_wrong() -> None:
    assert detail(1 - fine_texture(0), fine_texture(0))[1] == pytest.approx(-1)


def test_plain_resizing_leaves_little_detail() -> None:
    (large,) = resizers()["bicubic"]([downscale(fine_texture(0))])
    assert detail(large, fine_texture(0))[0] < 0.05


def test_an_even_truth_gives_nothing_to_compare_with() -> None:
    even = np.full((3, HEIGHT, WIDTH), 0.4, dtype=np.float32)
    assert all(math.isnan(number) for number in detail(fine_texture(0), even))
    assert detail(even, fine_texture(0))[0] == pytest.approx(0, abs=1e-9)
    assert math.isnan(detail(even, fine_texture(0))[1])


def test_odd_sizes_lose_their_last_line() -> None:
    assert high_frequencies(picture(41, 43)).shape == (32, 34)


def test_sharpness_of_a_grating_is_the_ratio_of_heights() -> None:
    assert sharpness(grating(6, height=0.05), grating(6, height=0.1)) == pytest.approx(0.5, rel=1e-3)
    assert sharpness(fine_texture(0), fine_texture(0)) == 1
    assert math.isnan(sharpness(fine_texture(0), np.full((3, HEIGHT, WIDTH), 0.5, np.float32)))


def test_blur_makes_soft_and_noise_makes_sharp() -> None:
    truth = picture(HEIGHT, WIDTH)
    soft = [cv2.GaussianBlur(truth.transpose(1, 2, 0), (0, 0), sigma).transpose(2, 0, 1) for sigma in (0.7, 1.5, 3)]
    result = [sharpness(np.asarray(frame, np.float32), truth) for frame in soft]
    assert 1 > result[0] > result[1] > result[2] > 0
    assert sharpness(truth + fine_texture(1) - 0.5, truth) > 1.05


def test_gradients_are_those_of_the_definition() -> None:
    ramp = np.broadcast_to(np.linspace(0, 1, WIDTH, dtype=np.float32), (3, HEIGHT, WIDTH))
    tilted = np.broadcast_to(np.linspace(0, 1, HEIGHT, dtype=np.float32)[:, None], (3, HEIGHT, WIDTH))
    assert sharpness(tilted, ramp) == pytest.approx((WIDTH - 1) / (HEIGHT - 1), rel=1e-4)

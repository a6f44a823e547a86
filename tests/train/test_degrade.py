"""Degradations: the published ranges, the drift of each number, and no shift of place or tone."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from vsadcvsr.train import degrade
from vsadcvsr.train.codecs import compress_bitrate, compress_quality, jpeg
from vsadcvsr.train.degrade import HEAVY, SOFT, clean, drift, light, through
from vsadcvsr.train.kernels import KINDS, blur_kernel, sinc_kernel


@pytest.fixture(scope="module")
def clip() -> degrade.Clip:
    """Five frames of soft blobs that move by a pixel a frame."""
    rng = np.random.default_rng(5)
    field = cv2.GaussianBlur(rng.random((80, 100, 3), np.float32), (0, 0), 3)
    field = (field - field.min()) / (field.max() - field.min())
    return np.stack([field[4:68, 4 + at : 68 + at] for at in range(5)])


RECIPES = {
    "heavy": lambda clip, rng: through(clip, HEAVY, rng),
    "soft": lambda clip, rng: through(clip, SOFT, rng),
    "light": light,
    "clean": clean,
}


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_gives_a_quarter_of_the_size(name: str, clip: degrade.Clip) -> None:
    for seed in range(4):
        worn = RECIPES[name](clip, np.random.default_rng(seed))
        assert worn.shape == (5, 16, 16, 3)
        assert worn.dtype == np.uint8


@pytest.mark.parametrize("name", RECIPES)
def test_the_same_seed_gives_the_same_clip(name: str, clip: degrade.Clip) -> None:
    first, again, other = (RECIPES[name](clip, np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert name == "clean" or not np.array_equal(first, other)


@pytest.mark.parametrize("name", RECIPES)
def test_tone_stays(name: str, clip: degrade.Clip) -> None:
    apart = [RECIPES[name](clip, np.random.default_rng(seed)).mean() - clip.mean() * 255 for seed in range(6)]
    assert abs(np.mean(apart)) < (1 if name == "clean" else 4)


def test_clean_downscales_keep_their_place() -> None:
    ramp = np.broadcast_to(np.linspace(0.2, 0.8, 64, dtype=np.float32)[None, None, :, None], (1, 64, 64, 3))
    centres = ramp[0, 0, :, 0].reshape(16, 4).mean(1) * 255
    for seed in range(8):
        small = degrade.downscale(np.ascontiguousarray(ramp), np.random.default_rng(seed))
        np.testing.assert_allclose(small[0, 8, 3:13, 0] * 255, centres[3:13], atol=0.1)


def test_numbers_drift_within_their_span() -> None:
    values = drift(np.random.default_rng(0), (1.0, 30.0), 0.1, 200)
    assert values.min() >= 1
    assert values.max() <= 30
    assert 0 < np.abs(np.diff(values)).max() <= 0.1
    assert np.ptp(drift(np.random.default_rng(0), (0.0, 1.0), 0.0, 20)) == 0


def test_published_ranges() -> None:
    first, second = HEAVY.first, HEAVY.second
    assert (first.sigma, first.scales, first.gauss, first.poisson) == ((0.2, 3), (0.15, 1.5), (1, 30), (0.05, 3))
    assert (second.sigma, second.scales, second.gauss, second.poisson) == ((0.2, 1.5), (0.3, 1.2), (1, 25), (0.05, 2.5))
    assert (first.blur, second.blur, HEAVY.sinc, HEAVY.bits) == (1, 0.8, 0.8, (1e4, 1e5))
    assert (first.resize, second.resize) == ((0.2, 0.7, 0.1), (0.3, 0.4, 0.3))
    assert (first.scale_step, second.scale_step, first.quality, first.quality_step) == (0.015, 0.03, (30, 95), 3)
    assert sum(degrade._KIND_ODDS) == pytest.approx(1)
    assert (SOFT.first.gauss, SOFT.second.quality, SOFT.second.scales) == ((1, 15), (60, 100), (0.6, 1.2))


@pytest.mark.parametrize("kind", KINDS)
def test_kernels_sum_to_one_and_have_no_side(kind: str) -> None:
    kernel = blur_kernel(kind, 9, sigma=(1.5, 0.7), angle=0.5, beta=1.3, omega=1.5)
    assert kernel.sum() == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(kernel, kernel[::-1, ::-1], atol=1e-6)


def test_the_sinc_kernel_rings_and_passes_what_is_low() -> None:
    kernel = sinc_kernel(21, np.pi / 3)
    assert kernel.min() < 0
    assert np.abs(np.fft.fft2(kernel))[0, 5] < 0.15
    assert np.abs(np.fft.fft2(kernel))[0, 1] > 0.8


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_compression_costs_more_where_bits_are_few(codec: str, clip: degrade.Clip) -> None:
    grain = np.random.default_rng(0).normal(0, 12, (5, 50, 46, 1))
    pixels = np.clip(degrade.eight_bit(clip)[:, :50, :46] + grain, 0, 255).astype(np.uint8)  # odd in macroblocks
    rich, poor = (compress_bitrate(pixels, codec, bits) for bits in (400_000, 2_000))
    wrong = [float(np.abs(made.astype(int) - pixels).mean()) for made in (rich, poor)]
    assert wrong[0] < wrong[1]
    assert rich.shape == pixels.shape


def test_good_encoders_change_little(clip: degrade.Clip) -> None:
    pixels = degrade.eight_bit(clip)
    assert np.abs(compress_quality(pixels, 12).astype(int) - pixels).mean() < 3
    assert np.abs(jpeg(pixels[0], 97).astype(int) - pixels[0]).mean() < 3

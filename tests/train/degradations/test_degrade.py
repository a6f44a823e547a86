"""Degradations: what a worn clip keeps of the truth, seeds, codecs and kernels."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from vsadcvsr.codecs import compress_bitrate, compress_quality, jpeg
from vsadcvsr.spec import SCALES
from vsadcvsr.train.degradations import mild
from vsadcvsr.train.degradations.kernels import blur_kernel, line_kernel, sinc_kernel
from vsadcvsr.train.degradations.mix import KINDS
from vsadcvsr.train.degradations.operators import FinalResize, Jpeg, Noise, Resize, Sharpen, Video, to_uint8
from vsadcvsr.train.degradations.presets import DOVE, HEAVY, KIND_ODDS, REALBASICVSR, SIZES, Preset
from vsadcvsr.train.degradations.sampling import degrade


@pytest.fixture(scope="module")
def clip() -> NDArray[np.float32]:
    """Five frames of soft blobs that move by a pixel a frame."""
    rng = np.random.default_rng(5)
    field = cv2.GaussianBlur(rng.random((80, 100, 3), np.float32), (0, 0), 3)
    field = (field - field.min()) / (field.max() - field.min())
    return np.stack([field[4:68, 4 + at : 68 + at] for at in range(5)])


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = cv2.getNumThreads()
    cv2.setNumThreads(2)
    yield
    cv2.setNumThreads(before)


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_gives_the_size_that_the_scale_asks_for(name: str, clip: NDArray[np.float32]) -> None:
    for seed, (scale, side) in enumerate(((1, 64), (2, 32), (3, 21), (4, 16))):
        degraded = KINDS[name].degrade(clip, np.random.default_rng(seed), scale)
        assert degraded.shape == (5, side, side, 3)
        assert degraded.dtype == np.uint8


def test_a_clean_source_at_scale_1_is_the_truth(clip: NDArray[np.float32]) -> None:
    for seed in range(8):
        assert np.array_equal(mild.clean(clip, np.random.default_rng(seed), 1), to_uint8(clip))


@pytest.mark.parametrize("name", KINDS)
def test_the_same_seed_gives_the_same_clip(name: str, clip: NDArray[np.float32]) -> None:
    first, again, other = (KINDS[name].degrade(clip, np.random.default_rng(seed), 4) for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert name == "clean" or not np.array_equal(first, other)


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("name", ["light", "realbasicvsr"])
def test_threads_change_no_bit(name: str) -> None:
    large = np.random.default_rng(0).random((2, 252, 260, 3), np.float32)
    for seed in range(3):
        many = KINDS[name].degrade(large, np.random.default_rng(seed), 4)
        cv2.setNumThreads(1)
        single = KINDS[name].degrade(large, np.random.default_rng(seed), 4)
        cv2.setNumThreads(2)
        assert np.array_equal(many, single)


@pytest.mark.parametrize("name", KINDS)
def test_degradations_keep_the_mean(name: str, clip: NDArray[np.float32]) -> None:
    apart = [KINDS[name].degrade(clip, np.random.default_rng(seed), 4).mean() - clip.mean() * 255 for seed in range(8)]
    assert abs(np.mean(apart)) < (1 if name == "clean" else 5)


@pytest.mark.parametrize(("bad", "factor"), [("poor", 1.3), ("noisy", 1.3), ("stream", 1.2)])
def test_bad_sources_keep_less_than_light_ones(bad: str, factor: float, clip: NDArray[np.float32]) -> None:
    clean = KINDS["clean"].degrade(clip, np.random.default_rng(0), 4).astype(np.float32)
    light, worse = (
        np.mean([
            np.abs(KINDS[name].degrade(clip, np.random.default_rng(seed), 4) - clean).mean() for seed in range(12)
        ])
        for name in ("light", bad)
    )  # fmt: skip
    assert worse > factor * light


@pytest.mark.parametrize("recipe", [REALBASICVSR, DOVE, HEAVY])
def test_sizes_that_four_does_not_divide_are_rounded_down(recipe: Preset) -> None:
    worn = degrade(np.full((2, 70, 45, 3), 0.5, np.float32), recipe, np.random.default_rng(0), 4)
    assert worn.shape == (2, 17, 11, 3)


@pytest.mark.parametrize("scale", SCALES)
def test_clean_downscales_keep_their_place(scale: int) -> None:
    ramp = np.broadcast_to(np.linspace(0.2, 0.8, 48, dtype=np.float32)[None, None, :, None], (1, 48, 48, 3))
    centres = ramp[0, 0, :, 0].reshape(-1, scale).mean(1) * 255
    for seed in range(8):
        small = mild.downscale(np.ascontiguousarray(ramp), np.random.default_rng(seed), scale)
        np.testing.assert_allclose(small[0, 8, 3:-3, 0] * 255, centres[3:-3], atol=0.1)


def test_frames_have_their_own_sizes_until_video_makes_them_one(clip: NDArray[np.float32]) -> None:
    apart = Resize("area", (0.5, 0.6, 0.7, 0.8, 0.9), None, even=True).apply(list(clip))
    assert [frame.shape[:2] for frame in apart] == [(32, 32), (38, 38), (44, 44), (50, 50), (56, 56)]
    assert {frame.shape[:2] for frame in Jpeg((80,) * 5).apply(apart)} == {frame.shape[:2] for frame in apart}
    assert {frame.shape[:2] for frame in Video("libx264", 50_000).apply(apart)} == {(32, 32)}
    assert {frame.shape[:2] for frame in FinalResize("linear", (16, 15)).apply(apart)} == {(15, 16)}


def test_gray_noise_is_the_same_in_all_colours(clip: NDArray[np.float32]) -> None:
    for kind, strength in {"gauss": 5.0, "poisson": 0.3}.items():
        middle = np.float32(0.4) + np.float32(0.2) * clip
        gray, coloured = (
            Noise(kind, flag, (strength,) * 5, 1).apply(list(middle))[0] - middle[0] for flag in (True, False)
        )
        assert np.ptp(gray, axis=-1).max() < 1e-6
        assert np.ptp(coloured, axis=-1).max() > 1e-3


def test_noise_is_as_strong_as_it_says() -> None:
    flat = [np.full((64, 64, 3), 0.5, np.float32)] * 2
    weak, strong = Noise("gauss", False, (4.0, 20.0), 0).apply(flat)
    assert weak.std() * 255 == pytest.approx(4, rel=0.05)
    assert strong.std() * 255 == pytest.approx(20, rel=0.05)
    shades = np.tile(np.arange(96, 160, dtype=np.float32)[:, None] / np.float32(255), (8, 1, 3)).reshape(8, 64, 3)
    shot = np.stack(Noise("poisson", False, (0.5,) * 40, 0).apply([shades] * 40)) - shades
    assert shot.std() == pytest.approx(0.5 * np.sqrt(shades.mean() / 64), rel=0.05)


def test_sharpening_leaves_weak_texture_alone() -> None:
    weak = np.random.default_rng(0).normal(0.5, 0.005, (60, 60, 3)).astype(np.float32)
    edge = np.repeat(np.where(np.arange(60) < 30, 0.3, 0.7), 180).reshape(60, 60, 3).astype(np.float32)
    flat, steep = Sharpen().apply([weak, edge])
    assert np.array_equal(flat, weak)
    assert np.ptp(steep) > np.ptp(edge) + 0.1


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", KIND_ODDS)
def test_kernels_sum_to_one_and_have_no_side(kind: str, size: int) -> None:
    kernel = blur_kernel(kind, size, sigma=(1.5, 0.7), angle=0.5, beta=1.3, omega=1.5)
    assert kernel.shape == (size, size)
    assert kernel.sum() == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(kernel, kernel[::-1, ::-1], atol=1e-6)
    if "aniso" not in kind:
        np.testing.assert_allclose(kernel, kernel.T, atol=1e-6)


def test_two_lines_make_the_round_kernel() -> None:
    line = line_kernel(11, 1.7)
    whole = blur_kernel("iso", 11, sigma=(1.7, 0.1), angle=1, beta=1, omega=1)
    np.testing.assert_allclose(line @ line.T, whole, atol=1e-7)


def test_the_sinc_kernel_rings_and_passes_what_is_low() -> None:
    kernel = sinc_kernel(21, np.pi / 3)
    assert kernel.min() < 0
    assert np.abs(np.fft.fft2(kernel))[0, 5] < 0.15
    assert np.abs(np.fft.fft2(kernel))[0, 1] > 0.8


@pytest.mark.parametrize("codec", ["libx264", "h264", "mpeg4"])
def test_compression_costs_more_where_bits_are_few(codec: str, clip: NDArray[np.float32]) -> None:
    grain = np.random.default_rng(0).normal(0, 12, (5, 51, 45, 1))
    pixels = np.clip(to_uint8(clip)[:, :51, :45] + grain, 0, 255).astype(np.uint8)  # odd, which 4:2:0 cannot hold
    rich, poor = (compress_bitrate(pixels, codec, bits) for bits in (400_000, 2_000))
    wrong = [float(np.abs(result.astype(int) - pixels).mean()) for result in (rich, poor)]
    assert wrong[0] < wrong[1]
    assert rich.shape == pixels.shape


def test_good_encoders_change_little(clip: NDArray[np.float32]) -> None:
    pixels = to_uint8(clip)
    assert np.abs(compress_quality(pixels, 12).astype(int) - pixels).mean() < 3
    assert np.abs(jpeg(pixels[0], 97).astype(int) - pixels[0]).mean() < 3

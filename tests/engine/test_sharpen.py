"""`sharpen`: weak texture comes out, edges get no halo, the same bits by every way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from vsadcvsr import postprocess, sharpen
from vsadcvsr.color import luma
from vsadcvsr.engine import Engine
from vsadcvsr.errors import BackendError, UsageError
from vsadcvsr.output import BaseAndDetail, to_rgb
from vsadcvsr.sharpen import luma_change, sharpened
from vsadcvsr.spec import SCALES, Array

STEP = 1 / 255


def random_plane(height: int, width: int, contrast: float, seed: int = 0) -> Array:
    noise = np.random.default_rng(seed).standard_normal((height, width))
    return (0.5 + contrast * noise).astype(np.float32)


def slow(plane: Array, amount: float) -> Array:
    """`luma_change`, pixel by pixel, by its definition."""

    def mean(values: NDArray[np.float64], row: int, column: int) -> float:
        return float(values[row - 2 : row + 3, column - 2 : column + 3].mean())

    padded = np.pad(plane, 4, mode="edge").astype(np.float64)
    inner = [(row, column) for row in range(2, len(padded) - 2) for column in range(2, padded.shape[1] - 2)]
    difference = np.zeros_like(padded)
    for place in inner:
        difference[place] = padded[place] - mean(padded, *place)
    result = np.empty_like(plane)
    for row, column in np.ndindex(plane.shape):
        place = row + 4, column + 4
        deviation = mean(difference**2, *place) ** 0.5
        result[row, column] = amount * 2.5 * difference[place] * 0.01 / (0.01 + deviation)
    return result


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 2), (33, 5), (40, 12)])
def test_it_is_what_its_definition_says(size: tuple[int, int]) -> None:
    plane = random_plane(*size, contrast=0.1)
    np.testing.assert_allclose(luma_change(plane, 0.5), slow(plane, 0.5), atol=1e-6)


def test_weak_texture_is_amplified_most() -> None:
    gains = []
    for contrast in (0.002, 0.01, 0.05):
        plane = random_plane(64, 64, contrast)
        gains.append(float((plane + luma_change(plane, 1)).std() / plane.std()))
    assert gains == sorted(gains, reverse=True)
    assert gains[0] > 2.5
    assert gains[-1] < 1.5


def test_an_edge_gets_no_halo_that_can_be_seen() -> None:
    edge = np.full((32, 32), 0.1, np.float32)
    edge[:, 16:] = 0.9
    ramp = ((edge + np.roll(edge, 1, 1) + np.roll(edge, -1, 1))[:, 2:-2] / 3).astype(np.float32)
    assert np.abs(luma_change(ramp, 1)).max() < 12 * STEP


def test_flat_areas_stay_as_they_are() -> None:
    assert not luma_change(np.full((40, 24), 0.25, np.float32), 1).any()


@given(st.integers(1, 70), st.integers(1, 20), st.integers(0, 99))
@settings(deadline=None, max_examples=30)
def test_a_part_with_its_surroundings_is_the_part_of_the_whole(height: int, width: int, seed: int) -> None:
    plane = random_plane(height + 16, width + 16, 0.1, seed)
    whole, part = luma_change(plane, 0.7), luma_change(plane[4:-4, 4:-4].copy(), 0.7)
    np.testing.assert_array_equal(part[4:-4, 4:-4], whole[8:-8, 8:-8])


@pytest.mark.parametrize("scale", SCALES)
def test_base_and_detail_give_the_pictures_of_rgb(scale: int) -> None:
    random = np.random.default_rng(scale)
    base = 0.4 + 0.2 * random.random((3, 9, 7), np.float32)
    frame = BaseAndDetail(base, 0.1 * random.random((9 * scale, 7 * scale), np.float32))
    result = sharpened(frame, 1)
    assert isinstance(result, BaseAndDetail)
    rgb = sharpened(to_rgb(frame), 1)
    assert isinstance(rgb, np.ndarray)
    np.testing.assert_allclose(to_rgb(result), rgb, atol=2e-5)


def test_sharpening_changes_luma_alone() -> None:
    frame = np.random.default_rng(3).random((3, 12, 12), np.float32) * np.float32(0.2) + np.float32(0.4)
    result = sharpened(frame, 1)
    assert isinstance(result, np.ndarray)
    np.testing.assert_allclose(result - luma(result), frame - luma(frame), atol=1e-6)


def test_the_engine_sharpens_after_everything_along_time_and_before_strength() -> None:
    clip = list(np.random.default_rng(5).random((5, 3, 16, 12), np.float32))
    steady = list(Engine.open("nearest", steady=1).stream(clip))
    for picture, plain in zip(Engine.open("nearest", steady=1, sharpen=0.5).stream(clip), steady, strict=True):
        wanted = sharpened(plain, 0.5)
        assert isinstance(wanted, np.ndarray)
        np.testing.assert_allclose(picture, wanted.clip(0, 1), atol=1e-6)
    (half,) = Engine.open("nearest", sharpen=1, strength=0.5).stream(clip[:1])
    (full,) = Engine.open("nearest", sharpen=1).stream(clip[:1])
    (plain,) = Engine.open("nearest").stream(clip[:1])
    unclamped = sharpened(plain, 1)
    assert isinstance(unclamped, np.ndarray)
    assert not np.allclose(half, full)
    np.testing.assert_allclose(half, postprocess.blend_strength(unclamped, clip[0], 0.5).clip(0, 1), atol=1e-6)


def test_a_library_without_it_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "other.so").write_bytes(b"no library")
    monkeypatch.setenv("ADCVSR_PLUGIN", str(tmp_path / "other.so"))
    sharpen._kernel.cache_clear()
    with pytest.raises(BackendError, match=r"sharpen cannot use .*other\.so \(.*\); install vsadcvsr again"):
        Engine.open("nearest", sharpen=0.5)
    Engine.open("nearest")
    sharpen._kernel.cache_clear()


@pytest.mark.parametrize("amount", [-0.1, 2.1, float("nan"), float("inf")])
def test_what_is_not_from_0_to_2_is_refused(amount: float) -> None:
    with pytest.raises(UsageError, match=r"sharpen is .*, allowed: 0 \(the network's own sharpness\) to 2 \(most\)"):
        Engine.open("nearest", sharpen=amount)

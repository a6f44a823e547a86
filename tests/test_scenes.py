"""What is a cut and what only looks like one, on drawn frames."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from tests.cuts import is_cut
from vsadcvsr.scenes import DEFAULT_THRESHOLD, luma_thumbnail, scene_distance
from vsadcvsr.spec import Array

HEIGHT, WIDTH = 108, 192


def scenery(seed: int, height: int = HEIGHT, width: int = WIDTH, *, shift: int = 0, size: float = 1.0) -> Array:
    """A soft random landscape, seen `shift` pixels further right and `size` times larger."""
    rng = np.random.default_rng(seed)
    rows = (np.arange(height) - height / 2)[:, None] / size
    columns = (np.arange(width) - width / 2)[None] / size + shift
    planes = np.zeros((3, height, width))
    for _ in range(24):
        slant, speed = rng.uniform(0, np.pi), rng.uniform(0.02, 0.16)
        wave = np.sin((rows * np.sin(slant) + columns * np.cos(slant)) * speed + rng.uniform(0, 6.3))
        planes += rng.uniform(0.3, 1.0, size=(3, 1, 1)) * wave
    return np.asarray(np.clip(0.5 + planes * 0.05, 0, 1), dtype=np.float32)


def test_another_scene_is_a_cut() -> None:
    result = sum(is_cut(scenery(seed), scenery(seed + 100)) for seed in range(20))
    assert result >= 19, "drawn waves resemble each other more than photographs do, so one may slip through"


def test_the_same_frame_is_at_distance_zero() -> None:
    small = luma_thumbnail(scenery(1))
    assert scene_distance(small, small) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("step", [2, 8, 16, 24])
def test_a_pan_is_no_cut(seed: int, step: int) -> None:
    assert not is_cut(scenery(seed), scenery(seed, shift=step))


@pytest.mark.parametrize("seed", range(4))
def test_a_zoom_is_no_cut(seed: int) -> None:
    assert not is_cut(scenery(seed), scenery(seed, size=1.08))


@pytest.mark.parametrize("seed", range(4))
def test_a_flash_is_no_cut_on_the_way_in_or_out(seed: int) -> None:
    calm = scenery(seed)
    flash = np.clip(1.5 * calm + 0.1, 0, 1).astype(np.float32)
    assert not is_cut(calm, flash)
    assert not is_cut(flash, calm)


def test_a_fade_to_black_is_no_cut_anywhere() -> None:
    frames = [scenery(3) * np.float32(1 - step / 8) for step in range(9)]
    assert not any(is_cut(first, other) for first, other in pairwise(frames))


def test_a_dissolve_is_no_cut_anywhere() -> None:
    frames = [scenery(3) * np.float32(1 - step / 12) + scenery(4) * np.float32(step / 12) for step in range(13)]
    assert not any(is_cut(first, other) for first, other in pairwise(frames))


def test_noise_is_no_cut() -> None:
    rng = np.random.default_rng(0)
    first, second = (scenery(5) + rng.normal(0, 0.1, (3, HEIGHT, WIDTH)).astype(np.float32) for _ in range(2))
    assert not is_cut(first, second)


def test_straight_from_black_is_a_cut() -> None:
    picture = scenery(6)
    assert is_cut(np.zeros_like(picture), picture)
    assert is_cut(picture, np.zeros_like(picture))


def test_even_fields_of_any_brightness_are_one_scene() -> None:
    assert not is_cut(np.zeros((3, 40, 60), dtype=np.float32), np.ones((3, 40, 60), dtype=np.float32))


def test_a_threshold_of_zero_finds_no_cuts() -> None:
    assert not is_cut(scenery(1), scenery(2), threshold=0)
    assert DEFAULT_THRESHOLD > 0


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (7, 3), (17, 31), (19, 37), (2000, 2), (187, 333)])
def test_every_size_is_taken(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    first, second = rng.random((2, 3, *shape), dtype=np.float32)
    small = luma_thumbnail(first)
    assert small.dtype == np.float32
    assert small.shape[0] <= max(shape[0], 36)
    assert 0 <= scene_distance(small, luma_thumbnail(second)) <= 1


def test_the_small_picture_holds_the_luma() -> None:
    frame = np.empty((3, 36, 64), dtype=np.float32)
    frame[:] = np.array([0.2, 0.6, 1.0], dtype=np.float32)[:, None, None]
    assert luma_thumbnail(frame) == pytest.approx(0.2126 * 0.2 + 0.7152 * 0.6 + 0.0722, abs=1e-6)


def test_the_answer_does_not_depend_on_the_memory_layout() -> None:
    first, second = scenery(1), scenery(2)
    strided = np.asfortranarray(first)
    assert np.array_equal(luma_thumbnail(first), luma_thumbnail(strided))
    assert scene_distance(luma_thumbnail(first), luma_thumbnail(second)) == scene_distance(
        luma_thumbnail(strided), luma_thumbnail(second)
    )

"""Tiles cover every pixel once, and tiled pictures equal whole ones wherever that is promised."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.engine.reference import Boxes, Clip, even
from vsadcvsr import tiling
from vsadcvsr.engine import Engine, EngineOptions
from vsadcvsr.errors import BackendError, UsageError
from vsadcvsr.spec import SCALES, ModelSpec


def spec_of(multiple: int, reach: int | None) -> ModelSpec:
    return ModelSpec(name="any", lookahead=0, multiple=multiple, reach=reach)


@settings(deadline=None, max_examples=150)
@given(
    st.integers(1, 90), st.integers(1, 90), st.integers(4, 60), st.integers(4, 60), st.integers(0, 9),
    st.sampled_from([1, 2, 4]), st.sampled_from([None, 0, 3, 8]), st.sampled_from(SCALES),
)  # fmt: skip
def test_tiles_cover_each_pixel_with_weights_that_sum_to_one(
    height: int, width: int, tall: int, wide: int, pad: int, multiple: int, reach: int | None, scale: int
) -> None:
    spec = spec_of(multiple, reach)
    try:
        tiles = tiling.TileOptions.checked(spec, (wide, tall), pad)
    except UsageError:
        assume(False)
    plan = tiling.plan_tiles(spec, height, width, tiles)
    canvas = None
    for index, (row, column) in enumerate(plan):
        assert (row.end - row.begin) % multiple == 0 == row.begin % multiple
        ones = np.ones((3, scale * (row.end - row.begin), scale * (column.end - column.begin)), np.float32)
        canvas = plan.canvas(ones) if canvas is None else canvas
        plan.add(canvas, index, ones)
    assert canvas is not None
    assert canvas.shape == (3, scale * plan.height, scale * plan.width)
    np.testing.assert_allclose(canvas, 1, atol=1e-5)


@settings(deadline=None, max_examples=80)
@given(
    st.integers(1, 40), st.integers(1, 40), st.integers(6, 20), st.integers(6, 20), st.integers(1, 2),
    st.sampled_from(SCALES),
)  # fmt: skip
def test_a_tiled_picture_equals_the_whole_one_where_the_rim_covers_the_reach(
    height: int, width: int, wide: int, tall: int, pad: int, scale: int
) -> None:
    clip, backend = Clip(even(3, height, width), cuts={2}), Boxes(scale=scale)
    whole = list(Engine(backend).stream(clip.sources()))
    tiles = tiling.TileOptions.checked(backend.spec, (wide, tall), pad)
    for n, picture in enumerate(Engine(backend, EngineOptions(tiles=tiles)).stream(clip.sources())):
        np.testing.assert_array_equal(picture, whole[n])


def test_networks_without_a_known_reach_are_blended() -> None:
    spec = spec_of(2, None)
    plan = tiling.plan_tiles(spec, 100, 100, tiling.TileOptions.checked(spec, (80, 80), 10))
    assert not plan.exact
    weights = plan.rows[0].weights(4)
    assert weights.min() >= 0
    assert len(np.unique(weights)) > 10
    overlap = plan.rows[0].end - plan.rows[1].begin
    assert not weights[-overlap:].any(), "what is nearer to the edge than a quarter of the overlap does not count"


def test_no_tile_is_larger_than_asked_for() -> None:
    backend = Boxes()
    tiles = tiling.TileOptions.checked(backend.spec, (10, 8), None)
    list(Engine(backend, EngineOptions(tiles=tiles)).stream(even(1, 33, 47)))
    assert set(backend.sizes) == {(8, 10)}


def test_one_tile_is_enough_for_a_frame_that_fits() -> None:
    spec = spec_of(2, 4)
    assert len(tiling.plan_tiles(spec, 20, 30, tiling.TileOptions.checked(spec, (30, 20), None))) == 1


@pytest.mark.parametrize("tile", [(0, 64), (-8, 64), (17, 64), (64, 8)])
def test_a_tile_that_leaves_nothing_but_rim_is_refused(tile: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match=r"tile is .* allowed: width and height of 18 or more; 8 pixels"):
        tiling.TileOptions.checked(spec_of(2, 7), tile, None)


def test_a_negative_rim_is_refused() -> None:
    with pytest.raises(UsageError, match="tile_pad is -1"):
        tiling.TileOptions.checked(spec_of(2, 7), (64, 64), -1)


def test_the_end_of_memory_names_the_tile_to_try() -> None:
    frames = even(1, 400, 600)
    with pytest.raises(BackendError, match=r"no memory for model 'boxes' on 600x400 pixels.*try tile=\[300, 200\]"):
        list(Engine(Boxes(limit=100_000)).stream(frames))
    tiles = tiling.TileOptions.checked(Boxes().spec, (300, 200), None)
    assert len(list(Engine(Boxes(limit=100_000), EngineOptions(tiles=tiles)).stream(frames))) == 1


def test_where_no_smaller_tile_is_allowed_the_end_of_memory_says_so() -> None:
    with pytest.raises(BackendError, match="no smaller tiles are allowed"):
        list(Engine(Boxes(limit=1)).stream(even(1, 4, 4)))

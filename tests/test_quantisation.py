"""Levels of 8-bit integers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsadcvsr.quantisation import INPUT_LEVELS, input_bounds, weight_bounds


@given(st.floats(-4, 4, allow_subnormal=False), st.floats(0, 4, allow_subnormal=False))
def test_the_levels_of_inputs_reach_both_ends_and_one_of_them_is_0(least: float, length: float) -> None:
    low, high = input_bounds(least, least + length)
    step = (high - low) / (INPUT_LEVELS - 1)
    assert high > low
    assert low <= min(least, 0) + 1e-9
    assert high >= least + length - 1e-9
    assert -low / step == pytest.approx(round(-low / step), abs=1e-6)


def test_two_weights_that_are_added_in_16_bits_have_half_of_the_levels_each() -> None:
    lonely = np.zeros((1, 4, 1, 1), np.float32)
    lonely[0, ::2, 0, 0] = 1, -0.5  # the second of each pair is 0
    opposite = lonely.copy()
    opposite[0, 1::2, 0, 0] = -1, 0.5
    assert [weight_bounds(weights).item() for weights in (lonely, opposite, np.ones_like(lonely))] == [1, 1, 2]


def test_channels_have_bounds_of_their_own_and_empty_ones_too() -> None:
    weights = np.zeros((3, 5, 3, 3), np.float32)
    weights[1, 4, 1, 1], weights[2, 0, 0, 2] = -3, 0.25
    assert weight_bounds(weights).ravel().tolist() == [1, 3, 0.25]

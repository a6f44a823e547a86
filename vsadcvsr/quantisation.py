"""The levels that 8-bit integers have for the inputs and the weights of a convolution.

They are the same on every CPU, and right on those without VNNI, which add two products in 16 bits.
"""

from __future__ import annotations

import numpy as np

from vsadcvsr.spec import Array

INPUT_LEVELS = 256
WEIGHT_LEVELS = 255
"""From -127 to 127."""


def input_bounds(least: float, most: float) -> tuple[float, float]:
    """The inputs of the first and of the last level, for inputs from `least` to `most`.

    Inputs that are never negative have 256 levels from 0, others 128 on either side.
    """
    if least >= 0:
        return 0.0, max(most, 1e-6)
    step = max(-least / 128, most / 127, 1e-8)
    return -128 * step, 127 * step


def weight_bounds(weights: Array) -> Array:
    """The weight of the last level for each output channel, (C out, 1, 1, 1), of weights (C out, C in, K, K).

    Two neighbouring weights of one sign add up to it at most, so that the sum of two products stays within 16 bits:
    255 * (127 + 1) < 2**15, with both weights rounded up.
    """
    largest = np.maximum(np.abs(weights).max(axis=(1, 2, 3), keepdims=True), _largest_sum(weights))
    return np.where(largest > 0, largest, np.float32(1))


def _largest_sum(weights: Array) -> Array:
    """The largest sum of the weights of two neighbouring inputs that have one sign, without it, by output channel.

    The products of such two are added first, inputs that may be negative with 128 added to them.
    """
    padded = np.pad(weights, ((0, 0), (0, weights.shape[1] % 2), (0, 0), (0, 0)))
    sums = (np.maximum(sign * padded, 0).reshape(len(weights), -1, 2, *weights.shape[2:]).sum(2) for sign in (1, -1))
    largest: Array = np.maximum(*sums).max(axis=(1, 2, 3), keepdims=True)
    return largest

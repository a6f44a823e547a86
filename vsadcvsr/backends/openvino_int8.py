"""8-bit integers in OpenVINO: convolutions whose inputs and weights are quantised, by ranges that were calibrated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from openvino import opset13 as ops

from vsadcvsr.blending import weight_name
from vsadcvsr.calibration import Range
from vsadcvsr.spec import Array

_LEVELS = 256
_WEIGHT_LEVELS = 255  # from -127 to 127


def quantise(model: Any, ranges: Mapping[str, Range], *, saturates: bool) -> None:  # noqa: ANN401 - no types
    """Puts quantisers around the weights and before the input of each convolution that has a range, by its name.

    Inputs that are never negative have 256 levels from 0, others 128 on either side; weights, by output channel, 127,
    or as many as a CPU that `saturates` can multiply and add: those without VNNI sum two products in 16 bits.
    """
    for node in model.get_ordered_ops():
        if node.get_type_name() == "Convolution" and (layer := _layer(node)) in ranges:
            low, high = _bounds(*ranges[layer])
            _before(node, 0, np.array(low, np.float32), np.array(high, np.float32), _LEVELS)
            weights = _weights(node).data.astype(np.float32)
            bounds = np.abs(weights).max(axis=(1, 2, 3), keepdims=True)
            if saturates:
                bounds = np.maximum(bounds, _largest_sum(weights))  # 255 * (127 + 1) < 2**15, with both rounded up
            bounds = np.where(bounds > 0, bounds, np.float32(1))
            _before(node, 1, -bounds, bounds, _WEIGHT_LEVELS)


def _layer(node: Any) -> str:  # noqa: ANN401 - no types
    """The name of a convolution in the network, from that of its weights in the file."""
    name: str = _weights(node).get_friendly_name()
    return weight_name(name).removesuffix(".weight")


def _weights(node: Any) -> Any:  # noqa: ANN401 - no types
    """The constant with a convolution's weights: in 16 bits, a conversion follows it."""
    weights = node.input_value(1).get_node()
    return weights.input_value(0).get_node() if weights.get_type_name() == "Convert" else weights


def _largest_sum(weights: Array) -> Array:
    """The largest sum of the weights of two neighbouring inputs that have one sign, without it, by output channel.

    The products of such two are added first, inputs that may be negative with 128 added to them.
    """
    padded = np.pad(weights, ((0, 0), (0, weights.shape[1] % 2), (0, 0), (0, 0)))
    sums = (np.maximum(sign * padded, 0).reshape(len(weights), -1, 2, *weights.shape[2:]).sum(2) for sign in (1, -1))
    largest: Array = np.maximum(*sums).max(axis=(1, 2, 3), keepdims=True)
    return largest


def _bounds(least: float, most: float) -> Range:
    if least >= 0:
        return 0.0, max(most, 1e-6)
    step = max(-least / 128, most / 127)
    return -128 * step, 127 * step


def _before(node: Any, index: int, low: Array, high: Array, levels: int) -> None:  # noqa: ANN401 - no types
    quantised = ops.fake_quantize(node.input_value(index), low, high, low, high, levels)
    node.input(index).replace_source_output(quantised.output(0))

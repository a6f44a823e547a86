"""8-bit integers in OpenVINO: convolutions whose inputs and weights are quantised, by ranges that were calibrated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from openvino import opset13 as ops

from vsadcvsr.blending import weight_name
from vsadcvsr.calibration import Range
from vsadcvsr.quantisation import INPUT_LEVELS, WEIGHT_LEVELS, input_bounds, weight_bounds
from vsadcvsr.spec import Array


def quantise(model: Any, ranges: Mapping[str, Range]) -> None:  # noqa: ANN401 - no types
    """Puts quantisers around the weights and before the input of each convolution that has a range, by its name."""
    for node in model.get_ordered_ops():
        if node.get_type_name() == "Convolution" and (layer := _layer(node)) in ranges:
            low, high = input_bounds(*ranges[layer])
            _before(node, 0, np.array(low, np.float32), np.array(high, np.float32), INPUT_LEVELS)
            bounds = weight_bounds(_weights(node).data.astype(np.float32))
            _before(node, 1, -bounds, bounds, WEIGHT_LEVELS)


def _layer(node: Any) -> str:  # noqa: ANN401 - no types
    """The name of a convolution in the network, from that of its weights in the file."""
    name: str = _weights(node).get_friendly_name()
    return weight_name(name).removesuffix(".weight")


def _weights(node: Any) -> Any:  # noqa: ANN401 - no types
    """The constant with a convolution's weights: in 16 bits, a conversion follows it."""
    weights = node.input_value(1).get_node()
    return weights.input_value(0).get_node() if weights.get_type_name() == "Convert" else weights


def _before(node: Any, index: int, low: Array, high: Array, levels: int) -> None:  # noqa: ANN401 - no types
    quantised = ops.fake_quantize(node.input_value(index), low, high, low, high, levels)
    node.input(index).replace_source_output(quantised.output(0))

"""Baseline network for comparing machines: eight plain 3x3 layers of 32 channels at half size.

Machines differ, and shared ones change from minute to minute; the ratio of a model's step to this network's, both in
one run, stays. With ONNX Runtime in fp32 it took 29 ms at 480x270 on the two cores of the reference machine.
"""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np

from vsadcvsr.extras import needs

_CHANNELS, _LAYERS, _PIXELS = 32, 8, 192


def write_baseline(path: Path) -> None:
    """Writes the network, with random weights, in the form of our exports; BackendError without the onnx package."""
    with needs("bench", "the reference network"):
        import onnx
        from onnx import TensorProto, helper, numpy_helper
    rng = np.random.default_rng(0)
    weights, nodes, widths = [], [], [12, *[_CHANNELS] * (_LAYERS + 1), _PIXELS]
    nodes.append(helper.make_node("SpaceToDepth", ["frames"], ["x0"], blocksize=2))
    for index, (in_channels, out_channels) in enumerate(pairwise(widths)):
        kernel = rng.normal(0, (2 / (9 * in_channels)) ** 0.5, (out_channels, in_channels, 3, 3)).astype(np.float32)
        weights.append(numpy_helper.from_array(kernel, f"w{index}"))
        last = out_channels == _PIXELS
        nodes.append(
            helper.make_node("Conv", [f"x{index}", f"w{index}"], [f"y{index}"], pads=[1] * 4, kernel_shape=[3, 3])
        )
        if not last:
            nodes.append(helper.make_node("Relu", [f"y{index}"], [f"x{index + 1}"]))
    weights.append(numpy_helper.from_array(np.array([1, 1, 4, 4], np.float32), "scales"))
    nodes += [
        helper.make_node("DepthToSpace", [f"y{len(widths) - 2}"], ["detail"], blocksize=8, mode="CRD"),
        helper.make_node("Resize", ["frames", "", "scales"], ["base"], mode="linear"),
        helper.make_node("Add", ["base", "detail"], ["upscaled"]),
    ]
    inputs = [
        helper.make_tensor_value_info("frames", TensorProto.FLOAT, ["T", 3, "H", "W"]),
        helper.make_tensor_value_info("links", TensorProto.FLOAT, ["T"]),
    ]
    outputs = [helper.make_tensor_value_info("upscaled", TensorProto.FLOAT, ["T", 3, "H4", "W4"])]
    graph = helper.make_graph(nodes, "reference", inputs, outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    facts = {"format": 2, "name": "reference", "lookahead": 0, "multiple": 2, "reach": 21, "color_fix": "none"}
    ends = {"precisions": ["fp32"], "pictures": ["upscaled"], "state": []}
    note = model.metadata_props.add()
    note.key, note.value = (
        "adcvsr",
        json.dumps(facts | ends),
    )
    onnx.save(model, str(path))

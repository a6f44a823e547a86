"""Tiny models: an ONNX graph made by hand in the convention of our export, and a student with random weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from vsadcvsr.nets.compact import CompactDims, CompactStudent
from vsadcvsr.nets.export import save_weights

FACTS = {
    "format": 2,
    "name": "tiny",
    "lookahead": 1,
    "multiple": 2,
    "reach": 2,
    "color_fix": "none",
    "precisions": ["fp32"],
    "pictures": ["upscaled"],
    "state": [{"frames": 2, "channels": 3, "divisor": 1}, {"frames": 1, "channels": 0}],
}
"""A mean over three frames of a scene, two 3x3 convolutions, each pixel repeated, by default four by four times."""


def write_onnx(path: Path, facts: object = FACTS, *, key: str = "adcvsr", width: int = 24, scale: int = 4) -> Path:
    """The model that `facts` describe, with `width` channels between the convolutions; its pixels are repeated
    `scale` by `scale` times.
    """
    nodes, constants = _graph(width, scale)
    sides: dict[str, list[int | str | None]] = {
        "frames": ["T", 3, "H", "W"],
        "links": ["T"],
        "state_0": [2, 3, "H", "W"],
        "state_1": [1],
    }
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in sides.items()]
    sides = {"upscaled": ["T", 3, "H4", "W4"], "fresh_0": ["T", 3, "H", "W"], "fresh_1": ["T"]}
    result = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in sides.items()]
    graph = helper.make_graph(nodes, "tiny", inputs, result, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(model, {key: json.dumps(facts)})
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path


def _graph(width: int, scale: int) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    random = np.random.default_rng(5)
    values: dict[str, NDArray[Any]] = {
        "first": random.normal(0, 0.2, (width, 3, 3, 3)).astype(np.float32),
        "second": random.normal(0, 0.1, (3, width, 3, 3)).astype(np.float32),
        "scales": np.array([1, 1, scale, scale], np.float32),
        "column": np.array([-1, 1, 1, 1], np.int64),
        **{name: np.array([at], np.int64) for name, at in _PLACES.items()},
    }
    nodes = [
        helper.make_node("Concat", ["state_0", "frames"], ["seen"], axis=0),
        helper.make_node("Concat", ["state_1", "links"], ["linked"], axis=0),
        _slice("seen", "zero", "minus_two", "before"),
        _slice("seen", "one", "minus_one", "now"),
        _slice("seen", "two", "end", "after"),
        _slice("linked", "zero", "minus_one", "here_flat"),
        _slice("linked", "one", "end", "there_flat"),
        helper.make_node("Reshape", ["here_flat", "column"], ["here"]),
        helper.make_node("Reshape", ["there_flat", "column"], ["there"]),
        helper.make_node("Mul", ["before", "here"], ["gated_before"]),
        helper.make_node("Mul", ["after", "there"], ["gated_after"]),
        helper.make_node("Sum", ["gated_before", "now", "gated_after"], ["mixed"]),
        helper.make_node("Conv", ["mixed", "first"], ["wide"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["wide"], ["activated"]),
        helper.make_node("Conv", ["activated", "second"], ["small"], pads=[1, 1, 1, 1]),
        helper.make_node("Resize", ["small", "", "scales"], ["upscaled"], mode="nearest", nearest_mode="floor",
                         coordinate_transformation_mode="asymmetric"),
        helper.make_node("Identity", ["frames"], ["fresh_0"]),
        helper.make_node("Identity", ["links"], ["fresh_1"]),
    ]  # fmt: skip
    return nodes, [numpy_helper.from_array(value, name) for name, value in values.items()]


_PLACES = {"zero": 0, "one": 1, "two": 2, "minus_one": -1, "minus_two": -2, "end": 1 << 40}


def _slice(source: str, begin: str, end: str, result: str) -> onnx.NodeProto:
    return helper.make_node("Slice", [source, begin, end, "zero"], [result])


def write_student(path: Path, *, scale: int = 4) -> Path:
    """A compact student with one temporal block and random weights everywhere."""
    torch.manual_seed(7)
    dims = CompactDims(name="tiny", width=8, quarter_width=8, blocks=1, refine=1, sites=(0,), scale=scale)
    student = CompactStudent(dims)
    for parameter in student.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    save_weights(student, path)
    return path

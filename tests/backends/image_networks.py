"""Image networks as other people's files have them: ONNX graphs in every form, with small random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

_TYPES = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16, "uint8": TensorProto.UINT8}

type Shape = list[int | str | None]


def write_image_network(
    path: Path,
    *,
    scale: int = 2,
    channels: int = 3,
    returned: int | None = None,
    type: str = "float32",
    size: tuple[int, int] | None = None,
    channels_last: bool = False,
    multiple: int = 1,
    reach: int = 1,
) -> Path:
    """An x`scale` network: a convolution that reaches so far, and pixel shuffle.

    `returned` channels instead of `channels`; of images of a fixed (height, width), of (1, H, W, C), or of sides that
    divide by `multiple`.
    """
    returned, sides = returned or channels, size or ("H", "W")
    image: Shape = [1, *sides, channels] if channels_last else [1, channels, *sides]
    nodes, at = [], "image"
    if channels_last:
        nodes.append(helper.make_node("Transpose", [at], ["first"], perm=[0, 3, 1, 2]))
        at = "first"
    if multiple > 1:
        nodes.append(helper.make_node("SpaceToDepth", [at], ["small"], blocksize=multiple))
        at = "small"
    kernel = (_wide(returned, scale, multiple), _wide(channels, 1, multiple), 2 * reach + 1, 2 * reach + 1)
    weights = np.random.default_rng(3).normal(0, 0.1, kernel)
    weights[:, 0, reach, reach] += 0.7
    nodes.append(helper.make_node("Conv", [at, "weights"], ["wide"], pads=[reach] * 4))
    nodes.append(helper.make_node("DepthToSpace", ["wide"], ["large"], blocksize=scale * multiple, mode="CRD"))
    if channels_last:
        nodes.append(helper.make_node("Transpose", ["large"], ["upscaled"], perm=[0, 2, 3, 1]))
    else:
        nodes.append(helper.make_node("Identity", ["large"], ["upscaled"]))
    values = {"weights": weights.astype(type)}
    return write(path, nodes, values, {"image": image}, {"upscaled": [None] * 4}, type)


def _wide(channels: int, scale: int, multiple: int) -> int:
    return channels * (scale * multiple) ** 2


def write(
    path: Path,
    nodes: list[onnx.NodeProto],
    values: dict[str, NDArray[Any]],
    inputs: dict[str, Shape],
    outputs: dict[str, Shape],
    type: str = "float32",
) -> Path:
    """A graph of these nodes as a file."""
    sources, targets = (
        [helper.make_tensor_value_info(name, _TYPES[type], shape) for name, shape in side.items()]
        for side in (inputs, outputs)
    )
    constants = [numpy_helper.from_array(value, name) for name, value in values.items()]
    graph = helper.make_graph(nodes, "network", sources, targets, constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    return path

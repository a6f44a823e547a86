"""Export of the step form as an ONNX file.

The graph takes `frames` (T, 3, H, W), `links` (T,), `state_0`… and returns `base` (T, 3, H, W) and `detail` (T, sH, sW)
of scale s, see `vsadcvsr.output`, and `fresh_0`…: T new frames of each state. The next state is the end of the old one
followed by these, as many frames as it has; a backend that writes new frames behind the old ones need not move
anything. T, H and W are free. Metadata is in the file under `adcvsr`, as JSON.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from vsadcvsr.blending import HALF_SUFFIX, PREFIX, Blend
from vsadcvsr.errors import WeightsError
from vsadcvsr.files import replacing
from vsadcvsr.nets import weights_file
from vsadcvsr.nets.compact import CompactStudent
from vsadcvsr.nets.temporal import State
from vsadcvsr.nets.weights_file import KEY, save_weights

if TYPE_CHECKING:
    import onnx

__all__ = ["GRAPH_FORMAT", "KEY", "export", "load_weights", "metadata", "save_weights"]

GRAPH_FORMAT = 2
"""The version of the convention above; a reader refuses any other."""

_OPSET = 17
_OUTPUTS = ("base", "detail")
_EXAMPLE = (16, 24)  # the (H, W) that the graph is traced at; any other works as well


class _Step(nn.Module):
    """The step form with a flat signature, as ONNX wants it."""

    def __init__(self, student: CompactStudent) -> None:
        super().__init__()
        self.student = student

    def forward(self, frames: Tensor, links: Tensor, *state: Tensor) -> State:
        parts, following = self.student.step(frames, links, state)
        return (*parts, *following)


def load_weights(path: Path, blend: Blend | None = None) -> CompactStudent:
    """The compact student of a weights file, or of its blend, in evaluation mode; WeightsError for any other file."""
    student = weights_file.load_weights(path, blend)
    if not isinstance(student, CompactStudent):
        raise WeightsError(
            f"{path} holds {student.spec.name!r}, which is no compact student; only the torch backend runs it"
        )
    return student


def metadata(student: CompactStudent) -> str:
    """The JSON that travels in the file: what `spec` says, and the shape of each state tensor."""
    spec, (height, width) = student.spec, _EXAMPLE
    state = [_state_spec(part, height) for part in student.initial_state(height, width)]
    return json.dumps(
        {
            "format": GRAPH_FORMAT,
            "name": spec.name,
            "lookahead": spec.lookahead,
            "scale": spec.scale,
            "multiple": spec.multiple,
            "reach": spec.reach,
            "color_fix": spec.color_fix,
            "precisions": list(spec.precisions),
            "pictures": list(_OUTPUTS),
            "state": state,
        }
    )


def _state_spec(part: Tensor, height: int) -> dict[str, int]:
    if part.ndim == 1:
        return {"frames": part.shape[0], "channels": 0}
    return {"frames": part.shape[0], "channels": part.shape[1], "divisor": height // part.shape[2]}


def export(student: CompactStudent, path: Path, *, half: bool = False) -> None:
    """Writes the step form of `student` to `path`, replacing it in one move; needs the `onnx` package.

    `half` stores the weights in 16 bits; they are cast to 32 when the file is loaded.
    """
    import onnx

    height, width = _EXAMPLE
    example = (torch.zeros(2, 3, height, width), torch.ones(2), *student.initial_state(height, width))
    count = len(example) - 2
    inputs = ["frames", "links", *(f"state_{index}" for index in range(count))]
    outputs = [*_OUTPUTS, *(f"next_{index}" for index in range(count))]
    dynamic = {name: _dynamic_axes(name, tensor) for name, tensor in zip(inputs, example, strict=True)}
    dynamic |= {"base": {0: "T", 2: "H", 3: "W"}, "detail": {0: "T", 1: "sH", 2: "sW"}}
    with replacing(path) as unfinished:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the tracer warns of its own successor
            torch.onnx.export(
                _Step(student).eval(),
                example,
                str(unfinished),
                dynamo=False,
                opset_version=_OPSET,
                input_names=inputs,
                output_names=outputs,
                dynamic_axes=dynamic,
            )
        graph = onnx.load(str(unfinished))
        _output_new_frames(graph.graph, count)
        if half:
            _store_in_half(graph.graph)
        _set_metadata(graph, metadata(student))
        onnx.checker.check_model(graph)
        onnx.save(graph, str(unfinished))


def _output_new_frames(graph: onnx.GraphProto, count: int) -> None:
    """Each `next_i` is the end of `state_i` and something: gives that instead, and drops what only made ends."""
    import onnx
    from onnx import helper

    outputs = [output for output in graph.output if output.name in _OUTPUTS]
    for index in range(count):
        concat = next(node for node in graph.node if node.op_type == "Concat" and node.input[0] == f"state_{index}")
        graph.node.append(helper.make_node("Identity", [concat.input[1]], [f"fresh_{index}"]))
        outputs.append(
            _with_free_length(next(value for value in graph.input if value.name == f"state_{index}"), f"fresh_{index}")
        )
    del graph.output[:]
    graph.output.extend(outputs)
    names, nodes = {output.name for output in outputs}, list[onnx.NodeProto]()
    for node in reversed(graph.node):
        if not names.isdisjoint(node.output):
            nodes.append(node)
            names.update(node.input)
    del graph.node[:]
    graph.node.extend(reversed(nodes))


def _store_in_half(graph: onnx.GraphProto) -> None:
    """Casts the weights, which are stored in 16 bits, to what the nodes take."""
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for tensor in graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and tensor.name.startswith(PREFIX):
            name, values = tensor.name, numpy_helper.to_array(tensor).astype(np.float16)
            tensor.CopyFrom(numpy_helper.from_array(values, name + HALF_SUFFIX))
            casts.append(helper.make_node("Cast", [tensor.name], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def _with_free_length(value: onnx.ValueInfoProto, name: str) -> onnx.ValueInfoProto:
    """An output of the same shape, but of T frames."""
    other = type(value)()
    other.CopyFrom(value)
    other.name = name
    other.type.tensor_type.shape.dim[0].dim_param = "T"
    return other


def _dynamic_axes(name: str, tensor: Tensor) -> dict[int, str]:
    if tensor.ndim == 1:
        return {0: "T"} if name == "links" else {}
    if name == "frames":
        return {0: "T", 2: "H", 3: "W"}
    return {2: f"{name}_H", 3: f"{name}_W"}


def _set_metadata(graph: onnx.ModelProto, text: str) -> None:
    entry = graph.metadata_props.add()
    entry.key, entry.value = KEY, text

"""The step form as an ONNX file, and the weights it is made from.

The graph takes `frames` (T, 3, H, W), `links` (T,), `state_0`… and gives the pictures as `base` (T, 3, H, W) and
`detail` (T, 4H, 4W), see `vsadcvsr.output`, and `fresh_0`…: what each state takes in, T frames of it. The next state
is the end of the old one and that, as many frames as it has; a backend that writes what is fresh behind what is held
need move nothing. T, H and W are free. What a backend must know stands in the file's metadata under `adcvsr`, as JSON.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from vsadcvsr.blending import Blend
from vsadcvsr.errors import WeightsError
from vsadcvsr.files import replacing
from vsadcvsr.nets import weights_file
from vsadcvsr.nets.compact import CompactStudent
from vsadcvsr.nets.temporal import State
from vsadcvsr.nets.weights_file import KEY, save_weights

if TYPE_CHECKING:
    import onnx

__all__ = ["GRAPH_FORMAT", "KEY", "export", "facts", "load_weights", "save_weights"]

GRAPH_FORMAT = 2
"""The version of the convention above; a reader refuses any other."""

_OPSET = 17
_PICTURES = ("base", "detail")
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


def facts(student: CompactStudent) -> str:
    """The JSON that travels in the file: what `spec` says, and the shape of each state tensor."""
    spec, (height, width) = student.spec, _EXAMPLE
    state = [_slot(part, height) for part in student.fresh_state(height, width)]
    return json.dumps(
        {
            "format": GRAPH_FORMAT,
            "name": spec.name,
            "lookahead": spec.lookahead,
            "multiple": spec.multiple,
            "reach": spec.reach,
            "color_fix": spec.color_fix,
            "precisions": list(spec.precisions),
            "pictures": list(_PICTURES),
            "state": state,
        }
    )


def _slot(part: Tensor, height: int) -> dict[str, int]:
    if part.ndim == 1:
        return {"frames": part.shape[0], "channels": 0}
    return {"frames": part.shape[0], "channels": part.shape[1], "divisor": height // part.shape[2]}


def export(student: CompactStudent, path: Path) -> None:
    """Writes the step form of `student` to `path`, replacing it in one move; needs the `onnx` package."""
    import onnx

    height, width = _EXAMPLE
    example = (torch.zeros(2, 3, height, width), torch.ones(2), *student.fresh_state(height, width))
    count = len(example) - 2
    inputs = ["frames", "links", *(f"state_{index}" for index in range(count))]
    outputs = [*_PICTURES, *(f"next_{index}" for index in range(count))]
    free = {name: _free_axes(name, tensor) for name, tensor in zip(inputs, example, strict=True)}
    free |= {"base": {0: "T", 2: "H", 3: "W"}, "detail": {0: "T", 1: "H4", 2: "W4"}}
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
                dynamic_axes=free,
            )
        graph = onnx.load(str(unfinished))
        _give_what_is_fresh(graph.graph, count)
        _note(graph, facts(student))
        onnx.checker.check_model(graph)
        onnx.save(graph, str(unfinished))


def _give_what_is_fresh(graph: onnx.GraphProto, count: int) -> None:
    """Each `next_i` is the end of `state_i` and something: gives that instead, and drops what only made ends."""
    import onnx
    from onnx import helper

    kept = [output for output in graph.output if output.name in _PICTURES]
    for index in range(count):
        joint = next(node for node in graph.node if node.op_type == "Concat" and node.input[0] == f"state_{index}")
        graph.node.append(helper.make_node("Identity", [joint.input[1]], [f"fresh_{index}"]))
        kept.append(_like_frames(next(one for one in graph.input if one.name == f"state_{index}"), f"fresh_{index}"))
    del graph.output[:]
    graph.output.extend(kept)
    wanted, needed = {output.name for output in kept}, list[onnx.NodeProto]()
    for node in reversed(graph.node):
        if not wanted.isdisjoint(node.output):
            needed.append(node)
            wanted.update(node.input)
    del graph.node[:]
    graph.node.extend(reversed(needed))


def _like_frames(one: onnx.ValueInfoProto, name: str) -> onnx.ValueInfoProto:
    """An output of the same shape, but of T frames."""
    other = type(one)()
    other.CopyFrom(one)
    other.name = name
    other.type.tensor_type.shape.dim[0].dim_param = "T"
    return other


def _free_axes(name: str, tensor: Tensor) -> dict[int, str]:
    if tensor.ndim == 1:
        return {0: "T"} if name == "links" else {}
    if name == "frames":
        return {0: "T", 2: "H", 3: "W"}
    return {2: f"{name}_H", 3: f"{name}_W"}


def _note(graph: onnx.ModelProto, text: str) -> None:
    note = graph.metadata_props.add()
    note.key, note.value = KEY, text

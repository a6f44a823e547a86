"""A tiny model with its restoring weights, as training leaves a pair."""

from __future__ import annotations

from pathlib import Path

import torch

from tests.backends.tiny import write_student
from vsadcvsr import blending
from vsadcvsr.nets.export import export, load_weights, save_weights


def write_pair(folder: Path, *, half: bool = False) -> Path:
    """The path of `own.onnx`; its folder also has `own.safetensors` and `own-restore.safetensors`. `half`: in fp16."""
    weights = write_student(folder / "own.safetensors")
    student = load_weights(weights)
    save_weights(student, weights, half=half)
    export(student, folder / "own.onnx", half=half)
    torch.manual_seed(11)
    for parameter in student.parameters():
        parameter.data += torch.randn_like(parameter) * 0.05
    save_weights(student, blending.restoring_path(weights), half=half)
    return folder / "own.onnx"

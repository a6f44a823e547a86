"""One loaded backend of every kind."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.backends.tiny import write_onnx, write_student
from vsadcvsr import backends
from vsadcvsr.backends import Backend
from vsadcvsr.nets.export import export, load_weights

torch.set_num_threads(1)

KINDS = {
    "nearest": ("nearest", "nearest", "fp32"),
    "nearest-temporal": ("nearest", "nearest-temporal", "fp32"),
    "ort": ("ort", "whole.onnx", "fp32"),
    "ort in parts": ("ort", "parts.onnx", "fp32"),
    "openvino": ("openvino", "whole.onnx", "fp32"),
    "openvino in parts": ("openvino", "parts.onnx", "auto"),  # bf16 where the CPU has that
    "torch": ("torch", "tiny.safetensors", "fp32"),
    "torch bf16": ("torch", "tiny.safetensors", "bf16"),
}
"""Backend, file and precision of each kind."""


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Weights by file name; those that are built in have none."""
    folder = tmp_path_factory.mktemp("models")
    weights = write_student(folder / "tiny.safetensors")
    export(load_weights(weights), folder / "parts.onnx")
    made = [write_onnx(folder / "whole.onnx"), weights, folder / "parts.onnx"]
    return {path.name: path for path in made} | {"ort": made[0], "torch": weights}


@pytest.fixture(params=KINDS)
def backend(request: pytest.FixtureRequest, files: dict[str, Path]) -> Backend:
    name, file, precision = KINDS[request.param]
    return backends.load(files.get(file, Path(file)), backend=name, device="cpu", precision=precision)

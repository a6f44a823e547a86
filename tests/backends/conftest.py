"""One loaded backend of every kind."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from tests.backends.tiny import write_onnx, write_student
from vsadcvsr import backends, calibration
from vsadcvsr.backends import Backend
from vsadcvsr.nets.export import export, load_weights
from vsadcvsr.train.calibrate import ranges_of

torch.set_num_threads(1)

KINDS = {
    "nearest": ("nearest", "nearest", "fp32"),
    "nearest-temporal": ("nearest", "nearest-temporal", "fp32"),
    "ort": ("ort", "whole.onnx", "fp32"),
    "ort in parts": ("ort", "parts.onnx", "fp32"),
    "openvino": ("openvino", "whole.onnx", "fp32"),
    "openvino in parts": ("openvino", "parts.onnx", "auto"),  # bf16 where the CPU has that
    "openvino int8": ("openvino", "calibrated.onnx", "int8"),
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
    result = [write_onnx(folder / "whole.onnx"), weights, folder / "parts.onnx", folder / "calibrated.onnx"]
    shutil.copy(result[2], result[3])
    calibration.write(result[3], None, ranges_of(load_weights(weights), [torch.rand(3, 3, 16, 24)]))
    return {path.name: path for path in result} | {"ort": result[0], "torch": weights}


@pytest.fixture(params=KINDS)
def backend(request: pytest.FixtureRequest, files: dict[str, Path]) -> Backend:
    name, file, precision = KINDS[request.param]
    return backends.load(files.get(file, Path(file)), backend=name, device="cpu", precision=precision)

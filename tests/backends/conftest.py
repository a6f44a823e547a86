"""One loaded backend of every kind."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.backends.tiny import write_onnx, write_student
from vsadcvsr import backends
from vsadcvsr.backends import Backend

torch.set_num_threads(1)

KINDS = ("nearest", "nearest-temporal", "ort", "torch", "torch bf16")


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The weights of each kind of backend."""
    folder = tmp_path_factory.mktemp("models")
    return {"ort": write_onnx(folder / "tiny.onnx"), "torch": write_student(folder / "tiny.safetensors")}


@pytest.fixture(params=KINDS)
def backend(request: pytest.FixtureRequest, files: dict[str, Path]) -> Backend:
    kind, _, precision = str(request.param).partition(" ")
    return backends.load(files.get(kind, Path(kind)), device="cpu", precision=precision or "fp32")

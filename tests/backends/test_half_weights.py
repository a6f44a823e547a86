"""Weights stored in 16 bits: half the bytes, and the pictures of the same values in 32."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.engine.reference import clip_of
from vsadcvsr import calibration
from vsadcvsr.backends import openvino
from vsadcvsr.engine import Engine, InputFrame
from vsadcvsr.nets.compact import CompactDims, CompactStudent
from vsadcvsr.nets.export import export, load_weights, save_weights
from vsadcvsr.spec import Array
from vsadcvsr.train.calibrate import ranges_of

DIMS = CompactDims(name="tiny", width=16, quarter_width=32, blocks=3, refine=1, sites=(0,), late_temporal=True)
FRAMES = clip_of(4, set(), (16, 24))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`half.onnx` and `whole.onnx`, with the weights of `half.safetensors`, and with ranges."""
    path = tmp_path_factory.mktemp("half")
    torch.manual_seed(3)
    student = CompactStudent(DIMS).eval()
    torch.nn.init.normal_(student.head.weight, std=0.01)
    save_weights(student, path / "half.safetensors", half=True)
    export(student, path / "half.onnx", half=True)
    rounded = load_weights(path / "half.safetensors")
    export(rounded, path / "whole.onnx")
    for name in ("half", "whole"):
        calibration.write(path / f"{name}.onnx", None, ranges_of(rounded, [torch.from_numpy(FRAMES)]))
    return path


def pictures(path: Path, backend: str, precision: str) -> Array:
    engine = Engine.open(str(path), backend=backend, precision=precision)
    return np.stack(list(engine.stream([InputFrame(frame) for frame in FRAMES])))


def test_the_files_are_half_as_large(folder: Path) -> None:
    assert (folder / "half.onnx").stat().st_size < 0.7 * (folder / "whole.onnx").stat().st_size


@pytest.mark.parametrize(
    ("backend", "precision"), [("ort", "fp32"), ("openvino", "fp32"), ("openvino", "int8"), ("openvino", "bf16")]
)
def test_weights_in_16_bits_have_the_same_output(folder: Path, backend: str, precision: str) -> None:
    if backend == "openvino" and precision == "bf16" and not openvino.supports_bf16():
        pytest.skip("this CPU has no bf16")
    half, whole = (pictures(folder / f"{name}.onnx", backend, precision) for name in ("half", "whole"))
    np.testing.assert_array_equal(half, whole)


def test_torch_loads_them_as_well(folder: Path) -> None:
    other = pictures(folder / "half.safetensors", "torch", "fp32")
    np.testing.assert_allclose(pictures(folder / "half.onnx", "ort", "fp32"), other, atol=1e-5)

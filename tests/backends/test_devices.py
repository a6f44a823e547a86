"""Devices and precisions: those that are not there are answered with those that are."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import onnxruntime
import pytest
from onnxruntime.capi import onnxruntime_pybind11_state as failures

from tests.backends.tiny import write_onnx
from vsadcvsr.engine import Engine
from vsadcvsr.errors import BackendError, WeightsError


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("ort", {"precision": "fp16", "device": "cpu"}, "precision 'fp16' .*on cpu, available: fp32"),
        ("ort", {"backend": "ort", "device": "directml"}, "available: cpu; it needs onnxruntime-directml instead"),
        ("ort", {"backend": "ort", "device": "coreml"}, "device 'coreml' .* available: cpu; choose another$"),
        ("ort", {"backend": "openvino", "device": "gpu"}, "device 'gpu' .* backend 'openvino', available: cpu$"),
        ("torch", {"device": "tensorrt"}, "device 'tensorrt' .* available: cpu"),
        ("nearest", {"device": "cuda"}, "allowed: 'cpu', 'fp32'"),
    ],
)
def test_unsupported_options_of_a_backend_are_refused_with_the_supported_ones(
    kind: str, options: dict[str, str], message: str, files: dict[str, Path]
) -> None:
    with pytest.raises(BackendError, match=message):
        Engine.open(files.get(kind, Path(kind)), **options)  # type: ignore[arg-type]  # all of them text


def test_a_provider_that_is_not_there_is_answered_with_those_that_are(
    files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(
        BackendError, match=r"'cuda' is not available to backend 'ort', available: cpu; .*onnxruntime-gpu"
    ):
        Engine.open(files["ort"], device="cuda")


class _Claiming:
    """A session on a GPU that is not there."""

    error: type[Exception] = RuntimeError

    def __init__(self, path: str, *_: object, providers: list[tuple[str, object]], **__: object) -> None:
        if providers[0][0] == "CUDAExecutionProvider":
            raise self.error("CUDA failure 100: no CUDA-capable device is detected")
        self._session = REAL_SESSION(path, providers=["CPUExecutionProvider"])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)


REAL_SESSION = onnxruntime.InferenceSession


@pytest.mark.parametrize("error", [RuntimeError, failures.Fail, failures.InvalidArgument, failures.NotImplemented])
def test_a_gpu_that_does_not_start_is_an_error_unless_any_device_will_do(
    error: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_onnx(tmp_path / "own.onnx")
    monkeypatch.setattr(_Claiming, "error", error)
    providers = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: providers)
    monkeypatch.setattr("onnxruntime.preload_dlls", lambda: None)
    monkeypatch.setattr("onnxruntime.InferenceSession", _Claiming)
    with pytest.raises(BackendError, match=r"device 'cuda' \(index 0\) did not start, available: cpu"):
        Engine.open(path, device="cuda")
    assert Engine.open(path).label == "ort/cpu/fp32"
    message = "device 'cuda' did not start: CUDA failure 100: no CUDA-capable device is detected"
    assert {record.getMessage() for record in caplog.records if record.levelname == "WARNING"} == {message}


def test_what_onnx_runtime_prints_about_cuda_does_not_reach_standard_output(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    providers = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: providers)
    monkeypatch.setattr("onnxruntime.preload_dlls", lambda: sys.stdout.write("Failed to load\nlibcublasLt.so.12\n"))
    monkeypatch.setattr("onnxruntime.InferenceSession", _Claiming)
    with pytest.raises(BackendError):
        Engine.open(write_onnx(tmp_path / "own.onnx"), device="cuda")
    assert not capsys.readouterr().out
    assert "ONNX Runtime: Failed to load libcublasLt.so.12" in caplog.text


def test_a_damaged_file_is_not_taken_for_a_gpu_that_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bad.onnx"
    path.write_bytes(b"no protobuf at all")
    monkeypatch.setattr(
        "onnxruntime.get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"]
    )
    monkeypatch.setattr("onnxruntime.preload_dlls", lambda: None)
    monkeypatch.setattr("onnxruntime.InferenceSession", _Claiming)
    with pytest.raises(WeightsError, match="truncated or no ONNX"):
        Engine.open(path, device="cuda")

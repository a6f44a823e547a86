"""vs-mlrt beside the model: the network has the real one's size, and a plugin that cannot run is a line."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from vsadcvsr.bench import mlrt
from vsadcvsr.bench.__main__ import mlrt_report, text
from vsadcvsr.bench.components import BenchOptions
from vsadcvsr.errors import BackendError


def host(path: Path, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for the script that runs in vs-mlrt's environment."""
    (path / "host.py").write_text(code)
    monkeypatch.setattr(mlrt, "HOST", path / "host.py")


def test_the_network_is_animevideov3_in_size(tmp_path: Path) -> None:
    mlrt.write_network(tmp_path / "video.onnx")
    values = [np.prod(weight.dims) for weight in onnx.load(tmp_path / "video.onnx").graph.initializer]
    assert sum(values) == 621_424 + 4  # and the four scales
    session = onnxruntime.InferenceSession(tmp_path / "video.onnx", providers=["CPUExecutionProvider"])
    assert session.run(None, {"frame": np.zeros((1, 3, 6, 8), np.float32)})[0].shape == (1, 3, 24, 32)


def test_an_environment_without_the_plugins_is_told(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="has no such plugin; pip install vapoursynth-mlrt-nothing there"):
        mlrt.measure_plugin(sys.executable, "nothing", tmp_path, (8, 6), frames=1)
    with pytest.raises(BackendError, match="no-python cannot be run"):
        mlrt.measure_plugin(str(tmp_path / "no-python"), "ov", tmp_path, (8, 6), frames=1)


def test_times_and_failures_stand_beside_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import json, sys\norder = json.loads(sys.argv[1])\nassert order['size'] == [48, 32]\n"
    code += "sys.exit('out of memory') if order['plugin'] == 'ort' else print([500.0, 480.0, 510.0])\n"
    host(tmp_path, code, monkeypatch)
    choice = BenchOptions(width=48, height=32)
    report = mlrt_report(choice, sys.executable, frames=3)
    assert report.parts["vs-mlrt ov, animevideov3"].median == 500
    assert report.left_out == {"vs-mlrt ort, animevideov3": "out of memory"}
    assert "2.0" in text(report, choice)


def test_what_takes_too_long_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host(tmp_path, "import time\ntime.sleep(60)\n", monkeypatch)
    monkeypatch.setattr(mlrt, "TIMEOUT", 0.2)
    with pytest.raises(BackendError, match="it took longer than 0 s"):
        mlrt.measure_plugin(sys.executable, "ov", tmp_path, (8, 6), frames=1)

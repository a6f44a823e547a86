"""vs-mlrt beside the model: the network has the real one's size, and a plugin that cannot run is a line."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from tests.backends.image_networks import write_image_network
from vsadcvsr.bench import mlrt
from vsadcvsr.bench.__main__ import file_report, mlrt_report, text
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


def test_an_environment_without_the_plugins_is_reported(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="has no such plugin; pip install vapoursynth-mlrt-nothing there"):
        mlrt.measure_plugin(sys.executable, "nothing", tmp_path, (8, 6), frames=1)
    with pytest.raises(BackendError, match="no-python cannot be run"):
        mlrt.measure_plugin(str(tmp_path / "no-python"), "ov", tmp_path, (8, 6), frames=1)


def test_times_and_failures_stand_next_to_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_one_file_goes_through_both_in_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import json, sys\nfrom pathlib import Path\norder = json.loads(sys.argv[1])\n"
    code += "own = order['plugin'] == 'adcvsr'\nsys.exit('no such plugin') if order['plugin'] == 'ov' else None\n"
    code += "assert Path(order['source']).stat().st_size == 48 * 32 * 3 // 2 and order['images'] == 1\n"
    code += "Path(order['output']).write_bytes(bytes([7, 9 if own else 8]))\nprint([20.0 if own else 30.0])\n"
    host(tmp_path, code, monkeypatch)
    choice = BenchOptions(model=str(tmp_path / "net.onnx"), width=48, height=32)
    report = file_report(choice, sys.executable, frames=1, rounds=2)
    assert report.parts["AdcVSR openvino"].count == 2
    assert report.ratios == {
        "vs-mlrt ort / AdcVSR ort": 1.5,
        "AdcVSR ort: largest difference from vs-mlrt ort in 255": 1,
        "AdcVSR ort: share of samples that differ": 0.5,
    }
    assert report.left_out == {"vs-mlrt ov": "no such plugin"}


def test_the_file_goes_through_the_host_in_yuv(tmp_path: Path) -> None:
    network = write_image_network(tmp_path / "net.onnx", scale=4)
    comparison = mlrt.compare_file(str(tmp_path / "no-python"), network, (32, 24), frames=1, rounds=1)
    assert comparison.left_out.keys() == {"vs-mlrt ov", "vs-mlrt ort"}
    assert comparison.outputs["AdcVSR ort"].size == 128 * 96 * 3 // 2
    assert comparison.difference("AdcVSR ort", "AdcVSR openvino")[0] <= 1

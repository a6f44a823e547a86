"""Options of a backend's library by its own names: what reaches it, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.backends.image_networks import write_image_network
from tests.backends.tiny import write_onnx
from tests.engine.reference import clip_of
from vsadcvsr.backends import ort_options
from vsadcvsr.backends.option_syntax import parse_settings
from vsadcvsr.engine import Engine
from vsadcvsr.errors import AdcvsrError, UsageError

SPIN = "session.intra_op.allow_spinning"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_image_network(tmp_path / "net.onnx")


def test_names_and_values_are_read_in_any_order() -> None:
    assert parse_settings("", "auto") == ()
    assert parse_settings("b.c=2&a=x=y", "ort") == (("a", "x=y"), ("b.c", "2"))
    assert parse_settings(" a = x=y & b.c=2&", "ort") == (("a", "x=y"), ("b.c", "2"))


@pytest.mark.parametrize(
    ("text", "backend", "message"),
    [
        ("spin", "ort", r"backend_options is 'spin', allowed: key=value&key=value; 'spin' is no key=value$"),
        ("a=", "ort", r"'a=' is no key=value$"),
        ("a=1&a=2", "ort", r"backend_options have a twice \('1' and '2'\); give it once$"),
        ("a=1", "auto", r"backend_options need backend='ort' or 'openvino', each of which .*; it is 'auto'"),
        ("a=1", "torch", r"it is 'torch'$"),
        (7, "ort", r"backend_options is 7, allowed: text of the form key=value&key=value$"),
    ],
)
def test_other_text_is_refused(text: Any, backend: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_settings(text, backend)


def session_options(monkeypatch: pytest.MonkeyPatch, path: Path, **options: Any) -> Any:
    """What ONNX Runtime is given, and the engine."""
    onnxruntime: Any = pytest.importorskip("onnxruntime")
    real, seen = onnxruntime.InferenceSession, []

    def session(model: object, settings: Any, **arguments: Any) -> Any:
        seen.append(settings)
        return real(model, settings, **arguments)

    monkeypatch.setattr("onnxruntime.InferenceSession", session)
    return Engine.open(path, backend="ort", **options), seen[-1]


def test_options_reach_onnx_runtime(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, settings = session_options(monkeypatch, path)
    assert settings.get_session_config_entry(SPIN) == "0"
    text = f"{SPIN}=1&graph_optimization_level=basic&execution_mode=parallel&enable_mem_pattern=0"
    text += "&inter_op_num_threads=2"
    engine, settings = session_options(monkeypatch, path, backend_options=text)
    assert settings.get_session_config_entry(SPIN) == "1"
    assert settings.get_session_config_entry("session.set_denormal_as_zero") == "1"
    assert settings.graph_optimization_level.name == "ORT_ENABLE_BASIC"
    assert settings.execution_mode.name == "ORT_PARALLEL"
    assert (settings.enable_mem_pattern, settings.inter_op_num_threads) == (False, 2)
    frames = clip_of(2, size=(20, 24))
    plain = Engine.open(path, backend="ort")
    np.testing.assert_allclose(list(engine.stream(frames)), list(plain.stream(frames)), atol=1e-6)


def test_options_reach_networks_of_our_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, settings = session_options(monkeypatch, write_onnx(tmp_path / "own.onnx"), backend_options=f"{SPIN}=1")
    assert settings.get_session_config_entry(SPIN) == "1"


@pytest.mark.parametrize(
    ("backend", "text", "message"),
    [
        ("ort", "session.allow_spin=1", r"'session\.allow_spin' is no option of ONNX Runtime on cpu .*; those are gr"),
        ("ort", "gpu_mem_limit=5", r"'gpu_mem_limit' is no option of ONNX Runtime on cpu that AdcVSR passes on; "),
        ("ort", f"{SPIN}=yes", rf"backend_options: {SPIN} is 'yes', allowed: 0, 1$"),
        ("ort", "graph_optimization_level=99", r"graph_optimization_level is '99', allowed: disable, basic, "),
        ("ort", "inter_op_num_threads=-1", r"inter_op_num_threads is '-1', allowed: 0 \(all cores\) to 1024$"),
        ("ort", "intra_op_num_threads=2", r"intra_op_num_threads is set by the option threads; use that$"),
        ("ort", "session.intra_op_thread_affinities=zz", r"does not start with these backend_options \(.*zz"),
        ("ort", "inter_op_num_threads=1025", r"inter_op_num_threads is '1025', allowed: 0 \(all cores\) to 1024$"),
        ("ort", "inter_op_num_threads=99999999999", r"is '99999999999', allowed: 0 \(all cores\) to 1024$"),
        ("openvino", "PERFORMANCE_HNT=LATENCY", r"'PERFORMANCE_HNT' is no property of OpenVINO's CPU .*; did you"),
        ("openvino", "FULL_DEVICE_NAME=x", r"'FULL_DEVICE_NAME' is no property of OpenVINO's CPU that can be set; "),
        ("openvino", "PERFORMANCE_HINT=FAST", r"PERFORMANCE_HINT is 'FAST', which OpenVINO refuses \(.*rong value"),
        ("openvino", "INFERENCE_PRECISION_HINT=f16", r"PRECISION_HINT is set by the option precision; use that$"),
        ("openvino", "NUM_STREAMS=2", r"NUM_STREAMS is set by the option num_streams; use that$"),
        ("openvino", "INFERENCE_NUM_THREADS=2", r"INFERENCE_NUM_THREADS is set by the option threads; use that$"),
    ],
)
def test_names_and_values_that_a_library_does_not_have_are_refused_in_one_line(
    backend: str, text: str, message: str, path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(AdcvsrError, match=message) as caught:
        Engine.open(path, backend=backend, device="cpu", threads=2, backend_options=text)  # one thread has no affinity
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().out == ""


def test_properties_reach_openvino(path: Path, tmp_path: Path) -> None:
    cache = tmp_path / "compiled"
    text = f"CACHE_DIR={cache}&PERFORMANCE_HINT=THROUGHPUT&ENABLE_CPU_PINNING=NO"
    frames = clip_of(2, size=(20, 24))
    tuned = list(Engine.open(path, backend="openvino", backend_options=text).stream(frames))
    np.testing.assert_array_equal(tuned, list(Engine.open(path, backend="openvino").stream(frames)))
    assert any(cache.iterdir())


def test_options_of_gpus_are_checked_for_their_provider() -> None:
    cuda = ("CUDAExecutionProvider", "CPUExecutionProvider")
    ort_options.check((("cudnn_conv_algo_search", "DEFAULT"), ("gpu_mem_limit", "1000000")), "cuda", cuda)
    with pytest.raises(UsageError, match=r"cudnn_conv_algo_search is 'EXHAUSTIVE', allowed: HEURISTIC, DEFAULT$"):
        ort_options.check((("cudnn_conv_algo_search", "EXHAUSTIVE"),), "cuda", cuda)
    with pytest.raises(UsageError, match="trt_fp16_enable is set by the option precision"):
        ort_options.check((("trt_fp16_enable", "1"),), "tensorrt", ("TensorrtExecutionProvider", *cuda))
    assert ort_options.of_provider((("gpu_mem_limit", "1"), (SPIN, "1")), cuda[0]) == {"gpu_mem_limit": "1"}


def test_a_provider_that_fails_writes_nothing_to_standard_output(path: Path) -> None:
    ask = f"""if True:
        import sys, onnxruntime
        real = onnxruntime.InferenceSession._create_inference_session
        def fail(self, providers, *rest):
            if providers and providers[0][0].startswith("CUDA"):
                raise RuntimeError("no driver")
            return real(self, providers, *rest)
        onnxruntime.InferenceSession._create_inference_session = fail
        onnxruntime.get_available_providers = lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"]
        from vsadcvsr.engine import Engine
        print(Engine.open({str(path)!r}, backend="ort").label)
    """
    command = [sys.executable, "-W", "ignore", "-c", ask]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=100)
    assert done.stdout == "ort/cpu/fp32\n"

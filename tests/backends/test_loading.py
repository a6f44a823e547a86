"""Models are loaded once, shared, and let go; what cannot be loaded is refused in one line that names what can."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnxruntime.capi import onnxruntime_pybind11_state as failures

from tests.backends.test_contract import run
from tests.backends.tiny import FACTS, write_onnx
from tests.engine.reference import clip_of
from vsadcvsr import backends
from vsadcvsr.backends import openvino, openvino_runtime
from vsadcvsr.backends.ort import OnnxRuntime, open_model
from vsadcvsr.engine import Engine, EngineOptions
from vsadcvsr.errors import BackendError, WeightsError
from vsadcvsr.output import arrays
from vsadcvsr.tiling import TileOptions


def test_a_second_engine_shares_the_model_and_loads_nothing(
    files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = backends.load(files["ort"])
    monkeypatch.setattr(OnnxRuntime, "__init__", lambda *_, **__: pytest.fail("it is loaded again"))
    second = Engine.open(files["ort"])
    assert backends.load(files["ort"]) is first
    assert second.label == first.label


def test_a_model_goes_with_its_last_user(tmp_path: Path) -> None:
    path = write_onnx(tmp_path / "own.onnx")
    engines = [Engine.open(path), Engine.open(path)]
    gc.collect()  # of models that earlier tests have left in cycles
    before = len(backends._loaded)
    engines[0].close()
    assert len(backends._loaded) == before
    engines[1].close()
    gc.collect()
    assert len(backends._loaded) == before - 1


def test_a_file_that_was_written_again_is_loaded_again(tmp_path: Path) -> None:
    path = write_onnx(tmp_path / "own.onnx")
    first = backends.load(path)
    write_onnx(path, {**FACTS, "name": "another"}, width=8)
    assert backends.load(path).spec.name == "another" != first.spec.name


def test_a_closed_model_is_not_handed_out_again(tmp_path: Path) -> None:
    path = write_onnx(tmp_path / "own.onnx")
    first = backends.load(path)
    first.close()
    assert backends.load(path) is not first
    with pytest.raises(BackendError, match="closed"):
        first.start(4, 4)


def test_any_number_of_threads_gives_the_same_bits(tmp_path: Path) -> None:
    path = write_onnx(tmp_path / "own.onnx", width=48)
    frames = clip_of(3, size=(64, 96))
    single, double, quadruple = (run(backends.load(path, threads=threads), frames, set()) for threads in (1, 2, 4))
    np.testing.assert_array_equal(single, double)
    np.testing.assert_array_equal(single, quadruple)


@pytest.mark.parametrize("kind", ["ort", "torch"])
def test_tiles_with_a_rim_of_the_networks_reach_change_nothing_to_see(kind: str, files: dict[str, Path]) -> None:
    backend, frames = backends.load(files[kind], device="cpu", precision="fp32"), clip_of(4, size=(90, 107))
    side = 2 * TileOptions.checked(backend.spec, (400, 400), None).pad + 16  # type: ignore[union-attr]  # a tile was given
    options = EngineOptions(tiles=TileOptions.checked(backend.spec, (side, side), None))
    whole = Engine(backend).stream(frames)
    for tiled, picture in zip(Engine(backend, options).stream(frames), whole, strict=True):
        np.testing.assert_allclose(tiled, picture, atol=2e-6)


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("Failed to allocate memory for requested buffer", r"try tile=\[600, 400\]"),
        ("Conv went wrong", "Conv went wrong"),
    ],
)
def test_a_step_that_fails_reports_the_error_of_the_engine(message: str, shown: str, tmp_path: Path) -> None:
    class Failing:
        def __init__(self, session: Any) -> None:
            self.io_binding = session.io_binding

        def run_with_iobinding(self, _: object) -> None:
            raise RuntimeError(message)

    backend = open_model(write_onnx(tmp_path / "own.onnx"), backends.BackendOptions())
    assert isinstance(backend, OnnxRuntime)
    backend._session = Failing(backend._session)
    with pytest.raises(BackendError, match=shown):
        list(Engine(backend).stream(clip_of(1, size=(800, 1200))))


def test_an_onnx_file_describes_its_model(files: dict[str, Path]) -> None:
    spec = backends.load(files["ort"]).spec
    assert (spec.name, spec.lookahead, spec.multiple, spec.reach) == ("tiny", 1, 2, 2)
    assert spec.scale == 4, "files of earlier versions do not name it"


@pytest.mark.parametrize("backend", ["ort", "openvino"])
@pytest.mark.parametrize("scale", [1, 2, 3])
def test_an_onnx_file_has_a_scale_of_its_own(backend: str, scale: int, tmp_path: Path) -> None:
    path = write_onnx(tmp_path / "own.onnx", {**FACTS, "scale": scale}, scale=scale)
    loaded = backends.load(path, backend=backend, device="cpu", precision="fp32")
    output, _ = loaded.step(clip_of(1, size=(8, 12)), np.zeros(1, np.float32), loaded.start(8, 12))
    assert loaded.spec.scale == scale
    assert arrays(output)[0].shape == (1, 3, 8 * scale, 12 * scale)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no protobuf at all", "truncated or no ONNX"),
        (b"\x08\x09", "truncated or no ONNX"),
        (None, "truncated or no ONNX"),
    ],
)
def test_damaged_files_are_refused(content: bytes | None, message: str, tmp_path: Path, files: dict[str, Path]) -> None:
    path = tmp_path / "bad.onnx"
    path.write_bytes(files["ort"].read_bytes()[:-40] if content is None else content)
    with pytest.raises(WeightsError, match=message):
        Engine.open(path)


@pytest.mark.parametrize(
    ("facts", "key", "message"),
    [
        (FACTS, "somebody", r"has 4 inputs \(frames, links, state_0, state_1\); a network with one image in"),
        ({"format": 2}, "adcvsr", "not made by `adcvsr export`"),
        ([], "adcvsr", "not made by `adcvsr export`"),
        ({**FACTS, "format": 1}, "adcvsr", "format 1, allowed: 2"),
        ({**FACTS, "state": []}, "adcvsr", "does not fit its own description"),
        ({**FACTS, "lookahead": -1}, "adcvsr", "not made by"),
        *(({**FACTS, "scale": scale}, "adcvsr", "not made by") for scale in (0, 5, 2.0, True, "2")),
    ],
)
def test_foreign_onnx_files_are_refused(facts: object, key: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=message):
        Engine.open(write_onnx(tmp_path / "foreign.onnx", facts, key=key))


def test_damaged_safetensors_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.safetensors"
    path.write_bytes(b"not weights")
    with pytest.raises(WeightsError, match="safetensors"):
        Engine.open(path)


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


def test_a_file_of_the_wrong_kind_for_a_backend_is_refused(files: dict[str, Path]) -> None:
    with pytest.raises(WeightsError, match=r"does not run on backend 'torch', allowed: \.safetensors"):
        Engine.open(files["ort"], backend="torch")


@pytest.mark.parametrize(
    ("missing", "kind", "message"), [("torch", "torch", r"vsadcvsr\[torch\]"), ("onnxruntime", "ort", "onnxruntime")]
)
def test_a_backend_whose_library_is_absent_names_what_to_install(
    missing: str, kind: str, message: str, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [
        name for name in sys.modules if name.startswith(("vsadcvsr.backends.pytorch.backend", "vsadcvsr.backends.ort"))
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(BackendError, match=message):
        backends.load(files[kind], threads=3)


def test_the_engine_brings_in_neither_torch_nor_onnxruntime() -> None:
    ask = (
        "import sys, vsadcvsr.engine as e; e.Engine.open('nearest');"
        "print({'torch', 'onnxruntime', 'vapoursynth'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_openvino_is_loaded_without_telemetry(files: dict[str, Path]) -> None:
    ask = "import sys; from vsadcvsr import backends; from pathlib import Path\n"
    ask += "backends.load(Path(sys.argv[1]), backend='openvino'); print('openvino_telemetry' in sys.modules)\n"
    ask += "import openvino.tools.ovc as ovc; print(type(ovc.telemetry).__module__)"
    done = subprocess.run(
        [sys.executable, "-c", ask, str(files["ort"])], capture_output=True, text=True, check=True, timeout=100
    )
    assert done.stdout.split() == ["False", "openvino.tools.ovc.telemetry_stub"]


@pytest.mark.parametrize("broken", ["openvino.Core", "_precision"])
def test_an_openvino_that_does_not_start_leaves_auto_to_onnx_runtime(
    broken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_onnx(tmp_path / "own.onnx")

    def fail(*_: object) -> None:
        raise RuntimeError("no plugins.xml") if broken == "openvino.Core" else BackendError("no bf16")

    backends._warn_once.cache_clear()
    openvino_runtime.core.cache_clear()
    module = "openvino_runtime" if broken == "openvino.Core" else "openvino"
    monkeypatch.setattr(f"vsadcvsr.backends.{module}.{broken}", fail)
    if broken == "_precision":
        monkeypatch.setattr(openvino, "is_faster_in_bf16", lambda: True)
    monkeypatch.setattr("vsadcvsr.backends.ort_session.has_gpu", lambda: False)
    assert Engine.open(path).label == "ort/cpu/fp32"
    assert [record.getMessage()[:62] for record in caplog.records if record.levelname == "WARNING"] == [
        "backend 'auto' runs on ONNX Runtime, since OpenVINO cannot be used"[:62]
    ]
    with pytest.raises(BackendError):
        Engine.open(path, backend="openvino")


MISMATCH = "OpenVINO Python version (2026.4.1-1) mismatches with OpenVINO Runtime library version (2026.4.1-2)."


@pytest.mark.parametrize(
    ("raised", "message"),
    [
        (
            MISMATCH,
            "another build of it is in this process; in Python `import openvino` before the first use of vs.core",
        ),
        ("libtbb.so.12: cannot open shared object file", "cannot load OpenVINO (libtbb.so.12: cannot open"),
    ],
)
def test_an_unusable_openvino_is_explained_with_what_auto_runs_instead(
    raised: str, message: str, files: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "openvino").mkdir()
    (tmp_path / "openvino" / "__init__.py").write_text(f"raise ImportError({raised!r})\n")
    ask = """if True:
        import sys; sys.path.insert(0, sys.argv[2])
        from pathlib import Path
        from vsadcvsr import backends, errors
        try:
            backends.load(Path(sys.argv[1]), backend="openvino")
        except errors.BackendError as error:
            print(error)
        print(backends.load(Path(sys.argv[1]), device="cpu").label, backends.load(Path(sys.argv[1])).label)
    """
    command = [sys.executable, "-c", ask, str(files["ort"]), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=100)
    logged, ran = done.stdout.splitlines()
    assert logged.startswith("backend 'openvino' cannot load OpenVINO")
    assert message in logged
    assert ran.startswith("ort/cpu/fp32")
    (warning,) = done.stderr.splitlines()
    assert warning.startswith("backend 'auto' runs on ONNX Runtime, since OpenVINO cannot be used: ")
    assert message in warning

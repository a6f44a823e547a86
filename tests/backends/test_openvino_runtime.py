"""OpenVINO's library, and what is said where it is not there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.backends.tiny import write_onnx
from vsadcvsr import backends
from vsadcvsr.backends import openvino, openvino_runtime
from vsadcvsr.engine import Engine
from vsadcvsr.errors import BackendError


def test_a_missing_openvino_is_named_with_a_command_for_any_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino_runtime, "find_spec", lambda *_: None)
    assert "`pip install 'vsadcvsr[openvino]'`" in str(openvino_runtime._import_error(ImportError()))


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

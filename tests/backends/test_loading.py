"""Models are loaded once, shared, and let go; what cannot be loaded is refused in one line that names what can."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.backends.test_contract import run
from tests.backends.tiny import FACTS, write_onnx
from tests.engine.reference import clip_of
from vsadcvsr import backends
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

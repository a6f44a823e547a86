"""Engines of TensorRT are kept under a name of everything that they depend on; no GPU is needed to say which."""

from __future__ import annotations

import ctypes
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from tests.backends.tiny import write_onnx
from vsadcvsr import backends
from vsadcvsr.backends import ort_tensorrt as engines
from vsadcvsr.backends.onnx_metadata import ModelMetadata, StateSpec
from vsadcvsr.backends.ort_tensorrt import (
    EngineKey,
    ShapeRange,
    engine_folder,
    engine_options,
    gpu_identity,
    shape_ranges,
    tensorrt_version,
)
from vsadcvsr.errors import BackendError
from vsadcvsr.spec import ModelSpec

FACTS = ModelMetadata(ModelSpec(name="any", lookahead=1), (StateSpec(2, 8, 4), StateSpec(1, 0)), ("upscaled",))
BUILT = EngineKey(
    model="5e1f", gpu="RTX", capability="8.9", onnxruntime="1.32.0", tensorrt="101300", precision="fp16",
    settings=(), shapes=shape_ranges(FACTS, 64, 96),
)  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"model": "0ther"}, {"gpu": "H200"}, {"capability": "9.0"}, {"onnxruntime": "1.33.0"}, {"tensorrt": "110000"},
        {"precision": "fp32"}, {"settings": (("trt_sparsity_enable", "1"),)}, {"shapes": shape_ranges(FACTS, 64, 100)},
    ],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_whatever_changes_leads_to_another_engine(change: dict[str, Any], tmp_path: Path) -> None:
    assert engine_folder(replace(BUILT, **change), tmp_path) != engine_folder(BUILT, tmp_path)
    assert engine_folder(replace(BUILT), tmp_path) == engine_folder(BUILT, tmp_path)


def test_the_range_is_of_one_frame_to_a_few_and_of_the_state_as_it_is() -> None:
    assert shape_ranges(FACTS, 64, 96) == (
        ShapeRange("frames", (1, 3, 64, 96), (1, 3, 64, 96), (8, 3, 64, 96)),
        ShapeRange("links", (1,), (1,), (8,)),
        ShapeRange("state_0", (2, 8, 16, 24), (2, 8, 16, 24), (2, 8, 16, 24)),
        ShapeRange("state_1", (1,), (1,), (1,)),
    )


def test_the_options_name_the_folder_and_the_shapes(tmp_path: Path) -> None:
    options = engine_options(BUILT, tmp_path)
    assert options["trt_engine_cache_enable"] == "1"
    assert Path(options["trt_engine_cache_path"]) == engine_folder(BUILT, tmp_path)
    shapes = "frames:8x3x64x96,links:8,state_0:2x8x16x24,state_1:1"
    assert options["trt_profile_max_shapes"] == shapes
    assert (
        options["trt_profile_min_shapes"]
        == options["trt_profile_opt_shapes"]
        == shapes.replace("8x3", "1x3").replace("links:8", "links:1")
    )
    assert all(isinstance(value, str) for value in options.values())


class Driver:
    """A CUDA driver with one card."""

    def __init__(self, path: str) -> None:
        assert "cuda" in path

    def cuInit(self, flags: int) -> int:  # noqa: N802 - as the driver has it
        return flags

    def cuDeviceGet(self, _: Any, index: int) -> int:  # noqa: N802
        return 101 if index else 0

    def cuDeviceGetName(self, name: Any, *_: Any) -> int:  # noqa: N802
        name.value = b"NVIDIA H200"
        return 0

    def cuDeviceGetAttribute(self, number: Any, attribute: int, _: Any) -> int:  # noqa: N802
        ctypes.cast(number, ctypes.POINTER(ctypes.c_int))[0] = {75: 9, 76: 0}[attribute]
        return 0


class Inference:
    """TensorRT 10."""

    def __init__(self, path: str) -> None:
        if "10" not in path:
            raise OSError(path)

    def getInferLibVersion(self) -> int:  # noqa: N802 - as the library has it
        return 101300


def missing(path: str) -> Any:
    raise OSError(path)


def test_a_card_is_known_by_its_name_and_capability() -> None:
    assert gpu_identity(0, Driver) == ("NVIDIA H200", "9.0")  # type: ignore[arg-type]  # as far as it is asked
    assert gpu_identity(1, Driver) == ("unknown", "unknown")  # type: ignore[arg-type]
    assert gpu_identity(0, missing) == ("unknown", "unknown")


def test_the_version_is_that_of_the_library() -> None:
    assert tensorrt_version(Inference) == "101300"  # type: ignore[arg-type]  # as far as it is asked
    assert tensorrt_version(missing) == "unknown"


class Sessions:
    """ONNX Runtime with a TensorRT that runs on the CPU, keeps engines, and refuses damaged ones."""

    real = onnxruntime.InferenceSession

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self.broken = False

    def __call__(self, path: str, settings: Any, *, providers: list[tuple[str, dict[str, str]]], **_: Any) -> Any:
        options = providers[0][1]
        self.asked.append(options)
        if engine_folder := options.get("trt_engine_cache_path"):
            engine = Path(engine_folder, "one.engine")
            if self.broken or (engine.exists() and engine.read_bytes() != b"sound"):
                raise RuntimeError("engine deserialization failed")
            engine.write_bytes(b"sound")
        session = Sessions.real(path, settings, providers=["CPUExecutionProvider"])

        class Claiming:
            def __getattr__(self, name: str) -> Any:
                return getattr(session, name)

            def get_providers(self) -> list[str]:
                return [providers[0][0]]

        return Claiming()


@pytest.fixture
def sessions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sessions:
    fake = Sessions()
    names = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setenv("ADCVSR_CACHE", str(tmp_path))
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: names)
    monkeypatch.setattr("onnxruntime.preload_dlls", lambda: None)
    monkeypatch.setattr("onnxruntime.InferenceSession", fake)
    return fake


def started(path: Path, *sizes: tuple[int, int]) -> None:
    backend = backends.load(path, backend="ort", device="tensorrt")
    backend._device = ("cpu", 0)  # type: ignore[attr-defined]  # where the state of this one is
    for height, width in sizes:
        state = backend.start(height, width)
        backend.step(np.zeros((1, 3, height, width), np.float32), np.zeros(1, np.float32), state)


def test_one_engine_is_built_for_each_size_and_kept(
    tmp_path: Path, sessions: Sessions, capfd: pytest.CaptureFixture[str]
) -> None:
    path = write_onnx(tmp_path / "own.onnx")
    started(path, (4, 6), (4, 6), (4, 8))
    engines = sorted((tmp_path / "tensorrt").glob("*/one.engine"))
    assert len(engines) == 2
    assert json.loads((engines[0].parent / "built.json").read_text())["precision"] == "fp16"
    assert [bool(options.get("trt_engine_cache_path")) for options in sessions.asked] == [False, True, True]
    assert capfd.readouterr().out == ""


def test_a_damaged_engine_is_built_again(tmp_path: Path, sessions: Sessions) -> None:
    path = write_onnx(tmp_path / "own.onnx")
    started(path, (4, 6))
    (engine,) = (tmp_path / "tensorrt").glob("*/one.engine")
    engine.write_bytes(b"damaged")
    started(path, (4, 6))
    assert engine.read_bytes() == b"sound"


def test_an_engine_that_cannot_be_built_is_one_line(tmp_path: Path, sessions: Sessions) -> None:
    sessions.broken = True
    with pytest.raises(BackendError, match="TensorRT built no engine for 6x4 frames; device='cuda' does without"):
        started(write_onnx(tmp_path / "own.onnx"), (4, 6))


def test_throwing_away_says_whether_there_was_an_engine(tmp_path: Path) -> None:
    assert not engines.remove_engine(BUILT, tmp_path)
    engines.prepare_folder(BUILT, tmp_path)
    assert not engines.remove_engine(BUILT, tmp_path)

"""8-bit integers: only with ranges of these very weights, near the pictures of fp32, the same bits each time."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.backends.test_contract import run
from tests.engine.reference import clip_of
from tests.restoring import write_pair
from vsadcvsr import backends, blending, calibration
from vsadcvsr.backends import openvino, openvino_int8
from vsadcvsr.backends.cpu_features import CpuFeatures, cpu_features
from vsadcvsr.backends.openvino_runtime import core
from vsadcvsr.backends.openvino_runtime import openvino as runtime
from vsadcvsr.blending import PREFIX, Blend
from vsadcvsr.engine import Engine
from vsadcvsr.errors import BackendError, WeightsError
from vsadcvsr.nets.export import export, load_weights
from vsadcvsr.spec import Array
from vsadcvsr.train.calibrate import ranges_of
from vsadcvsr.weights import store

SIZE = (16, 24)
FRAMES = clip_of(5, {3}, SIZE)


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    """A tiny model with restoring weights and the ranges of both."""
    path = write_pair(tmp_path)
    calibrated(path, blending.restoring_path(path))
    return path


def calibrated(path: Path, restoring: Path | None) -> None:
    """Ranges that fit the model; `restoring` is noted."""
    student = load_weights(path.with_suffix(".safetensors"))
    calibration.write(path, restoring, ranges_of(student, [torch.from_numpy(FRAMES)]))


def pictures(path: Path, precision: str, threads: int = 0, denoise: float = 0) -> Array:
    blend = Blend(blending.restoring_path(path), denoise) if denoise else None
    backend = backends.load(path, backend="openvino", precision=precision, threads=threads, blend=blend)
    assert backend.label == f"openvino/cpu/{precision}"
    return run(backend, FRAMES, {3})


@pytest.mark.parametrize("denoise", [0, 0.5])
def test_pictures_are_near_those_in_fp32_and_not_the_same(pair: Path, denoise: float) -> None:
    first, second = (pictures(pair, precision, denoise=denoise) for precision in ("fp32", "int8"))
    assert 0 < np.sqrt(np.mean((first - second) ** 2)) < 0.02 * first.std()


def test_any_number_of_threads_gives_the_same_bits(pair: Path) -> None:
    np.testing.assert_array_equal(pictures(pair, "int8", threads=1), pictures(pair, "int8", threads=2))


def test_by_itself_a_cpu_that_is_fastest_in_it_takes_it(pair: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino, "is_fastest_in_int8", lambda: True)
    assert backends.automatic_backend(pair) == "openvino"
    assert backends.load(pair, device="cpu").label == "openvino/cpu/int8"
    monkeypatch.setattr(openvino, "is_fastest_in_int8", lambda: False)
    assert not backends.load(pair, device="cpu", threads=1).label.endswith("int8")


@pytest.mark.parametrize("denoise", [0, 0.5])
def test_ranges_of_other_weights_are_left_alone(pair: Path, denoise: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino, "is_fastest_in_int8", lambda: True)
    if denoise:
        shutil.copy(pair.with_suffix(".safetensors"), blending.restoring_path(pair))
    else:
        export(load_weights(blending.restoring_path(pair)), pair)
    assert not Engine.open(pair, denoise=denoise, device="cpu").label.endswith("int8")
    with pytest.raises(BackendError, match=r"needs ranges of these weights, .* own-int8\.json; run"):
        Engine.open(pair, denoise=denoise, device="cpu", precision="int8")


def test_ranges_without_restoring_weights_are_not_for_blends(pair: Path) -> None:
    calibrated(pair, None)
    assert Engine.open(pair, precision="int8").label == "openvino/cpu/int8"
    with pytest.raises(BackendError, match="needs ranges of these weights"):
        Engine.open(pair, precision="int8", denoise=0.5)


def test_ranges_are_good_up_to_the_denoise_that_they_were_made_with(pair: Path) -> None:
    student = load_weights(pair.with_suffix(".safetensors"))
    ranges = ranges_of(student, [torch.from_numpy(FRAMES)])
    calibration.write(pair, blending.restoring_path(pair), ranges, denoise=0.5)
    assert Engine.open(pair, precision="int8", denoise=0.5).label == "openvino/cpu/int8"
    with pytest.raises(BackendError, match="up to this denoise"):
        Engine.open(pair, precision="int8", denoise=0.6)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 1, "model": "", "ranges": {"stem": 3}}'])
def test_damaged_ranges_are_refused(pair: Path, content: str) -> None:
    calibration.ranges_path(pair).write_text(content)
    with pytest.raises(WeightsError, match=r"own-int8\.json holds no ranges"):
        Engine.open(pair, backend="openvino")


def test_new_ranges_are_used_at_once(pair: Path) -> None:
    first = backends.load(pair, backend="openvino", precision="int8")
    calibrated(pair, None)
    assert backends.load(pair, backend="openvino", precision="int8") is not first


def test_other_backends_refuse_it_in_one_line(pair: Path) -> None:
    for backend, file in (("ort", pair), ("torch", pair.with_suffix(".safetensors"))):
        with pytest.raises(BackendError, match=r"precision 'int8' is not .*available: fp32"):
            Engine.open(file, backend=backend, device="cpu", precision="int8")


@pytest.mark.parametrize(
    ("features", "int8", "bf16"),
    [
        (CpuFeatures.AVX2 | CpuFeatures.VNNI | CpuFeatures.INTEL, True, False),
        (~CpuFeatures(0), False, True),
        (CpuFeatures.AVX2 | CpuFeatures.VNNI, True, True),
        (CpuFeatures.AVX2, True, True),
        (CpuFeatures(0), False, True),
    ],
)
def test_which_cpus_are_faster_in_less(
    features: CpuFeatures, int8: bool, bf16: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openvino, "cpu_features", lambda: features)
    monkeypatch.setattr(openvino, "supports_bf16", lambda: True)
    assert (openvino.is_fastest_in_int8(), openvino.is_faster_in_bf16()) == (int8, bf16)


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="Linux tells the flags of a CPU")
def test_the_features_are_those_that_the_system_names() -> None:
    words = set(Path("/proc/cpuinfo").read_text("utf-8").partition("\n\n")[0].split())
    named = {
        CpuFeatures.AVX2: {"avx2"},
        CpuFeatures.VNNI: {"avx512_vnni", "avx_vnni"},
        CpuFeatures.AMX_BF16: {"amx_bf16"},
        CpuFeatures.AMX_INT8: {"amx_int8"},
        CpuFeatures.INTEL: {"GenuineIntel"},
        CpuFeatures.AVX512: {"avx512f"},
    }
    assert {feature for feature in CpuFeatures if feature in cpu_features()} == {
        feature for feature, flags in named.items() if flags & words
    }


def test_without_the_library_a_cpu_has_no_features(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ADCVSR_PLUGIN", str(tmp_path / "absent.so"))
    assert cpu_features.__wrapped__() == CpuFeatures(0)


@pytest.mark.parametrize("low", [0.0, -1.0])
def test_sums_of_the_largest_products_are_right_on_this_cpu(low: float) -> None:
    frames = np.ones((1, 6, 8, 8), np.float32)
    model = convolution(np.ones((4, 6, 3, 3), np.float32))
    openvino_int8.quantise(model, {"layer": (low, 1.0)})
    (output,) = core().compile_model(model, "CPU")(frames).values()
    np.testing.assert_allclose(output[..., 1:-1, 1:-1], 6 * 9, rtol=0.01)


def convolution(weights: Array) -> Any:
    """A graph of one convolution, "layer", with its borders padded by zero."""
    from openvino import opset13 as ops  # not at the top: an import before ours reports itself to the maker

    parameter = ops.parameter([1, weights.shape[1], 8, 8], np.float32)
    constant = ops.constant(weights)
    constant.set_friendly_name(f"{PREFIX}layer.weight")
    border = [weights.shape[2] // 2] * 2
    return runtime.Model([ops.convolution(parameter, constant, [1, 1], border, border, [1, 1])], [parameter])


def test_bf16_that_is_asked_for_runs_where_it_would_not_by_itself(pair: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino, "is_faster_in_bf16", lambda: False)
    monkeypatch.setattr(openvino, "is_fastest_in_int8", lambda: False)
    monkeypatch.setattr(openvino, "supports_bf16", lambda: True)
    assert backends.automatic_backend(pair) == "ort"
    assert openvino.is_preferred(pair, backends.BackendOptions(device="cpu", precision="bf16"))


def test_the_ranges_that_ship_are_of_every_convolution() -> None:
    import json

    ranges = json.loads(calibration.ranges_path(store.find("fast", (".onnx",))).read_text("utf-8"))
    student = load_weights(store.find("fast", (".safetensors",)))
    layers = {name for name, part in student.named_modules() if isinstance(part, torch.nn.Conv2d)}
    assert ranges["ranges"].keys() == layers

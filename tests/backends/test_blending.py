"""Blends of faithful and restoring weights: the same on every backend, made while a model is loaded."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.backends.test_contract import SIZE, run
from tests.engine.reference import Clip, clip_of
from tests.restoring import write_pair
from vsadcvsr import backends, blending
from vsadcvsr.backends import Backend, openvino, ort
from vsadcvsr.blending import Blend
from vsadcvsr.engine import Engine, engine
from vsadcvsr.errors import UsageError, WeightsError
from vsadcvsr.nets.export import export, load_weights
from vsadcvsr.spec import Array

KINDS = {
    "ort": (".onnx", "fp32"),
    "openvino": (".onnx", "fp32"),
    "openvino bf16": (".onnx", "bf16"),
    "torch": (".safetensors", "fp32"),
}


@pytest.fixture(scope="session", params=[False, True], ids=["fp32", "fp16"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pair(tmp_path_factory.mktemp("pair"), half=request.param)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if name.endswith("bf16") and not openvino.supports_bf16():
        pytest.skip("this CPU has no bf16")
    return name


def loaded(pair: Path, kind: str, denoise: float, threads: int = 0) -> Backend:
    suffix, precision = KINDS[kind]
    model = pair.with_suffix(suffix)
    return engine.load(
        model, denoise=denoise, backend=kind.split(maxsplit=1)[0], device="cpu", precision=precision, threads=threads
    )


def pictures(pair: Path, kind: str, denoise: float, threads: int = 0) -> Array:
    return run(loaded(pair, kind, denoise, threads), clip_of(5, {3}, SIZE), {3})


def test_without_denoise_the_bits_are_those_of_a_model_without_restoring_weights(
    pair: Path, kind: str, tmp_path: Path
) -> None:
    suffix, precision = KINDS[kind]
    alone = Path(shutil.copy(pair.with_suffix(suffix), tmp_path))
    backend = backends.load(alone, backend=kind.split(maxsplit=1)[0], device="cpu", precision=precision)
    np.testing.assert_array_equal(pictures(pair, kind, 0), run(backend, clip_of(5, {3}, SIZE), {3}))


def test_at_full_denoise_the_bits_are_those_of_the_restoring_weights_alone(
    pair: Path, kind: str, tmp_path: Path
) -> None:
    suffix, precision = KINDS[kind]
    path = Path(shutil.copy(blending.restoring_path(pair), tmp_path / "alone.safetensors"))
    export(load_weights(path), path.with_suffix(".onnx"))
    backend = backends.load(
        path.with_suffix(suffix), backend=kind.split(maxsplit=1)[0], device="cpu", precision=precision
    )
    np.testing.assert_array_equal(pictures(pair, kind, 1), run(backend, clip_of(5, {3}, SIZE), {3}))


def test_half_denoise_lies_between_none_and_all(pair: Path, kind: str) -> None:
    least, half, most = (pictures(pair, kind, denoise) for denoise in (0, 0.5, 1))
    apart = np.abs(most - least).mean()
    assert 0.1 * apart < np.abs(half - least).mean() < apart
    assert 0.1 * apart < np.abs(half - most).mean() < apart


def test_backends_agree_on_a_blend(pair: Path) -> None:
    first, *others = (pictures(pair, kind, 0.3) for kind in ("ort", "openvino", "torch"))
    for second in others:
        np.testing.assert_allclose(second, first, atol=2e-5)


@pytest.mark.parametrize("denoise", [0.25, 1])
def test_a_blend_has_the_same_bits_in_any_order_and_with_any_threads(pair: Path, kind: str, denoise: float) -> None:
    clip = Clip(clip_of(7, {4}, (21, 30)), {4})
    linear = list(Engine(loaded(pair, kind, denoise, threads=1)).stream(clip.sources()))
    shuffled = Engine(loaded(pair, kind, denoise, threads=2))
    for n in (6, 1, 2, 4, 3, 0, 5):
        np.testing.assert_array_equal(shuffled.render(n, clip.fetch), linear[n])


def test_blends_are_shared_and_kept_apart_by_their_denoise(pair: Path, kind: str) -> None:
    half, other, none = loaded(pair, kind, 0.5), loaded(pair, kind, 0.25), loaded(pair, kind, 0)
    assert loaded(pair, kind, 0.5) is half
    assert len({id(half), id(other), id(none)}) == 3


def test_restoring_weights_that_were_written_again_are_loaded_again(pair: Path, tmp_path: Path) -> None:
    mine = [Path(shutil.copy(path, tmp_path)) for path in (pair, blending.restoring_path(pair))]
    first = loaded(mine[0], "ort", 0.5)
    shutil.copy(pair.with_suffix(".safetensors"), mine[1])
    assert loaded(mine[0], "ort", 0.5) is not first


def test_engines_that_are_built_ahead_are_those_of_one_blend(pair: Path) -> None:
    sums = [
        ort._model_sum(pair, backends.BackendOptions(blend=blend))
        for blend in (None, Blend(blending.restoring_path(pair), 0.5), Blend(blending.restoring_path(pair), 0.25))
    ]
    assert len(set(sums)) == 3


@given(denoise=st.integers(0, 1000).map(lambda thousandths: thousandths / 1000))
def test_a_graph_gets_the_weights_that_the_blend_has(pair: Path, denoise: float) -> None:
    import onnx
    from onnx import numpy_helper

    blend = Blend(blending.restoring_path(pair), denoise)
    graph = onnx.load_from_string(blend.graph(pair)).graph
    own = safetensors.numpy.load_file(pair.with_suffix(".safetensors"))
    for name, wanted in blend.weights(own).items():
        (initializer,) = (item for item in graph.initializer if blending.weight_name(item.name) == name)
        np.testing.assert_array_equal(numpy_helper.to_array(initializer), wanted)
        low, high = (np.minimum, np.maximum)
        other = blending.read(blend.path)[name]
        assert (low(own[name], other) <= wanted).all()
        assert (wanted <= high(own[name], other)).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_every_type_of_weights_is_read(dtype: torch.dtype, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    value = torch.randn(3, 4, 2, generator=torch.Generator().manual_seed(0)).to(dtype)
    save_file({"one": value, "two": value[0].clone()}, tmp_path / "some.safetensors", {"adcvsr": "{}"})
    read = blending.read(tmp_path / "some.safetensors")
    np.testing.assert_array_equal(read["one"], value.float().numpy())
    np.testing.assert_array_equal(read["two"], value[0].float().numpy())


@pytest.mark.parametrize("content", [b"", b"not weights", b"\x02\0\0\0\0\0\0\0[]", b'\x0b\0\0\0\0\0\0\0{"a":{"b":1}}'])
def test_damaged_restoring_weights_are_refused(content: bytes, pair: Path, tmp_path: Path) -> None:
    (tmp_path / "own-restore.safetensors").write_bytes(content)
    for suffix in (".onnx", ".safetensors"):
        with pytest.raises(WeightsError, match=r"own-restore\.safetensors"):
            Engine.open(shutil.copy(pair.with_suffix(suffix), tmp_path), denoise=0.5)


@pytest.mark.parametrize("change", ["missing", "more", "shape"])
@pytest.mark.parametrize("suffix", [".onnx", ".safetensors"])
def test_restoring_weights_of_another_network_are_refused(change: str, suffix: str, pair: Path, tmp_path: Path) -> None:
    tensors = safetensors.numpy.load_file(blending.restoring_path(pair))
    first = next(iter(tensors))
    changed = {
        "missing": {name: value for name, value in tensors.items() if name != first},
        "more": {**tensors, "another": tensors[first]},
        "shape": {**tensors, first: np.zeros((3, *tensors[first].shape), np.float32)},
    }
    safetensors.numpy.save_file(changed[change], tmp_path / "own-restore.safetensors")
    with pytest.raises(WeightsError, match="does not have the weights of this network"):
        Engine.open(shutil.copy(pair.with_suffix(suffix), tmp_path), denoise=0.5)


@pytest.mark.parametrize("content", [b"no protobuf at all", b"", b"\x3a\xff\x01"])
def test_a_damaged_graph_is_refused(content: bytes, pair: Path, tmp_path: Path) -> None:
    graph = tmp_path / "own.onnx"
    graph.write_bytes(content or pair.read_bytes()[:-40])
    shutil.copy(blending.restoring_path(pair), tmp_path)
    with pytest.raises(WeightsError, match=r"own\.onnx cannot be read as ONNX"):
        Engine.open(graph, denoise=0.5)


@pytest.mark.parametrize("model", ["nearest", "nearest-temporal"])
def test_a_model_without_restoring_weights_refuses_in_one_line(model: str) -> None:
    message = f"^model '{model}' has no restoring weights; leave denoise at 0$"
    with pytest.raises(WeightsError, match=message):
        Engine.open(model, denoise=0.5)


def test_a_file_without_restoring_weights_next_to_it_says_how_they_would_be_called(pair: Path, tmp_path: Path) -> None:
    alone = Path(shutil.copy(pair, tmp_path))
    with pytest.raises(WeightsError, match=r"next to it \(own-restore\.safetensors\); leave denoise at 0$"):
        Engine.open(alone, denoise=0.5)


@pytest.mark.parametrize("denoise", [-0.1, 1.5, float("nan"), "much", True, None])
def test_what_is_no_denoise_is_refused(denoise: float) -> None:
    with pytest.raises(UsageError, match=r"denoise is .*, allowed: 0 .* to 1"):
        Engine.open("nearest", denoise=denoise)

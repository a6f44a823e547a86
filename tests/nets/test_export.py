"""ONNX files made by the export compute what torch computes, and weights files come back as they went."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from tests.nets.streaming import clip
from tests.nets.test_temporal import TINY, student
from vsadcvsr.errors import WeightsError
from vsadcvsr.nets.compact import CompactStudent
from vsadcvsr.nets.export import KEY, export, load_weights, save_weights


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "tiny.onnx"
    export(student(), path)
    return path


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("size", [(8, 12), (20, 4)])
def test_onnx_equals_torch_for_any_step_and_size(exported: Path, count: int, size: tuple[int, int]) -> None:
    _compare(exported, student(), count, size)


@pytest.mark.parametrize("scale", [1, 2])
def test_onnx_equals_torch_at_any_scale(scale: int, tmp_path: Path) -> None:
    net = student(dims=replace(TINY, blocks=1, sites=(0,), scale=scale))
    export(net, tmp_path / "scaled.onnx")
    _compare(tmp_path / "scaled.onnx", net, 3, (8, 12))
    save_weights(net, tmp_path / "scaled.safetensors")
    assert load_weights(tmp_path / "scaled.safetensors").spec.scale == scale


def _compare(exported: Path, net: CompactStudent, count: int, size: tuple[int, int]) -> None:
    run = onnxruntime.InferenceSession(str(exported), providers=["CPUExecutionProvider"])
    x, links = clip(6, {2}, size=size)
    state = net.initial_state(*size)
    fed = [part.detach().numpy() for part in state]
    for at in range(0, 6, count):
        frames, linked = x[at : at + count], links[at : at + count]
        with torch.inference_mode():
            expected, state = net.step(frames, linked, state)
        state_inputs = {f"state_{index}": part for index, part in enumerate(fed)}
        base, detail, *fresh = run.run(None, {"frames": frames.numpy(), "links": linked.numpy(), **state_inputs})
        fed = [np.concatenate(pair)[-len(pair[0]) :] for pair in zip(fed, fresh, strict=True)]
        np.testing.assert_allclose(base, expected[0].numpy(), atol=1e-5)
        assert detail.shape == (len(frames), *(net.spec.scale * side for side in size))
        np.testing.assert_allclose(detail, expected[1].numpy(), atol=1e-5)


def test_the_file_states_its_facts(exported: Path) -> None:
    metadata = {note.key: note.value for note in onnx.load(exported).metadata_props}
    facts = json.loads(metadata[KEY])
    assert facts["lookahead"] == TINY.spec.lookahead == 6
    assert (facts["multiple"], facts["scale"]) == (4, 4)
    assert facts["state"][0] == {"frames": 6, "channels": 3, "divisor": 1}
    assert facts["state"][1] == {"frames": 2, "channels": 6, "divisor": 4}
    assert facts["state"][2] == {"frames": 1, "channels": 0}


def test_weights_come_back_as_they_went(tmp_path: Path) -> None:
    net, path = student(), tmp_path / "w.safetensors"
    save_weights(net, path)
    again = load_weights(path)
    assert again.dims == net.dims
    for name, value in net.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value, atol=0, rtol=0)


def test_foreign_weights_are_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "foreign.safetensors"
    path.write_bytes(b"not weights at all")
    with pytest.raises(WeightsError, match="cannot be read as safetensors"):
        load_weights(path)

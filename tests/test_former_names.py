"""Files that earlier versions wrote, with their names of layers and dimensions, do what files of today do."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from tests.backends.test_contract import run
from tests.engine.reference import clip_of
from tests.nets import test_temporal
from tests.nets.paper import small_paper
from tests.nets.test_weights_file import SMALL
from tests.restoring import write_pair
from tests.train.tiny import TINY, fill_pool
from vsadcvsr import backends, blending, calibration
from vsadcvsr.blending import Blend
from vsadcvsr.former_names import current_name, with_current_names
from vsadcvsr.nets.weights_file import KEY, Student, load_weights, save_weights
from vsadcvsr.spec import Array
from vsadcvsr.train import students
from vsadcvsr.train.loop import TrainingRun
from vsadcvsr.train.settings import AdversarialSettings, RegressionSettings, TrainSettings
from vsadcvsr.weights.convert import convert

LAYERS = {"stem": "enter", "upsample": "rise", "skip": "meet", "late_temporal": "settle"}
PAPER = {"transformer.proj_in": "transformer.enter", "transformer.proj_out": "transformer.leave"}
DISCRIMINATORS = {"tail.spatial1": "tail.around", "tail.temporal": "tail.along", "tail.spatial2": "tail.again"}
SIZE = (16, 24)


def former(name: str) -> str:
    """The name in a file of an earlier version."""
    for now, before in (LAYERS | PAPER | DISCRIMINATORS).items():
        name = re.sub(rf"\b{re.escape(now)}\b", before, name)
    return name


def with_former_keys(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors by their names in a file of an earlier version."""
    return {former(name): tensor for name, tensor in tensors.items()}


def with_former_names(path: Path) -> None:
    """Rewrites a weights file as an earlier version would have written it."""
    with safetensors.safe_open(path, framework="pt") as file:
        note = json.loads(file.metadata()[KEY])
        tensors = with_former_keys({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118  # not a dict
    note["dims"] = {former(name): value for name, value in note["dims"].items()}
    safetensors.torch.save_file(tensors, path, {KEY: json.dumps(note)})


def graph_with_former_names(path: Path) -> None:
    """Rewrites an ONNX file as an earlier version would have written it."""
    model = onnx.load(str(path))
    for tensor in model.graph.initializer:
        tensor.name = former(tensor.name)
    for node in model.graph.node:
        node.input[:] = [former(name) for name in node.input]
        node.output[:] = [former(name) for name in node.output]
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def test_a_checkpoint_with_former_names_becomes_a_file(tmp_path: Path) -> None:
    net = test_temporal.student()
    torch.save({"mean": with_former_keys(net.state_dict())}, tmp_path / "checkpoint.pt")
    out = tmp_path / "own.safetensors"
    convert([tmp_path / "checkpoint.pt"], out, candidates=[test_temporal.TINY])
    assert load_weights(out).dims == net.dims


def pictures(path: Path, precision: str, denoise: float = 0.25) -> Array:
    blend = Blend(blending.restoring_path(path), denoise)
    backend = backends.load(path, backend="openvino", device="cpu", precision=precision, threads=1, blend=blend)
    return run(backend, clip_of(5, {3}, SIZE), {3})


def test_former_names_become_those_of_today_and_others_stay() -> None:
    assert current_name("settle.first.taps.weight") == "late_temporal.first.taps.weight"
    assert current_name("trunk.student.enter.bias") == "trunk.student.stem.bias"
    assert current_name("center.0.rises") == "center.0.rises"
    assert with_current_names({"a": {"meet": 1}, 0: {"rise": 2}}) == {"a": {"skip": 1}, 0: {"upsample": 2}}  # type: ignore[dict-item]  # as optimisers have


@pytest.mark.parametrize("net", [small_paper.student(SMALL), test_temporal.student()], ids=lambda net: net.dims.name)
def test_a_weights_file_with_former_names_is_the_same_network(net: Student, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_weights(net, path)
    with_former_names(path)
    loaded = load_weights(path)
    assert loaded.dims == net.dims
    for name, value in net.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], value, atol=0, rtol=0)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("graph", [True, False], ids=["graph", "restoring"])
def test_blends_and_ranges_mix_files_of_both_versions(tmp_path: Path, precision: str, *, graph: bool) -> None:
    path = write_pair(tmp_path, half=True)
    student = load_weights(path.with_suffix(".safetensors"))
    convolutions = [name for name, layer in student.named_modules() if isinstance(layer, torch.nn.Conv2d)]
    ranges: dict[str, calibration.Range] = dict.fromkeys(convolutions, (-1.0, 1.0))
    calibration.write(path, blending.restoring_path(path), ranges)
    expected = pictures(path, precision)
    if graph:
        graph_with_former_names(path)
    else:
        with_former_names(blending.restoring_path(path))
    calibration.write(path, blending.restoring_path(path), {former(name): bounds for name, bounds in ranges.items()})
    np.testing.assert_array_equal(pictures(path, precision), expected)


def test_a_checkpoint_with_former_names_resumes_to_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(students.STUDENTS, "tiny", TINY)
    settings = TrainSettings(
        model="tiny", pool=fill_pool(tmp_path / "pool"), out=tmp_path / "run", precision="fp32", threads=1,
        save_every=2, regression=RegressionSettings(steps=1, batch=2, frames=3, crop=8),
        adversarial=AdversarialSettings(steps=4, batch=2, frames=3, crop=8, width=8, encoder_steps=1),
    )  # fmt: skip
    whole = TrainingRun(settings)
    checkpoints, save = [], TrainingRun.save

    def saved(run: TrainingRun) -> None:
        save(run)
        checkpoints.append(run.checkpoint.read_bytes())

    with monkeypatch.context() as patch:
        patch.setattr(TrainingRun, "save", saved)
        whole.run()
    resumed = TrainingRun(replace(settings, out=tmp_path / "resumed"))
    resumed.settings.out.mkdir()
    resumed.checkpoint.write_bytes(checkpoints[-2])
    checkpoint_with_former_names(resumed.checkpoint)
    assert resumed.resume()
    resumed.run()
    for name, value in whole.ema.items():
        assert torch.equal(resumed.ema[name], value)


def checkpoint_with_former_names(path: Path) -> None:
    """Rewrites a checkpoint of stage 2 as an earlier version would have written it."""
    checkpoint = torch.load(path, weights_only=True)
    stage = checkpoint["learner"]
    checkpoint |= {part: with_former_keys(checkpoint[part]) for part in ("student", "mean")}
    encoder = {name.replace("head.", "leave."): value for name, value in with_former_keys(stage["encoder"]).items()}
    checkpoint["learner"] = {
        "optimiser": stage["optimiser"],
        "encoder": encoder,
        "judges": {domain: with_former_keys(network) for domain, network in stage["discriminators"].items()},
        "judging": stage["discriminator_optimiser"],
    }
    torch.save(checkpoint, path)

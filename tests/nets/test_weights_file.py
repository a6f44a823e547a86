"""Weights files of every family come back as they went, and what does not fit is told by its key."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor

from tests.nets import test_temporal
from tests.nets.paper import small_paper
from vsadcvsr.errors import WeightsError
from vsadcvsr.nets import export
from vsadcvsr.nets.paper.config import PaperDims
from vsadcvsr.nets.weights_file import KEY, Student, load_weights, save_weights

SMALL = PaperDims(name="x", widths=(4, 4), layers=1, head_dim=2, decoder=(4, 4, 4, 4), decoder_layers=1, groups=(1,))


@pytest.mark.parametrize("net", [small_paper.student(SMALL), test_temporal.student()], ids=lambda net: net.dims.name)
def test_weights_come_back_as_they_went(net: Student, tmp_path: Path) -> None:
    save_weights(net, tmp_path / "w.safetensors")
    again = load_weights(tmp_path / "w.safetensors")
    assert type(again) is type(net)
    assert again.dims == net.dims
    assert not again.training
    for name, value in net.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value, atol=0, rtol=0)


def test_a_network_in_another_memory_order_is_written_in_the_files(tmp_path: Path) -> None:
    net, path = small_paper.student(SMALL), tmp_path / "w.safetensors"
    wanted = {name: value.clone() for name, value in net.state_dict().items()}
    save_weights(net.to(memory_format=torch.channels_last), path)
    for name, value in load_weights(path).state_dict().items():
        torch.testing.assert_close(value, wanted[name], atol=0, rtol=0)


def test_weights_have_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    save_weights(test_temporal.student(), tmp_path / "net.safetensors")
    assert (tmp_path / "net.safetensors").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_files_without_a_family_are_of_compact_students(tmp_path: Path) -> None:
    net, path = test_temporal.student(), tmp_path / "w.safetensors"
    save_weights(net, path)
    note, tensors = opened(path)
    del note["family"]
    safetensors.torch.save_file(tensors, path, {KEY: json.dumps(note)})
    assert load_weights(path).dims == net.dims


def test_half_precision_in_a_file_becomes_single(tmp_path: Path) -> None:
    net, path = small_paper.student(SMALL), tmp_path / "w.safetensors"
    save_weights(net, path)
    note, tensors = opened(path)
    safetensors.torch.save_file({name: value.half() for name, value in tensors.items()}, path, {KEY: json.dumps(note)})
    assert all(value.dtype == torch.float32 for value in load_weights(path).state_dict().values())


def opened(path: Path) -> tuple[dict[str, object], dict[str, Tensor]]:
    with safetensors.safe_open(path, framework="pt") as file:
        return json.loads(file.metadata()[KEY]), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 9}, "no AdcVSR weights of format 1"),
        ({"family": "giant"}, r"family 'giant', known: compact, paper"),
        ({"dims": {"breadth": 3}}, "make no network"),
        ({"dims": 3}, "make no network"),
        ({"dims": {"widths": [3]}}, "make no network"),
    ],
)
def test_notes_that_say_something_else_are_refused(change: dict[str, object], message: str, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_weights(small_paper.student(SMALL), path)
    note, tensors = opened(path)
    safetensors.torch.save_file(tensors, path, {KEY: json.dumps(note | change)})
    with pytest.raises(WeightsError, match=message):
        load_weights(path)


def test_tensors_that_do_not_fit_are_named(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_weights(small_paper.student(SMALL), path)
    note, tensors = opened(path)
    del tensors["unet.stem.bias"]
    tensors["unet.head.bias"] = torch.zeros(5)
    tensors["left.over"] = torch.zeros(1)
    safetensors.torch.save_file(tensors, path, {KEY: json.dumps(note)})
    message = r"unet\.stem\.bias is missing, left\.over is not known, unet\.head\.bias is \(5,\), not \(4,\)"
    with pytest.raises(WeightsError, match=message):
        load_weights(path)


def test_what_wants_a_compact_student_refuses_another(tmp_path: Path) -> None:
    save_weights(small_paper.student(SMALL), tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match="holds 'x', which is no compact student"):
        export.load_weights(tmp_path / "w.safetensors")


@pytest.mark.parametrize("content", [b"not weights at all", b""])
def test_foreign_files_are_refused_in_one_line(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "foreign.safetensors"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="cannot be read as safetensors"):
        load_weights(path)


def test_a_folder_that_is_not_there_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="cannot be written"):
        save_weights(small_paper.student(SMALL), tmp_path / "none" / "w.safetensors")
    assert not list(tmp_path.iterdir())

"""`adcvsr convert`, as a person types it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from tests.weights.official_files import save_net
from vsadcvsr import cli
from vsadcvsr.errors import WeightsError
from vsadcvsr.nets.compact import FAST, CompactStudent
from vsadcvsr.nets.weights_file import load_weights


def test_it_writes_a_checkpoint_of_our_own_and_says_what_it_was(tmp_path: Path) -> None:
    torch.save({"done": 1, "mean": CompactStudent(FAST).state_dict()}, tmp_path / "checkpoint.pt")
    out = tmp_path / "own.safetensors"
    result = CliRunner().invoke(cli.app, ["convert", str(tmp_path / "checkpoint.pt"), "-o", str(out)])
    assert result.exit_code == 0, result.output
    assert "fast" in result.stdout
    assert "124,140 values" in result.stdout.replace("\n", " ")
    assert load_weights(out).dims == FAST


@pytest.mark.parametrize("scale", [1, 2, 3])
def test_the_scale_of_a_checkpoint_of_our_own_is_that_of_its_tensors(scale: int, tmp_path: Path) -> None:
    dims = replace(FAST, scale=scale)
    torch.save({"done": 1, "mean": CompactStudent(dims).state_dict()}, tmp_path / "checkpoint.pt")
    out = tmp_path / "own.safetensors"
    result = CliRunner().invoke(cli.app, ["convert", str(tmp_path / "checkpoint.pt"), "-o", str(out)])
    assert result.exit_code == 0, result.output
    assert f"fast, x{scale}, " in result.stdout.replace("\n", " ")
    assert load_weights(out).dims == dims


def test_a_checkpoint_of_other_dimensions_is_refused_with_the_nearest_network(tmp_path: Path) -> None:
    state = CompactStudent(replace(FAST, refine=FAST.refine - 1, scale=2)).state_dict()
    torch.save({"mean": state}, tmp_path / "checkpoint.pt")
    arguments = ["convert", str(tmp_path / "checkpoint.pt"), "-o", str(tmp_path / "own.safetensors")]
    refused = CliRunner().invoke(cli.app, arguments)
    with pytest.raises(WeightsError, match=r"checkpoint\.pt, read as fast x2: refine\.9\..* is missing"):
        raise refused.exception or AssertionError(refused.output)


def test_one_official_file_alone_is_refused(tmp_path: Path) -> None:
    net = save_net(tmp_path / "net_params_200.pkl")
    result = CliRunner().invoke(cli.app, ["convert", str(net), "-o", str(tmp_path / "out.safetensors")])
    with pytest.raises(WeightsError, match="is one of two"):
        raise result.exception or AssertionError(result.output)

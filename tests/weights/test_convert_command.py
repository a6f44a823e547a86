"""`adcvsr convert`, as a person types it."""

from __future__ import annotations

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
    told = CliRunner().invoke(cli.app, ["convert", str(tmp_path / "checkpoint.pt"), "-o", str(out)])
    assert told.exit_code == 0, told.output
    assert "fast" in told.stdout
    assert "533,292 values" in told.stdout.replace("\n", " ")
    assert load_weights(out).dims == FAST


def test_one_official_file_alone_is_refused(tmp_path: Path) -> None:
    net = save_net(tmp_path / "net_params_200.pkl")
    told = CliRunner().invoke(cli.app, ["convert", str(net), "-o", str(tmp_path / "out.safetensors")])
    with pytest.raises(WeightsError, match="is one of two"):
        raise told.exception or AssertionError(told.output)

"""The bench of the paper's network goes its whole way without a GPU, and counts what it says it counts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.nets.paper.small_paper import SHALLOW, student
from vsadcvsr.bench import options
from vsadcvsr.bench.paper import __main__, costs
from vsadcvsr.nets.paper.config import PAPER, PaperDims
from vsadcvsr.nets.weights_file import save_weights


def test_a_dry_run_leaves_every_number_and_the_machine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.set_num_threads(1)
    assert __main__.main(["--dry-run", "--json", str(tmp_path / "found.json")]) == 0
    data = json.loads((tmp_path / "found.json").read_text())
    assert data["dry_run"]
    assert data["machine"]["gpu"] == "the CPU"
    numbers = data["numbers"]
    assert numbers["PSNR against the clip form in fp32, dB"] > 60
    for name in ("ours, 1 a step, ms a frame", "plain eager fp16, clip form, ms a frame",
                 "tiled against whole, PSNR, dB", "fast, 32x16, torch/cpu/fp32, frames/s",
                 "fast through the engine, planes of YUV420P8, frames/s"):  # fmt: skip
        assert numbers[name] > 0
    assert data["gpu_estimate"]["calculated"]["H200"]["planes from the device"]["bus"] > 1000
    assert "CUDA graphs" in data["left_out"]
    stdout = capsys.readouterr().out
    assert "a dry run, no measurement" in stdout
    assert "by calculation" in stdout


def test_without_a_gpu_the_error_names_the_dry_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert __main__.main([]) == 2
    assert capsys.readouterr().err == "bench: torch finds no GPU; --dry-run takes the same steps on the CPU\n"


def test_wrong_outputs_are_not_timed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    right = costs.clip_form
    monkeypatch.setattr(costs, "clip_form", lambda *arguments: right(*arguments) + np.float32(0.01))
    assert __main__.main(["--dry-run"]) == 2
    assert "differ from the clip form in fp32: 40.0 dB; nothing was timed" in capsys.readouterr().err


def test_operations_are_those_of_the_papers_layers() -> None:
    dims = PaperDims(widths=(4, 4), layers=1, head_dim=4, decoder=(4, 4, 4, 4), decoder_layers=1, groups=(1,))
    once, twice = (costs.flops(dims, (16, side)) for side in (16, 32))
    assert 2 * once < twice < 2.5 * once  # attention grows with the square
    assert costs.flops(PAPER, (16, 16)) == pytest.approx(1.08e12 / 64, rel=0.01)  # where attention hardly counts


def test_memory_by_calculation_names_every_output_and_card() -> None:
    assert list(__main__.memory_plans()) == [
        f"{output} on {card} GB" for output in ("1920x1080", "3840x2160") for card in (24, 12, 8)
    ]


def test_weights_of_ones_own_are_measured(tmp_path: Path) -> None:
    save_weights(student(SHALLOW), tmp_path / "own.safetensors")
    arguments = options.paper().parse_args(["--dry-run", "--weights", str(tmp_path / "own.safetensors")])
    trial, net = __main__._network(arguments)
    assert trial.dims == net.dims == SHALLOW
    assert trial.size == __main__.DRY_RUN.size


def test_the_module_runs_as_a_command() -> None:
    ask = [sys.executable, "-m", "vsadcvsr.bench.paper", "--help"]
    done = subprocess.run(ask, capture_output=True, text=True, check=True, timeout=100)
    assert "--dry-run" in done.stdout

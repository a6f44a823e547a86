"""The baseline is a model like any other, and the command prints its ratio."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vsadcvsr import backends
from vsadcvsr.bench.__main__ import main
from vsadcvsr.bench.baseline import write_baseline
from vsadcvsr.output import BaseAndDetail


def test_the_reference_network_runs_as_a_model(tmp_path: Path) -> None:
    path = tmp_path / "reference.onnx"
    write_baseline(path)
    model = backends.load(path, backend="ort", device="cpu")
    output, _ = model.step(np.full((1, 3, 8, 12), 0.5, np.float32), np.ones(1, np.float32), model.start(8, 12))
    assert not isinstance(output, BaseAndDetail)
    assert output.shape == (1, 3, 32, 48)
    assert np.isfinite(output).all()


def test_the_command_prints_every_part(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--size", "48x32", "--count", "2", "--rounds", "2"]) == 0
    stdout = capsys.readouterr().out
    for part in ("model step", "engine around it", "reference step", "filter", "filter / step"):
        assert part in stdout, stdout

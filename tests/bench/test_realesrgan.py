"""The network of Real-ESRGAN has its size and, where ncnn is at hand, runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vsadcvsr.bench.realesrgan import run_action, write_network


def test_it_has_as_many_weights_as_the_real_one(tmp_path: Path) -> None:
    layers, weights = write_network(tmp_path)
    flags = 34
    assert weights.stat().st_size // 4 - flags == 1_213_296
    assert len(layers.read_text().splitlines()) == 2 + 72


@pytest.mark.requires("ncnn")
def test_its_output_has_four_times_the_size(tmp_path: Path) -> None:
    run_action(tmp_path, np.zeros((3, 6, 8), np.float32), 1)()

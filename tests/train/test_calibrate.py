"""`python -m vsadcvsr.train.calibrate`: ranges from pictures of one's own, good for any share of restoring weights."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.restoring import write_pair
from vsadcvsr import calibration
from vsadcvsr.engine import Engine
from vsadcvsr.train.calibrate import main


def pictures(folder: Path) -> Path:
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(2):
        cv2.imwrite(str(folder / f"{number}.png"), random.integers(0, 256, (64, 80, 3), np.uint8))
    (folder / "torn.png").write_bytes(b"no picture")
    return folder


def test_a_calibrated_model_runs_in_int8_and_so_do_its_blends(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = write_pair(tmp_path)
    assert main([str(model), "--data", str(pictures(tmp_path / "data"))]) == 0
    assert capsys.readouterr().out.strip() == str(calibration.ranges_path(model))
    for denoise in (0, 0.5, 1):
        assert Engine.open(model, precision="int8", denoise=denoise).label == "openvino/cpu/int8"
    again = calibration.ranges_path(model).read_bytes()
    assert main([str(model), "--data", str(tmp_path / "data")]) == 0
    assert calibration.ranges_path(model).read_bytes() == again


def test_data_without_pictures_are_refused_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(write_pair(tmp_path)), "--data", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "no videos or pictures in" in line

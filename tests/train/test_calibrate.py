"""`python -m vsadcvsr.train.calibrate`: ranges from pictures of one's own, good for any share of restoring weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from tests.restoring import write_pair
from vsadcvsr import calibration
from vsadcvsr.engine import Engine
from vsadcvsr.nets.compact import CompactDims, CompactStudent
from vsadcvsr.train.calibrate import main, ranges_of

PLAIN = CompactDims(name="plain", width=32, refine=3, late_temporal=True)
WITH_BLOCKS = replace(PLAIN, name="blocks", blocks=1, quarter_width=64, sites=(0,))


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


@pytest.mark.parametrize(("side", "reason"), [(0, "cannot be read as a picture"), (5, "is too small an image: 5x5")])
def test_data_of_no_use_leave_no_ranges(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], side: int, reason: str
) -> None:
    model, data = write_pair(tmp_path), tmp_path / "data"
    data.mkdir()
    (data / "torn.png").write_bytes(cv2.imencode(".png", np.zeros((side, side, 3), np.uint8))[1] if side else b"none")
    assert main([str(model), "--data", str(data)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("calibrate: none of 1 files of --data is of use, the first: ")
    assert reason in line
    assert not calibration.ranges_path(model).exists()


@pytest.mark.parametrize(("dims", "pixel_layers"), [(PLAIN, {"skip"}), (WITH_BLOCKS, {"stem", "skip"})])
def test_the_farthest_inputs_of_a_layer_are_left_out_but_for_those_of_the_frame(
    dims: CompactDims, pixel_layers: set[str]
) -> None:
    torch.manual_seed(0)
    student = CompactStudent(dims)
    torch.nn.init.normal_(student.head.weight)
    farthest: dict[str, float] = {}
    for name, layer in student.named_modules():
        if isinstance(layer, torch.nn.Conv2d):
            layer.register_forward_pre_hook(lambda _, x, name=name: farthest.update({name: x[0].max().item()}))
    clip = torch.rand(3, 3, 64, 64) * 0.5
    ranges = ranges_of(student, [clip])
    assert set(ranges) == set(farthest)
    assert {ranges.pop(name) for name in pixel_layers} == {(0, 1)}
    assert all(least <= 0 < most < farthest[name] for name, (least, most) in ranges.items())
    widest = ranges_of(student, [clip], clipped=0)
    assert {name: widest[name][1] for name in ranges} == {name: farthest[name] for name in ranges}
    both = ranges_of(student, [clip, clip * 2])
    assert all(both[name][1] > most for name, (_, most) in ranges.items())


def test_a_share_that_would_clip_the_picture_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = str(pictures(tmp_path / "data"))
    assert main([str(write_pair(tmp_path)), "--data", data, "--clipped", "0.5"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "clipped is 0.5, allowed: 0 to 0.1" in line

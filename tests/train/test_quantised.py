"""Training for 8-bit integers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from tests.backends.test_contract import run
from tests.engine.reference import clip_of
from tests.train.tiny import TINY
from tests.weights.official_files import SMALL
from vsadcvsr import backends, calibration
from vsadcvsr.errors import UsageError
from vsadcvsr.nets.compact import CompactStudent
from vsadcvsr.nets.export import export
from vsadcvsr.nets.paper.model import PaperStudent
from vsadcvsr.train.calibrate import ranges_of
from vsadcvsr.train.distributed import World
from vsadcvsr.train.quantised import quantised, rounded_inputs, rounded_weights
from vsadcvsr.train.regression import RegressionTraining
from vsadcvsr.train.settings import RegressionSettings, TrainSettings
from vsadcvsr.train.students import links


def student_with_detail() -> CompactStudent:
    torch.manual_seed(0)
    student = CompactStudent(TINY)
    for layer in student.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.normal_(layer.weight, std=0.2)
    return student


def test_it_rounds_as_int8_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # On CPUs with bf16, what is not int8 runs in bf16, whose rounding error is larger here than that of int8.
    monkeypatch.setattr("vsadcvsr.backends.openvino.supports_bf16", lambda: False)
    student, frames = student_with_detail(), clip_of(4, set(), (16, 24))
    clip = torch.from_numpy(frames)
    path = tmp_path / "own.onnx"
    export(student, path)
    with quantised(student):
        ranges = ranges_of(student, [clip], clipped=0)
    calibration.write(path, None, ranges)
    int8 = run(backends.load(path, backend="openvino", precision="int8"), frames, set())
    with torch.inference_mode():
        plain = student(clip, links(1, len(clip))).numpy()
        with quantised(student):
            rounded = student(clip, links(1, len(clip))).numpy()
    errors = [float(np.abs(output - int8).mean()) for output in (plain, rounded)]
    assert errors[1] < 0.2 * errors[0]


def test_the_weights_that_learn_keep_their_bits_and_get_gradients() -> None:
    student = student_with_detail()
    before = {name: value.clone() for name, value in student.state_dict().items()}
    held = student.head.weight.detach()
    with quantised(student):
        assert torch.equal(student.head.weight, rounded_weights(held))
        assert not torch.equal(student.head.weight, held)
        student(torch.rand(3, 3, 16, 16), links(1, 3)).square().mean().backward()
    assert student.head.weight.data_ptr() == held.data_ptr()
    assert all(torch.equal(value, before[name]) for name, value in student.state_dict().items())
    assert all(value.grad is not None and bool(value.grad.any()) for value in student.parameters())
    with pytest.raises(RuntimeError), quantised(student):
        student(torch.rand(3, 3, 16, 18), links(1, 3))
    assert student.head.weight.data_ptr() == held.data_ptr()
    assert not any(layer._forward_pre_hooks for layer in student.modules())


def test_inputs_are_on_levels_and_pass_their_gradient() -> None:
    inputs = torch.linspace(0, 2, 1001, requires_grad=True)
    rounded = rounded_inputs(inputs, (0.0, 2.0))
    assert len(set(rounded.tolist())) == 256
    assert (rounded - inputs).abs().max() <= 1 / 255 + 1e-6
    rounded.sum().backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    assert inputs.grad is not None
    assert torch.equal(inputs.grad, torch.ones(1001))


def test_the_papers_student_is_refused() -> None:
    torch.manual_seed(0)
    regression = RegressionSettings(int8=True)
    settings = TrainSettings(pool=Path("pool"), out=Path("out"), model="paper", regression=regression)
    with pytest.raises(UsageError, match="int8 is for compact students, not paper"):
        RegressionTraining(settings, PaperStudent(SMALL), World.join("cpu"))

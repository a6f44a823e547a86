"""Larger students that begin with what a smaller one computes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.nets.test_temporal import TINY, student
from vsadcvsr.errors import UsageError
from vsadcvsr.nets.compact import CompactDims, CompactStudent
from vsadcvsr.nets.weights_file import load_weights, save_weights
from vsadcvsr.train.grow import grow, main
from vsadcvsr.train.students import STUDENTS

LARGE = replace(
    TINY, name="large", width=TINY.width + 3, quarter_width=TINY.quarter_width + 5, blocks=TINY.blocks + 2,
    refine=TINY.refine + 2, sites=(*TINY.sites, TINY.blocks + 1),
)  # fmt: skip


def output(net: CompactStudent) -> torch.Tensor:
    frames = torch.rand(5, 3, 16, 24, generator=torch.Generator().manual_seed(1))
    images: torch.Tensor = net(frames, torch.tensor([0.0, 1, 1, 0, 1]))
    return images


@torch.no_grad()
def test_the_grown_student_computes_the_same() -> None:
    small = student()
    large = grow(small, LARGE)
    assert large.dims == LARGE
    assert output(small).std() > 0.01
    assert torch.allclose(output(large), output(small), atol=1e-5)


def test_every_new_weight_can_learn() -> None:
    """Two steps of plain descent reach all weights: the first those which begin at zero, the second the rest."""
    torch.manual_seed(0)
    large = grow(student(), LARGE)
    for _ in range(3):
        large.zero_grad()
        (output(large) - torch.rand(5, 3, 64, 96)).square().mean().backward()  # type: ignore[no-untyped-call]
        with torch.no_grad():
            for value in large.parameters():
                assert value.grad is not None
                value.sub_(value.grad, alpha=0.5)
    unmoved = [name for name, value in large.named_parameters() if value.grad is None or not value.grad.any()]
    assert not unmoved


@pytest.mark.parametrize(
    "dims",
    [
        replace(LARGE, width=TINY.width - 1),
        replace(LARGE, blocks=TINY.blocks - 1, sites=()),
        replace(LARGE, inner=(LARGE.quarter_width, TINY.quarter_width - 1, 1, 1)),
        replace(LARGE, sites=(0,)),
        replace(LARGE, late_temporal=False),
    ],
)
def test_what_would_shrink_is_refused(dims: CompactDims) -> None:
    with pytest.raises(UsageError, match="can only grow"):
        grow(student(), dims)


def test_the_command_writes_the_larger_student(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(STUDENTS, "large", LARGE)
    small, out = tmp_path / "small.safetensors", tmp_path / "large.safetensors"
    save_weights(student(), small)
    assert main([str(small), "--model", "large", "--out", str(out)]) == 0
    grown = load_weights(out)
    assert isinstance(grown.dims, CompactDims)
    assert grown.dims == LARGE
    assert main([str(small), "--model", "paper", "--out", str(out)]) == 2
    assert main([str(small), "--model", "large", "--out", str(tmp_path / "large.onnx")]) == 2
    assert "compact students" in capsys.readouterr().err

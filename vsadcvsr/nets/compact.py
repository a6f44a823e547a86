"""The compact student: `fast` and `base` are two sets of its dimensions.

All work is done at half of the input's size: features of the frame (`skip`), a temporal block (`late_temporal`), and
3x3 layers (`refine`). A pixel head makes luma detail at 2s of that; colour is corrected at the input's size and follows
the bilinear base, because chroma detail is neither seen nor kept in 4:2:0 video.

Dimensions may have blocks, too, which work at a quarter of the size (`stem`, `blocks`, `temporal`), and whose result is
added to the features of the frame (`upsample`). Networks had them until training turned out to leave nearly nothing
of them (`docs/experiments.md`).

Symbols: T frames of (H, W); C channels at half size; Q channels at quarter size; s the scale, 1 to 4.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vsadcvsr.errors import UsageError
from vsadcvsr.nets.temporal import State, TemporalBlock, delay
from vsadcvsr.spec import ModelSpec, check_scale

_TONE = 12  # 2x2 RGB values for each place at half size


@dataclass(frozen=True, kw_only=True)
class CompactDims:
    """Dimensions of a compact student."""

    name: str
    width: int
    """C, channels at half size."""
    refine: int
    """3x3 layers at half size before the head."""
    late_temporal: bool = False
    """A temporal block at half size: without it the noise of a frame reaches the output with no correction by other
    frames.
    """
    scale: int = 4
    """s: only the head depends on it."""
    blocks: int = 0
    """Blocks at quarter size, whose result is added to that of `skip`."""
    quarter_width: int = 0
    """Q, channels at quarter size."""
    sites: tuple[int, ...] = ()
    """Blocks (0 is the first) that a temporal block follows."""
    inner: tuple[int, ...] = ()
    """Channels between the two layers of each block; Q if empty."""

    def __post_init__(self) -> None:
        if (self.blocks > 0) != (self.quarter_width > 0):
            raise UsageError.of("quarter_width", self.quarter_width, "1 or more with blocks, 0 without")
        if self.inner and (len(self.inner) != self.blocks or min(self.inner) < 1):
            raise UsageError.of("inner", self.inner, f"a number from 1 for each of {self.blocks} blocks, or none")
        if any(not 0 <= site < self.blocks for site in self.sites):
            raise UsageError.of("sites", self.sites, f"block numbers from 0 to {self.blocks - 1}")
        if sorted(set(self.sites)) != list(self.sites):
            raise UsageError.of("sites", self.sites, "rising block numbers, each once")
        check_scale(self.scale)

    @property
    def spec(self) -> ModelSpec:
        """The facts of a network of these dimensions."""
        return ModelSpec(
            name=self.name,
            lookahead=self.body_delay + TemporalBlock.delay * self.late_temporal,
            scale=self.scale,
            multiple=4 if self.blocks else 2,
            reach=self._reach,
            split_output=True,
            precisions=("fp32", "bf16", "fp16"),
        )

    @property
    def inner_widths(self) -> tuple[int, ...]:
        """Channels between the two layers of each block."""
        return self.inner or (self.quarter_width,) * self.blocks

    @property
    def body_delay(self) -> int:
        """Delay of the body in frames."""
        return TemporalBlock.delay * len(self.sites)

    @property
    def detail_channels(self) -> int:
        """Luma values of the output for each place at half size."""
        return (2 * self.scale) ** 2

    @property
    def _reach(self) -> int:
        # Each 3x3 layer reaches one place of its grid: 4 input pixels at quarter size, 2 at half; 3 more end at the far
        # side of the outermost place.
        quarter = 4 * (2 * self.blocks + 1) if self.blocks else 0
        return quarter + 2 * (self.refine + 2) + 3


FAST = CompactDims(name="fast", width=32, refine=10, late_temporal=True)
BASE = CompactDims(name="base", width=48, refine=16, late_temporal=True)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with ReLU between, added to the input."""

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, inner, 3, padding=1)
        self.second = nn.Conv2d(inner, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        inner: Tensor = self.second(torch.relu(self.first(x)))
        return x + inner


def join(base: Tensor, detail: Tensor) -> Tensor:
    """The frame (T, 3, sH, sW) from its base (T, 3, H, W) and detail (T, sH, sW)."""
    scale = detail.shape[2] // base.shape[3]
    upsampled = base if scale == 1 else F.interpolate(base, scale_factor=float(scale), mode="bilinear")
    return upsampled + detail.unsqueeze(1)


class CompactStudent(nn.Module):
    """Upscales RGB frames in 0..1 by s; H and W must be multiples of `spec.multiple`.

    Output is not clamped. `forward` is the clip form, `step` the step form, `initial_state` starts a stream. The step
    form returns base and detail (see `vsadcvsr.output`).
    """

    def __init__(self, dims: CompactDims = FAST) -> None:
        super().__init__()
        self.dims = dims
        self.spec = dims.spec
        self.stem = nn.Conv2d(_TONE, dims.quarter_width, 3, stride=2, padding=1) if dims.blocks else None
        self.blocks = nn.ModuleList(ResidualBlock(dims.quarter_width, inner) for inner in dims.inner_widths)
        self.temporal = nn.ModuleDict({str(site): TemporalBlock(dims.quarter_width) for site in dims.sites})
        self.upsample = nn.Conv2d(dims.quarter_width, 4 * dims.width, 1) if dims.blocks else None
        self.skip = nn.Conv2d(_TONE, dims.width, 3, padding=1)
        self.late_temporal = TemporalBlock(dims.width) if dims.late_temporal else None
        self.refine = nn.ModuleList(nn.Conv2d(dims.width, dims.width, 3, padding=1) for _ in range(dims.refine))
        self.head = nn.Conv2d(dims.width, dims.detail_channels + _TONE, 3, padding=1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]  # starts as the plain bilinear upscale

    def forward(self, frames: Tensor, links: Tensor) -> Tensor:
        """The clip form: frames (T, 3, H, W) and links (T,) in, (T, 3, sH, sW) out."""
        return self.reconstruct(self.features(frames, links), frames)

    def features(self, frames: Tensor, links: Tensor) -> Tensor:
        """First half of the clip form: the input of the head, (T, C, H/2, W/2)."""
        return self.body(F.pixel_unshuffle(frames, 2), links)

    def body(self, grid: Tensor, links: Tensor) -> Tensor:
        """Features of pixel-unshuffled frames (T, 12, H/2, W/2), or of whatever `stem` and `skip` take."""
        y = self._merge(self._quarter(grid, links), grid)
        if self.late_temporal is not None:
            y = self.late_temporal(y, links)
        return self._refine(y)

    def reconstruct(self, features: Tensor, frames: Tensor) -> Tensor:
        """Second half, the same in both forms: the head's detail on the bilinear upscale."""
        return join(*self.base_and_detail(features, frames))

    def initial_state(self, height: int, width: int) -> State:
        """The initial state of a stream of (height, width) frames: the delay line, then each temporal block's."""
        line = self.head.weight.new_zeros(self.spec.lookahead, 3, height, width)
        sites = (self._site(site).initial_state(height // 4, width // 4) for site in self.dims.sites)
        last = self.late_temporal.initial_state(height // 2, width // 2) if self.late_temporal is not None else ()
        return (line, *(part for state in sites for part in state), *last)

    def step(self, frames: Tensor, links: Tensor, state: State) -> tuple[tuple[Tensor, Tensor], State]:
        """The step form: takes the next T frames; returns base (T, 3, H, W) and detail (T, sH, sW) of T outputs that
        are `spec.lookahead` frames behind, and the next state.
        """
        delayed, line = delay(frames, state[0])
        aligned = delay(frames, state[0][-self.dims.body_delay :])[0] if self.dims.body_delay else frames
        quarter, links, quarter_state = self._quarter_step(frames, links, state[1:])
        y, late_state = self._merge(quarter, F.pixel_unshuffle(aligned, 2)), state[1 + len(quarter_state) :]
        if self.late_temporal is not None:
            y, _, late_state = self.late_temporal.step(y, links, late_state)
        return self.base_and_detail(self._refine(y), delayed), (line, *quarter_state, *late_state)

    def _quarter(self, grid: Tensor, links: Tensor) -> Tensor | None:
        """The blocks' output (T, Q, H/4, W/4) in the clip form; None without blocks."""
        if self.stem is None:
            return None
        y = torch.relu(self.stem(grid))
        for index, block in enumerate(self.blocks):
            y = block(y)
            if str(index) in self.temporal:
                y = self.temporal[str(index)](y, links)
        return y

    def _quarter_step(self, frames: Tensor, links: Tensor, state: State) -> tuple[Tensor | None, Tensor, State]:
        """The blocks' output in the step form, its links, and the next state of their temporal blocks, with which
        `state` begins.
        """
        if self.stem is None:
            return None, links, ()
        y, next_state = torch.relu(self.stem(F.pixel_unshuffle(frames, 2))), list[Tensor]()
        for index, block in enumerate(self.blocks):
            y = block(y)
            if str(index) in self.temporal:
                y, links, block_state = self._site(index).step(y, links, state[len(next_state) : len(next_state) + 4])
                next_state += block_state
        return y, links, tuple(next_state)

    def _site(self, index: int) -> TemporalBlock:
        block = self.temporal[str(index)]
        assert isinstance(block, TemporalBlock)
        return block

    def _merge(self, quarter: Tensor | None, grid: Tensor) -> Tensor:
        y = self.skip(grid)  # (T, C, H/2, W/2)
        if self.upsample is not None:
            y = y + F.pixel_shuffle(self.upsample(quarter), 2)
        return torch.relu(y)

    def _refine(self, y: Tensor) -> Tensor:
        for layer in self.refine:
            y = torch.relu(layer(y))
        return y

    def base_and_detail(self, features: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        """The parts of the images: their base (T, 3, H, W) and their detail (T, sH, sW)."""
        detail, tone = self.head(features).split([self.dims.detail_channels, _TONE], 1)
        return frames + F.pixel_shuffle(tone, 2), F.pixel_shuffle(detail, 2 * self.dims.scale).squeeze(1)

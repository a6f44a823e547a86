"""The paper's network: AdcSR, a pruned Stable Diffusion UNet with half of its VAE decoder, and temporal convolutions.

The layout follows AdcSR (arXiv 2411.13383) and AdcVSR (arXiv 2603.00458): no text, no noise, no timestep, no encoder.
The UNet works on an eighth of the output's grid and gives the decoder's features without a latent between; a temporal
block follows each of its ResNets and transformers.

Symbols: T frames of (H, W); F the decoder's features, 256.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vsadcvsr.nets.paper.blocks import (
    DECODER_EPS,
    RESNET_EPS,
    FeatureAttention,
    ResNet,
    Transformer,
    Upsample2x,
    downsample2x,
    group_norm,
    silu_,
)
from vsadcvsr.nets.paper.config import PAPER, UNSHUFFLED, PaperDims
from vsadcvsr.nets.paper.temporal_context import ClipContext, StepContext, TemporalContext
from vsadcvsr.nets.temporal import State, TemporalBlock


class Layer(nn.Module):
    """A ResNet and optionally a transformer, each followed by its temporal block."""

    def __init__(self, dims: PaperDims, in_channels: int, out_channels: int, *, transformer: bool) -> None:
        super().__init__()
        self.resnet = ResNet(dims, in_channels, out_channels, RESNET_EPS)
        self.resnet_time = TemporalBlock(out_channels) if dims.temporal else None
        self.transformer = Transformer(dims, out_channels) if transformer else None
        self.transformer_time = TemporalBlock(out_channels) if transformer and dims.temporal else None

    def forward(self, x: Tensor, context: TemporalContext) -> Tensor:
        x = self.resnet(x)
        if self.resnet_time is not None:
            x = context.apply(self.resnet_time, x)
        if self.transformer is not None:
            x = self.transformer(x)
        if self.transformer_time is not None:
            x = context.apply(self.transformer_time, x)
        return x


class Down(nn.Module):
    """Layers of one resolution on the way down; each result is pushed as a skip."""

    def __init__(self, dims: PaperDims, level: int) -> None:
        super().__init__()
        before, width = dims.widths[max(level - 1, 0)], dims.widths[level]
        last = level == len(dims.widths) - 1
        self.layers = nn.ModuleList(
            Layer(dims, width if index else before, width, transformer=not last) for index in range(dims.layers)
        )
        self.sampler = None if last else downsample2x(width)

    def forward(self, x: Tensor, context: TemporalContext) -> Tensor:
        for layer in self.layers:
            x = context.push_skip(layer(x, context))
        return x if self.sampler is None else context.push_skip_again(self.sampler)


class Up(nn.Module):
    """Layers of one resolution on the way up; each takes a skip."""

    def __init__(self, dims: PaperDims, level: int) -> None:
        super().__init__()
        widths, last = dims.widths, len(dims.widths) - 1
        width, before, after = widths[level], widths[min(level + 1, last)], widths[max(level - 1, 0)]
        self.layers = nn.ModuleList()
        for index in range(dims.layers + 1):
            skip_width = after if index == dims.layers else width
            in_channels = (width if index else before) + skip_width
            self.layers.append(Layer(dims, in_channels, width, transformer=level < last))
        self.sampler = Upsample2x(width) if level else None

    def forward(self, x: Tensor, context: TemporalContext) -> Tensor:
        for layer in self.layers:
            x = layer(torch.cat([x, context.pop_skip()], 1), context)
        return x if self.sampler is None else self.sampler(x)


class UNet(nn.Module):
    """From 2x2 pixels (T, 12, H/2, W/2) to features (T, F, H/2, W/2)."""

    def __init__(self, dims: PaperDims) -> None:
        super().__init__()
        finest, deepest, levels = dims.widths[0], dims.widths[-1], range(len(dims.widths))
        self.stem = nn.Conv2d(UNSHUFFLED, finest, 3, padding=1)
        self.down = nn.ModuleList(Down(dims, level) for level in levels)
        self.middle = nn.ModuleList(
            Layer(dims, deepest, deepest, transformer=transformer) for transformer in (True, False)
        )
        self.up = nn.ModuleList(Up(dims, level) for level in reversed(levels))
        self.norm = group_norm(dims, finest, RESNET_EPS)
        self.head = nn.Conv2d(finest, dims.decoder[0], 3, padding=1)

    def forward(self, x: Tensor, context: TemporalContext) -> Tensor:
        x = context.push_skip(x, self.stem)
        for stage in self.down:
            x = stage(x, context)
        for layer in self.middle:
            x = layer(x, context)
        for stage in self.up:
            x = stage(x, context)
        features: Tensor = self.head(silu_(self.norm(x)))
        return features


class DecoderStage(nn.Module):
    """ResNets of one grid and, unless it is the last, what doubles it; run by the decoder, layer by layer."""

    def __init__(self, dims: PaperDims, index: int) -> None:
        super().__init__()
        before, width = dims.decoder[max(index - 1, 0)], dims.decoder[index]
        self.resnets = nn.ModuleList(
            ResNet(dims, before if at == 0 else width, width, DECODER_EPS) for at in range(dims.decoder_layers)
        )
        self.sampler = Upsample2x(width) if index < len(dims.decoder) - 1 else None

    def layers(self) -> list[nn.Module]:
        """In the order that they are run in."""
        return [*self.resnets, *([] if self.sampler is None else [self.sampler])]


class Decoder(nn.Module):
    """From features (T, F, H/2, W/2) to images (T, 3, 4H, 4W) in -1..1."""

    def __init__(self, dims: PaperDims) -> None:
        super().__init__()
        features, finest = dims.decoder[0], dims.decoder[-1]
        self.middle = nn.Sequential(
            ResNet(dims, features, features, DECODER_EPS),
            FeatureAttention(dims, features),
            ResNet(dims, features, features, DECODER_EPS),
        )
        self.stages = nn.ModuleList(DecoderStage(dims, index) for index in range(len(dims.decoder)))
        self.norm = group_norm(dims, finest, DECODER_EPS)
        self.head = nn.Conv2d(finest, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """The tail: images from the features of the middle."""
        for stage in self.stages:
            assert isinstance(stage, DecoderStage)
            for layer in stage.layers():  # one loop, so that nothing holds a stage's input, which is the widest map
                x = layer(x)
        pictures: Tensor = self.head(silu_(self.norm(x)))
        return pictures


class PaperStudent(nn.Module):
    """Upscales RGB frames in 0..1 by four; H and W must be multiples of `spec.multiple`, 16 in the paper's dimensions.

    The result is whole and not clamped. `forward` is the clip form, `step` the step form, `initial_state` begins a
    stream. Without temporal blocks the two are the same, frame by frame, and the state is empty.
    """

    def __init__(self, dims: PaperDims = PAPER) -> None:
        super().__init__()
        self.dims = dims
        self.spec = dims.spec
        self.unet = UNet(dims)
        self.decoder = Decoder(dims)

    def forward(self, frames: Tensor, links: Tensor) -> Tensor:
        """The clip form: frames (T, 3, H, W) and links (T,) in, (T, 3, 4H, 4W) out."""
        return self.reconstruct(self.features(frames, links))

    def features(self, frames: Tensor, links: Tensor) -> Tensor:
        """The first half of the clip form: the features of the decoder's middle, (T, F, H/2, W/2)."""
        return self.features_with(ClipContext(links), frames)

    def reconstruct(self, features: Tensor) -> Tensor:
        """The second half, which is the same in both forms."""
        decoded: Tensor = self.decoder(features)
        return decoded / 2 + 0.5

    def initial_state(self, height: int, width: int) -> State:
        """The state of a stream of (height, width) frames that has seen nothing, in the order of `dims.state`."""
        weight = self.unet.stem.weight
        shapes = [part.shape(height, width) for part in self.dims.state]
        return tuple(
            weight.new_zeros(shape) if len(shape) > 1 else torch.zeros(shape, device=weight.device) for shape in shapes
        )

    def step(self, frames: Tensor, links: Tensor, state: State) -> tuple[Tensor, State]:
        """The step form: the next T frames in, T images out that are `spec.lookahead` frames behind, the next state.

        Each tensor of the state drops as many frames at its front as it takes in at its end.
        """
        if not self.dims.temporal:
            return self(frames, links), ()
        context = StepContext(links, state)
        return self.reconstruct(self.features_with(context, frames)), context.next_state

    def features_with(self, context: TemporalContext, frames: Tensor) -> Tensor:
        """The first half in any form, which `context` decides."""
        features: Tensor = self.decoder.middle(self.unet(F.pixel_unshuffle(frames * 2 - 1, 2), context))
        return features

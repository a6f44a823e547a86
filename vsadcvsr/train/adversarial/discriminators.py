"""Discriminators of clips with a head for detail and a head for consistency (AdcVSR, arXiv 2603.00458).

A trunk makes a feature map of each frame; a tail of alternating 2D and 1D convolutions mixes space and time; 1x1 heads
give dense maps of logits. At paper size the trunks are an OpenCLIP ConvNeXt and the stage-1 UNet, frozen except for
their first layers; the compact family has a small trainable trunk for pixels, or the frozen EfficientNet-Lite1. Where
the paper leaves it open: the tail is 2D, 1D, 2D with leaky ReLU between, spectrally normalised; temporal padding is
zero as in the students; and the logit of a head is the mean over its map and channels. Clips are laid end to end as (B
* T, …), each beginning with link 0.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from vsadcvsr.nets.compact import CompactStudent
from vsadcvsr.nets.efficientnet import WIDTHS
from vsadcvsr.nets.efficientnet import Trunk as EfficientNetTrunk
from vsadcvsr.nets.paper.model import PaperStudent, UNet
from vsadcvsr.nets.paper.temporal_context import ClipContext
from vsadcvsr.nets.temporal import TemporalConv
from vsadcvsr.train.adversarial.convnext import ConvNextTrunk
from vsadcvsr.train.losses import luma

FRAME_HEADS = {"detail"}
"""Heads that see each frame separately."""

_LEAKY_SLOPE = 0.2
_DETAIL_GAIN = 8
_SCALES = (1, 2, 3)  # the features of EfficientNet-Lite1 that are used
_FINE_WIDTH, _FINE_AREA, _FINE_GAIN = 32, 5, 24  # channels, pixels, and a factor that makes detail as large as features
_PIXEL_STRIDE = 4  # the compact family's pixels are seen in areas of 4x4, at x4 the grid of its input


def split_heads(width: int, detail_share: float) -> dict[str, int]:
    """The channels of the two heads: of 256 at 0.75, detail has 192 and consistency 64."""
    detail = round(width * detail_share)
    return {"detail": detail, "consistency": width - detail}


class Tail(nn.Module):
    """2D, 1D and 2D convolutions to `width` channels, then a 1x1 convolution for each head."""

    def __init__(self, entering: int, width: int, heads: Mapping[str, int]) -> None:
        super().__init__()
        self.spatial1 = spectral_norm(nn.Conv2d(entering, width, 3, padding=1))
        self.temporal = TemporalConv(width)
        spectral_norm(self.temporal.taps)
        self.spatial2 = spectral_norm(nn.Conv2d(width, width, 3, padding=1))
        self.heads = nn.ModuleDict({name: nn.Conv2d(width, count, 1) for name, count in heads.items()})

    def forward(self, x: Tensor, links: Tensor, heads: Iterable[str]) -> dict[str, Tensor]:
        """(T, C, h, w) to a map of logits (T, channels of the head, h, w) for each of the heads."""
        x = F.leaky_relu(self.spatial1(x), _LEAKY_SLOPE)
        x = F.leaky_relu(self.temporal(x, links), _LEAKY_SLOPE)
        x = F.leaky_relu(self.spatial2(x), _LEAKY_SLOPE)
        return {name: self.heads[name](x) for name in heads}


class PixelTrunk(nn.Module):
    """The compact family's: images (T, 3, h, w) to (T, width, h/4, w/4), all of it trainable.

    It sees luma only, since compact students add detail to luma only: with colour, it learned to look at nothing else.
    Each position sees its mean, and the difference from it, amplified since it is much smaller.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.channels = width
        self.stem = spectral_norm(nn.Conv2d(1 + _PIXEL_STRIDE**2, width, 3, padding=1))
        self.inner = spectral_norm(nn.Conv2d(width, width, 3, padding=1))

    def forward(self, pictures: Tensor, links: Tensor) -> Tensor:  # noqa: ARG002  # each frame separately
        luma_maps = luma(pictures).unsqueeze(1)
        mean = F.avg_pool2d(luma_maps, _PIXEL_STRIDE)
        rest = F.pixel_unshuffle(luma_maps - F.interpolate(mean, scale_factor=float(_PIXEL_STRIDE)), _PIXEL_STRIDE)
        x = F.leaky_relu(self.stem(torch.cat([mean * 2 - 1, rest * _DETAIL_GAIN], 1)), _LEAKY_SLOPE)
        return F.leaky_relu(self.inner(x), _LEAKY_SLOPE)


class PretrainedTrunk(nn.Module):
    """Images (T, 3, h, w) to (T, width, h/4, w/4) by EfficientNet-Lite1, frozen, after Projected GANs (Sauer et al.
    2021): features at 1/4, 1/8 and 1/16 are mixed by trainable 1x1 convolutions.

    Two more trainable layers see the luma itself, without its local mean: classification does not depend on single
    pixels, so the frozen features hardly respond to checkerboard artefacts, which a student then adds to its frames.
    """

    def __init__(self, trunk: EfficientNetTrunk, width: int) -> None:
        super().__init__()
        self.channels = width
        self.trunk = trunk
        self.mix = nn.ModuleList(spectral_norm(nn.Conv2d(WIDTHS[scale], width, 1)) for scale in _SCALES)
        self.stem = spectral_norm(nn.Conv2d(1, _FINE_WIDTH, 3, padding=1))
        self.inner = spectral_norm(nn.Conv2d(_FINE_WIDTH, width, _PIXEL_STRIDE, stride=_PIXEL_STRIDE))

    def forward(self, pictures: Tensor, links: Tensor) -> Tensor:  # noqa: ARG002  # each frame separately
        features = self.trunk(pictures, len(_SCALES) + 1)
        mixed = [layer(features[scale]) for layer, scale in zip(self.mix, _SCALES, strict=True)]
        maps = [F.interpolate(values, size=mixed[0].shape[2:]) for values in [*mixed, self.pixel_features(pictures)]]
        return F.leaky_relu(torch.stack(maps).sum(0), _LEAKY_SLOPE)

    def pixel_features(self, pictures: Tensor) -> Tensor:
        """The part of the result that comes of the luma itself, without its local mean: (T, width, h/4, w/4)."""
        plane = luma(pictures).unsqueeze(1)
        detail = plane - F.avg_pool2d(plane, _FINE_AREA, 1, _FINE_AREA // 2, count_include_pad=False)
        x = F.leaky_relu(self.stem(detail * _FINE_GAIN), _LEAKY_SLOPE)
        result: Tensor = self.inner(x)
        return result


class CompactTrunk(nn.Module):
    """Features (T, C, h, w) through the body of a stage-1 student, frozen except for its first layers."""

    def __init__(self, student: CompactStudent) -> None:
        super().__init__()
        self.channels = student.dims.width
        self.student = _frozen(student)
        if student.dims.blocks:
            self.student.stem = nn.Conv2d(self.channels, student.dims.quarter_width, 3, stride=2, padding=1)
        self.student.skip = nn.Conv2d(self.channels, student.dims.width, 3, padding=1)
        del self.student.head

    def forward(self, features: Tensor, links: Tensor) -> Tensor:
        return self.student.body(features, links)


class PaperTrunk(nn.Module):
    """Features (T, F, h, w) through the UNet of a stage-1 student, frozen except for a stem that takes features."""

    def __init__(self, student: PaperStudent) -> None:
        super().__init__()
        self.channels = student.dims.decoder[0]
        self.unet: UNet = _frozen(student.unet)
        self.unet.stem = nn.Conv2d(self.channels, student.dims.widths[0], 3, padding=1)

    def forward(self, features: Tensor, links: Tensor) -> Tensor:
        output: Tensor = self.unet(features, ClipContext(links))
        return output


type Trunk = PixelTrunk | PretrainedTrunk | ConvNextTrunk | CompactTrunk | PaperTrunk


class Discriminator(nn.Module):
    """A trunk and its tail.

    The detail head sees every frame as a clip of its own. By the paper's labels its real samples are static or
    unrelated stills; its fake ones, the student's clips, move as videos do. Trained on whole clips, it learned to tell
    them apart by their motion, and drove the student to blur.
    """

    def __init__(self, trunk: Trunk, width: int, heads: Mapping[str, int]) -> None:
        super().__init__()
        self.trunk = trunk
        self.tail = Tail(trunk.channels, width, heads)

    def forward(self, clips: Tensor, links: Tensor, heads: Collection[str] | None = None) -> dict[str, Tensor]:
        """Logits of `heads`, or of all, for clips laid end to end and their links."""
        requested = self.tail.heads.keys() if heads is None else heads
        frame_heads, clip_heads = (
            [head for head in requested if head in FRAME_HEADS],
            [head for head in requested if head not in FRAME_HEADS],
        )
        shared = None if isinstance(self.trunk, (CompactTrunk, PaperTrunk)) else self.trunk(clips, links)
        logits: dict[str, Tensor] = {}
        for head_names, head_links in ((frame_heads, torch.zeros_like(links)), (clip_heads, links)):
            if head_names:
                features = self.trunk(clips, head_links) if shared is None else shared
                logits |= self.tail(features, head_links, head_names)
        return logits

    def trainable(self) -> list[nn.Parameter]:
        """Trainable parameters: the first layer, the tail and the heads."""
        return [value for value in self.parameters() if value.requires_grad]


def feature_trunk(student: CompactStudent | PaperStudent) -> CompactTrunk | PaperTrunk:
    """The frozen trunk of a stage-1 student, of either family."""
    return CompactTrunk(student) if isinstance(student, CompactStudent) else PaperTrunk(student)


def _frozen[M: nn.Module](network: M) -> M:
    frozen = copy.deepcopy(network).requires_grad_(requires_grad=False)
    return frozen.to(memory_format=torch.channels_last)

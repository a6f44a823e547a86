"""Feature targets of the compact family: which features would the head have drawn a given picture from?

The paper's student is told by the encoder of the diffusion model's VAE. The compact family has no such thing, so a
small encoder learns, before stage 2, to be the inverse of the stage-1 head.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vsadcvsr.nets.compact import CompactStudent
from vsadcvsr.spec import SCALE
from vsadcvsr.train.losses import distance

_PLACE = 8  # a place of the features is 8x8 pixels of the picture
_HIDDEN = 64
_SLOPE = 0.1
_TOP = 0.995  # the share of a channel's values below what is taken as its scale: features are sparse, means say little
_LEAST = 0.02
_RETURN = 0.05
"""The weight of giving back the student's own features. Less of it draws the target better, from features that no
student has: at 0.01 the encoder's features lay four times as far from the student's."""


class Targets(nn.Module):
    """Makes pictures (T, 3, 4H, 4W) of frames (T, 3, H, W) the features (T, C, H/2, W/2) that a student shall have.

    `scale` (C, 1, 1) says how large each channel of a student's features gets.
    """

    scale: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("scale", torch.ones(channels, 1, 1))

    def judged(self, features: Tensor, pictures: Tensor, frames: Tensor) -> Tensor:
        """What a discriminator of features is shown of a student: the features that its pictures came from."""
        del pictures, frames
        return features

    def apart(self, features: Tensor, other: Tensor) -> Tensor:
        """The mean absolute difference of two features, each channel in its scale."""
        return ((features.float() - other.float()) / self.scale).abs().mean()


class Encoder(Targets):
    """The compact family's: what the head adds to the plain upscale, through three layers, each frame by itself."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.enter = nn.Conv2d(3 * _PLACE**2, _HIDDEN, 3, padding=1)
        self.inner = nn.Conv2d(_HIDDEN, _HIDDEN, 3, padding=1)
        self.leave = nn.Conv2d(_HIDDEN, channels, 3, padding=1)
        nn.init.constant_(self.leave.bias, 0.1)  # type: ignore[arg-type]  # no channel starts dead

    def measure(self, features: Tensor) -> None:
        """Takes the scale of each channel from a student's features (T, C, H/2, W/2)."""
        self.scale.copy_(
            torch.quantile(features.transpose(0, 1).flatten(1), _TOP, dim=1).clamp_min(_LEAST)[:, None, None]
        )

    def judged(self, features: Tensor, pictures: Tensor, frames: Tensor) -> Tensor:
        """The encoder's features of the student's pictures: beside the encoder's of real ones, the student's own would
        be told apart by who made them, and not by what they show."""
        del features
        seen: Tensor = self(pictures, frames)
        return seen

    def forward(self, pictures: Tensor, frames: Tensor) -> Tensor:
        rest = pictures - F.interpolate(frames, scale_factor=float(SCALE), mode="bilinear")  # what the head adds
        x = F.leaky_relu(self.enter(F.pixel_unshuffle(rest, _PLACE) * _PLACE), _SLOPE)
        x = F.leaky_relu(self.inner(x), _SLOPE)
        return torch.relu(self.leave(x)) * self.scale  # the student's features are what a ReLU has left, too


def inversion(encoder: Encoder, student: CompactStudent, target: Tensor, frames: Tensor, links: Tensor) -> Tensor:
    """How far the encoder is from being the head's inverse: what is drawn from its features is not the picture, or the
    features of what the student drew are not the student's."""
    with torch.no_grad():
        features = student.features(frames, links)
        drawn = student.pictures(features, frames)
    found = student.pictures(encoder(target, frames), frames)
    return distance(found.float(), target) + _RETURN * encoder.apart(encoder(drawn, frames), features)

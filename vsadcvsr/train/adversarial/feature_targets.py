"""Feature targets of the compact family: an encoder that inverts the stage-1 head.

The paper's student has the encoder of the diffusion model's VAE. The compact family has none, so a small encoder is
trained, before stage 2, to be the inverse of the stage-1 head.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vsadcvsr.nets.compact import CompactStudent
from vsadcvsr.train.losses import smooth_l1

_HIDDEN = 64
_SLOPE = 0.1
_SCALE_QUANTILE = (
    0.995  # the share of a channel's values below what is taken as its scale: features are sparse, means say little
)
_MIN_SCALE = 0.02
_ROUND_TRIP_WEIGHT = 0.05
"""Weight of reproducing the student's own features. Less of it reconstructs the target better, from features that no
student has: at 0.01 the encoder's features were four times as far from the student's.
"""


class FeatureTargets(nn.Module):
    """Features (T, C, H/2, W/2) that a student shall have, of images (T, 3, sH, sW) and frames (T, 3, H, W).

    `scale` (C, 1, 1) is the scale of each channel of a student's features.
    """

    scale: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("scale", torch.ones(channels, 1, 1))

    def discriminator_features(self, features: Tensor, pictures: Tensor, frames: Tensor) -> Tensor:
        """A student's features for a discriminator: those from which its output was computed."""
        del pictures, frames
        return features

    def distance(self, features: Tensor, other: Tensor) -> Tensor:
        """The mean absolute difference of two features, each channel in its scale."""
        return ((features.float() - other.float()) / self.scale).abs().mean()


class FeatureEncoder(FeatureTargets):
    """Encoder of the compact family: three layers on the detail that the head adds to the plain upscale, frame by
    frame.
    """

    def __init__(self, channels: int, image_scale: int) -> None:
        super().__init__(channels)
        self.image_scale = image_scale
        self._cell = 2 * image_scale  # a place of the features is so many pixels of the image, squared
        self.stem = nn.Conv2d(3 * self._cell**2, _HIDDEN, 3, padding=1)
        self.inner = nn.Conv2d(_HIDDEN, _HIDDEN, 3, padding=1)
        self.head = nn.Conv2d(_HIDDEN, channels, 3, padding=1)
        nn.init.constant_(self.head.bias, 0.1)  # type: ignore[arg-type]  # no channel starts dead

    def set_scale(self, features: Tensor) -> None:
        """Takes the scale of each channel from a student's features (T, C, H/2, W/2)."""
        self.scale.copy_(
            torch.quantile(features.transpose(0, 1).flatten(1), _SCALE_QUANTILE, dim=1).clamp_min(_MIN_SCALE)[
                :, None, None
            ]
        )

    def discriminator_features(self, features: Tensor, pictures: Tensor, frames: Tensor) -> Tensor:
        """The encoder's features of the student's images, since the student's own features would differ from the
        encoder's features of real images by their origin, not by their content."""
        del features
        encoded: Tensor = self(pictures, frames)
        return encoded

    def forward(self, pictures: Tensor, frames: Tensor) -> Tensor:
        plain = F.interpolate(frames, scale_factor=float(self.image_scale), mode="bilinear")
        rest = pictures - plain  # what the head adds
        x = F.leaky_relu(self.stem(F.pixel_unshuffle(rest, self._cell) * self._cell), _SLOPE)
        x = F.leaky_relu(self.inner(x), _SLOPE)
        return torch.relu(self.head(x)) * self.scale  # the student's features are what a ReLU has left, too


def inversion_loss(
    encoder: FeatureEncoder, student: CompactStudent, target: Tensor, frames: Tensor, links: Tensor
) -> Tensor:
    """Loss of the encoder as the inverse of the head: the distance of images reconstructed from its features to the
    images, and of its features of the student's images to the student's features."""
    with torch.no_grad():
        features = student.features(frames, links)
        output = student.reconstruct(features, frames)
    reconstructed = student.reconstruct(encoder(target, frames), frames)
    return smooth_l1(reconstructed.float(), target) + _ROUND_TRIP_WEIGHT * encoder.distance(
        encoder(output, frames), features
    )

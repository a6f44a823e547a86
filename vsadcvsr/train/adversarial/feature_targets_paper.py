"""Feature targets of the paper's student: images through Stable Diffusion's VAE encoder and the half decoder's own
middle.

The path is AdcSR's (arXiv 2411.13383): the encoder's mean, not scaled, its `post_quant_conv`, and the first layer and
middle block of the half decoder as they were before distillation. All of it is frozen.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vsadcvsr.environment import NO_TELEMETRY, variables
from vsadcvsr.errors import WeightsError
from vsadcvsr.extras import needs
from vsadcvsr.nets.paper.model import PaperStudent
from vsadcvsr.nets.weights_file import mismatches, summary
from vsadcvsr.train.adversarial.feature_targets import FeatureTargets
from vsadcvsr.weights import adcsr_keys
from vsadcvsr.weights.convert import weights_in
from vsadcvsr.weights.safe_unpickle import TorchFile


class PaperFeatureTargets(FeatureTargets):
    """Images (T, 3, 4H, 4W) in 0..1 to features (T, F, H/2, W/2)."""

    def __init__(self, vae: Any, student: PaperStudent) -> None:  # noqa: ANN401  # diffusers' classes have no types
        super().__init__(1)
        features = student.dims.decoder[0]
        self.encoder, self.quantised = vae.encoder, vae.quant_conv
        self.unquantised = vae.post_quant_conv
        self.latents: int = vae.config.latent_channels
        self.stem = nn.Conv2d(self.latents, features, 3, padding=1)
        self.middle = type(student)(student.dims).decoder.middle
        self.requires_grad_(requires_grad=False)

    @classmethod
    def load(cls, vae: Path, half_decoder: Path, student: PaperStudent) -> PaperFeatureTargets:
        """From a VAE's folder in diffusers layout and AdcSR's `halfDecoder.ckpt`. Raises WeightsError, BackendError."""
        with needs("train", "the VAE"), variables(NO_TELEMETRY):
            from diffusers import AutoencoderKL
        try:
            loader: Any = AutoencoderKL
            vae_model = loader.from_pretrained(str(vae), local_files_only=True, low_cpu_mem_usage=False)
        except (OSError, ValueError) as error:
            raise WeightsError(f"{vae} holds no VAE in diffusers layout ({str(error).splitlines()[0]})") from error
        targets = cls(vae_model, student)
        targets._load_half_decoder(half_decoder)
        return targets

    def _load_half_decoder(self, half_decoder: Path) -> None:
        with TorchFile(half_decoder) as file:
            tensors = {
                name: torch.tensor(file.array(stored))
                for key, stored in weights_in(file).items()
                if (name := _name(key)) is not None
            }
        expected = self.state_dict()
        shapes = {name: tuple(expected[name].shape) for name in expected if name.startswith(("stem.", "middle."))}
        if problems := mismatches({name: tuple(value.shape) for name, value in tensors.items()}, shapes):
            raise WeightsError(f"{half_decoder} is not AdcSR's halfDecoder.ckpt: {summary(problems)}")
        self.load_state_dict(tensors, strict=False)

    def forward(self, pictures: Tensor, frames: Tensor) -> Tensor:  # noqa: ARG002  # features of the image only
        moments = self.quantised(self.encoder(pictures * 2 - 1))
        features: Tensor = self.middle(self.stem(self.unquantised(moments[:, : self.latents])))
        return features


def _name(key: str) -> str | None:
    """The name here of a tensor of `halfDecoder.ckpt`; None for what is not wanted."""
    plain = key.replace("decoder.", "")
    if "decoder." not in key or not plain.startswith(("conv_in.", "mid_block.")):
        return None
    if plain.startswith("conv_in."):
        return plain.replace("conv_in.", "stem.")
    return adcsr_keys.net_name("body.2." + plain.removeprefix("mid_block.")).removeprefix("decoder.")

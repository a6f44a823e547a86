"""Feature targets: the compact family's encoder inverts the head, the paper's is the VAE's and the half decoder's."""

from __future__ import annotations

import importlib
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.requirements import requires
from tests.train.tiny import TINY
from tests.weights.official_files import SMALL, save_decoder, small_decoder
from vsadcvsr.errors import UsageError, WeightsError
from vsadcvsr.nets.compact import CompactStudent
from vsadcvsr.nets.paper.model import PaperStudent
from vsadcvsr.train.adversarial.feature_targets import FeatureEncoder, inversion_loss
from vsadcvsr.train.adversarial.feature_targets_paper import PaperFeatureTargets
from vsadcvsr.train.adversarial.setup import check_pretrained, make_discriminators, make_feature_targets
from vsadcvsr.train.settings import AdversarialSettings
from vsadcvsr.train.students import links


def test_the_encoder_learns_to_invert_the_head() -> None:
    torch.manual_seed(0)
    student = CompactStudent(TINY).requires_grad_(requires_grad=False)
    torch.nn.init.normal_(student.head.weight, 0, 0.3)
    encoder = FeatureEncoder(TINY.width, TINY.scale)
    frames, target = torch.rand(4, 3, 8, 8), torch.rand(4, 3, 32, 32)
    encoder.set_scale(student.features(frames, links(2, 2)))
    optimiser = torch.optim.Adam(encoder.parameters(), 3e-3)
    losses = []
    for _ in range(30):
        loss = inversion_loss(encoder, student, target, frames, links(2, 2))
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        optimiser.step()
        losses.append(float(loss.detach()))
    assert encoder(target, frames).shape == (4, TINY.width, 4, 4)
    assert losses[-1] < 0.97 * losses[0]


def vae(folder: Path) -> Path:
    requires("diffusers")
    diffusers: Any = importlib.import_module("diffusers")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = diffusers.AutoencoderKL(
            block_out_channels=(4, 4, 4, 4), down_block_types=["DownEncoderBlock2D"] * 4,
            up_block_types=["UpDecoderBlock2D"] * 4, norm_num_groups=2, latent_channels=4, layers_per_block=1,
        )  # fmt: skip
        result.save_pretrained(str(folder))
    return folder


def test_the_papers_targets_follow_its_path(tmp_path: Path) -> None:
    """Against diffusers' own encoder, and the middle of a file in the official layout."""
    requires("diffusers")
    diffusers: Any = importlib.import_module("diffusers")
    folder, student = vae(tmp_path / "vae"), PaperStudent(SMALL)
    targets = PaperFeatureTargets.load(folder, save_decoder(tmp_path / "halfDecoder.ckpt"), student)
    pictures = torch.rand(2, 3, 64, 64)
    autoencoder = diffusers.AutoencoderKL.from_pretrained(str(folder), low_cpu_mem_usage=False)
    with torch.no_grad():
        latent = autoencoder.post_quant_conv(autoencoder.encode(pictures * 2 - 1).latent_dist.mean)
        kernel = small_decoder()["decoder.conv_in.weight"], small_decoder()["decoder.conv_in.bias"]
        entered = torch.nn.functional.conv2d(latent, *kernel, padding=1)
        result = targets(pictures, torch.zeros(2, 3, 16, 16))
        assert torch.allclose(result, targets.middle(entered), atol=1e-5)
    assert result.shape == student.features(torch.rand(2, 3, 16, 16), torch.tensor([0.0, 1])).shape
    assert not any(value.requires_grad for value in targets.parameters())
    middle = small_decoder()["decoder.mid_block.attentions.0.to_q.weight"]
    assert targets.state_dict()["middle.1.attention.query.weight"].equal(middle)


def test_what_the_papers_student_lacks_is_named(tmp_path: Path) -> None:
    student = PaperStudent(SMALL)
    with pytest.raises(UsageError, match=r"adversarial\.vae is missing"):
        make_feature_targets(AdversarialSettings(), student)
    with pytest.raises(UsageError, match=r"adversarial\.convnext_weights is missing"):
        make_discriminators(AdversarialSettings(domains=("pixel",)), student)
    (tmp_path / "tower.safetensors").write_bytes(b"no tower")
    with pytest.raises(WeightsError, match=r"tower\.safetensors cannot be read"):
        make_discriminators(
            AdversarialSettings(domains=("pixel",), convnext_weights=tmp_path / "tower.safetensors"), student
        )
    with pytest.raises(WeightsError, match="no VAE in diffusers layout"):
        make_feature_targets(AdversarialSettings(vae=tmp_path, half_decoder=tmp_path / "none.ckpt"), student)


def test_missing_parts_are_known_before_the_first_stage(tmp_path: Path) -> None:
    stage = AdversarialSettings(domains=("feature",), vae=tmp_path)
    with pytest.raises(UsageError, match=r"adversarial\.half_decoder is missing"):
        check_pretrained(stage, PaperStudent(SMALL))
    gone = tmp_path / "gone.ckpt"
    with pytest.raises(UsageError, match=r"^adversarial\.half_decoder is .*gone\.ckpt, which does not exist"):
        check_pretrained(replace(stage, half_decoder=gone), PaperStudent(SMALL))
    gone.touch()
    check_pretrained(replace(stage, half_decoder=gone), PaperStudent(SMALL))


def test_a_half_decoder_without_its_first_layer_is_refused(tmp_path: Path) -> None:
    less = {name: value for name, value in small_decoder().items() if "conv_in" not in name}
    file = save_decoder(tmp_path / "halfDecoder.ckpt", less)
    with pytest.raises(WeightsError, match=r"stem\.weight is missing"):
        PaperFeatureTargets.load(vae(tmp_path / "vae"), file, PaperStudent(SMALL))


def test_the_papers_features_are_discriminated_by_its_own_unet() -> None:
    student = PaperStudent(SMALL)
    (discriminator,) = make_discriminators(AdversarialSettings(domains=("feature",), width=8), student).values()
    logits = discriminator(torch.rand(2, SMALL.decoder[0], 8, 8), torch.tensor([0.0, 1]))
    assert {name: tuple(value.shape) for name, value in logits.items()} == {
        "detail": (2, 6, 8, 8), "consistency": (2, 2, 8, 8),
    }  # fmt: skip

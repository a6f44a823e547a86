"""Discriminators: their shapes, what may learn in them, and exact counts at paper size."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import nn

from tests.train.tiny import HALF_SIZE, TINY
from vsadcvsr.errors import WeightsError
from vsadcvsr.nets.compact import CompactDims, CompactStudent
from vsadcvsr.nets.efficientnet import Trunk as EfficientNetTrunk
from vsadcvsr.nets.paper.model import PaperStudent
from vsadcvsr.train.adversarial.convnext import ConvNextDims, ConvNextTrunk
from vsadcvsr.train.adversarial.discriminators import (
    CompactTrunk,
    Discriminator,
    PaperTrunk,
    PixelTrunk,
    PretrainedTrunk,
    Trunk,
    feature_trunk,
    split_heads,
)
from vsadcvsr.train.students import links

SMALL = ConvNextDims(depths=(1, 1), widths=(4, 8))


def discriminator(trunk: Trunk, width: int = 8) -> Discriminator:
    torch.manual_seed(1)
    return Discriminator(trunk, width, split_heads(width, 0.75))


def count(values: list[nn.Parameter]) -> int:
    return sum(value.numel() for value in values)


def test_the_heads_of_256_channels_are_192_and_64() -> None:
    assert split_heads(256, 0.75) == {"detail": 192, "consistency": 64}


@pytest.mark.parametrize(
    ("trunk", "shape", "grid"),
    [
        (lambda: PixelTrunk(8), (3, 32, 32), (8, 8)),
        (lambda: PretrainedTrunk(EfficientNetTrunk(), 8), (3, 32, 32), (8, 8)),
        (lambda: CompactTrunk(CompactStudent(TINY)), (4, 8, 8), (8, 8)),
        (lambda: ConvNextTrunk(SMALL), (3, 32, 32), (4, 4)),
    ],
    ids=["pixels", "efficientnet", "features", "convnext"],
)
def test_logits_are_dense_maps(trunk: type[PixelTrunk], shape: tuple[int, int, int], grid: tuple[int, int]) -> None:
    result = discriminator(trunk())(torch.rand(6, *shape), links(2, 3))  # type: ignore[call-arg]
    assert {name: tuple(logits.shape) for name, logits in result.items()} == {
        "detail": (6, 6, *grid), "consistency": (6, 2, *grid),
    }  # fmt: skip


def test_clips_of_a_batch_do_not_see_each_other() -> None:
    network = discriminator(PixelTrunk(8)).eval()
    first, second = torch.rand(3, 3, 16, 16), torch.rand(3, 3, 16, 16)
    alone, both = network(first, links(1, 3)), network(torch.cat([first, second]), links(2, 3))
    assert torch.allclose(alone["consistency"], both["consistency"][:3], atol=1e-6)


def test_the_order_of_frames_matters_to_the_discriminator() -> None:
    network, clip = discriminator(PixelTrunk(8)).eval(), torch.rand(4, 3, 16, 16)
    there, back = network(clip, links(1, 4)), network(clip.flip(0), links(1, 4))
    assert not torch.allclose(there["consistency"], back["consistency"].flip(0), atol=1e-4)


def test_the_detail_head_sees_no_motion() -> None:
    network, clip = discriminator(CompactTrunk(CompactStudent(TINY))).eval(), torch.rand(4, 4, 8, 8)
    there, back = network(clip, links(1, 4)), network(clip.flip(0), links(1, 4))
    assert torch.allclose(there["detail"], back["detail"].flip(0), atol=1e-6)
    assert list(network(clip, links(1, 4), ["consistency"])) == ["consistency"]


@pytest.mark.parametrize(("dims", "layers"), [(TINY, ("stem", "skip")), (HALF_SIZE, ("skip",))])
def test_a_frozen_trunk_learns_in_its_first_layers_alone(dims: CompactDims, layers: tuple[str, ...]) -> None:
    student = CompactStudent(dims)
    network = discriminator(feature_trunk(student))
    learning = {name for name, value in network.named_parameters() if value.requires_grad}
    first = {f"trunk.student.{layer}.{part}" for layer in layers for part in ("weight", "bias")}
    assert {name for name in learning if name.startswith("trunk")} == first
    logits = network(torch.rand(3, 4, 8, 8), links(1, 3))
    torch.stack([part.mean() for part in logits.values()]).sum().backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    assert all(value.grad is not None for value in network.trainable())
    assert all(value.requires_grad for value in student.parameters())


def test_a_pretrained_trunk_passes_gradients_and_its_frozen_part_learns_nothing() -> None:
    network = discriminator(PretrainedTrunk(EfficientNetTrunk(), 8))
    frames = torch.rand(2, 3, 37, 50, requires_grad=True)
    torch.stack([part.mean() for part in network(frames, links(1, 2)).values()]).sum().backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    assert frames.grad is not None
    assert frames.grad.abs().max() > 0
    named = {name for name, value in network.named_parameters() if value.requires_grad and "trunk" in name}
    assert {name.split(".")[1] for name in named} == {"mix", "stem", "inner"}


def test_a_pretrained_trunk_sees_a_checkerboard_of_pixels_and_no_brightness() -> None:
    torch.manual_seed(1)
    trunk, grey = PretrainedTrunk(EfficientNetTrunk(), 8).eval(), torch.full((1, 3, 32, 32), 0.5)
    checkerboard = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).tile(16, 16) * 4 / 255
    flat, brighter, marked = (trunk.pixel_features(frames) for frames in (grey, grey + 0.2, grey + checkerboard))
    assert torch.allclose(flat, brighter, atol=1e-5)
    assert (marked - flat).abs().max() > 0.05


def test_counts_and_shapes_at_paper_size() -> None:
    """By hand: the first layer of a tail, then its 1D and its second 2D convolution, then the heads."""
    tail = 3 * 256 * 256 + 256 + 9 * 256 * 256 + 256 + 256 * 256 + 256
    spatial = {channels: 9 * channels * 256 + 256 for channels in (256, 5760)}
    with torch.device("meta"):
        pixel, student = ConvNextTrunk(), PaperStudent()
        discriminators = [Discriminator(trunk, 256, split_heads(256, 0.75)) for trunk in (pixel, PaperTrunk(student))]
        of_images = discriminators[0](torch.empty(2, 3, 512, 512), torch.empty(2))
        of_features = discriminators[1](torch.empty(2, 256, 64, 64), torch.empty(2))
    assert {name: tuple(logits.shape) for name, logits in of_images.items()} == {
        "detail": (2, 192, 64, 64), "consistency": (2, 64, 64, 64),
    }  # fmt: skip
    assert [logits.shape for logits in of_features.values()] == [logits.shape for logits in of_images.values()]
    stem = 3 * 4 * 4 * 384 + 384
    assert count(discriminators[0].trainable()) == stem + spatial[5760] + tail == 14_142_848
    widened = 9 * 256 * 240 + 240
    assert count(discriminators[1].trainable()) == widened + spatial[256] + tail == 1_996_016
    assert count(list(pixel.parameters())) == convnext_xxlarge()
    unet = count(list(student.unet.parameters())) - (9 * 12 * 240 + 240)
    assert count(list(discriminators[1].parameters())) == unet + 1_996_016 == 562_527_312


def convnext_xxlarge() -> int:
    """The tower without its classifier, by hand."""
    depths, widths = (3, 4, 30, 3), (384, 768, 1536, 3072)
    blocks = sum(n * (49 * c + c + 2 * c + 8 * c * c + 5 * c + c) for n, c in zip(depths, widths, strict=True))
    between = sum(2 * a + 4 * a * b + b for a, b in itertools.pairwise(widths))
    return blocks + between + 3 * 16 * 384 + 384 + 2 * 384


def test_weights_of_open_clip_are_loaded_by_their_names() -> None:
    torch.manual_seed(2)
    first, other = ConvNextTrunk(SMALL), ConvNextTrunk(SMALL)
    tensors = {f"visual.trunk.{name}": value for name, value in first.state_dict().items()}
    other.load_open_clip(tensors | {"visual.trunk.head.norm.weight": torch.zeros(1), "text.x": torch.zeros(1)})
    pictures = torch.rand(1, 3, 32, 32)
    assert torch.equal(first(pictures, torch.zeros(1)), other(pictures, torch.zeros(1)))
    del tensors["visual.trunk.stem.0.weight"]
    with pytest.raises(WeightsError, match=r"stem\.0\.weight is missing"):
        other.load_open_clip(tensors)


def test_logits_start_near_zero() -> None:
    logits = discriminator(PixelTrunk(8))(torch.rand(3, 3, 16, 16), links(1, 3))["detail"]
    assert float(logits.detach().abs().mean()) < math.log(2)

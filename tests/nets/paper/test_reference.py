"""The paper's network against the blocks of diffusers, put together as AdcSR does it, with the same weights."""

from __future__ import annotations

import copy
import importlib
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.nets.paper import small_paper
from tests.nets.streaming import clip, streamed
from tests.requirements import requires
from tests.weights import official_files
from vsadcvsr.nets.paper.config import PaperDims
from vsadcvsr.nets.paper.model import PaperStudent
from vsadcvsr.nets.weights_file import load_weights
from vsadcvsr.weights.convert import convert

requires("diffusers")
blocks: Any = importlib.import_module("diffusers.models.unets.unet_2d_blocks")
vae: Any = importlib.import_module("diffusers.models.autoencoders.vae")

DIMS = PaperDims(name="reference", widths=(12, 24, 48, 48), head_dim=6, decoder=(32, 32, 16, 8), groups=(4, 3, 2, 1),
                 temporal=False)  # fmt: skip
EXACT = 1e-9  # in fp64: rounding through a hundred layers


class Reference(nn.Module):
    """AdcSR out of the blocks of diffusers, for one frame at a time. Any, because what they are made of is untyped."""

    def __init__(self) -> None:
        super().__init__()
        w0, w1, w2, w3 = DIMS.widths
        unet: Any = nn.Module()
        unet.conv_in = nn.Conv2d(12, w0, 3, padding=1)
        common: dict[str, Any] = {"temb_channels": None, "resnet_eps": 1e-5, "resnet_groups": 1}
        attended = common | {"cross_attention_dim": None, "use_linear_projection": True}
        unet.down_blocks = nn.ModuleList(
            blocks.CrossAttnDownBlock2D(before, width, num_layers=2, num_attention_heads=width // 6, **attended)
            for before, width in ((w0, w0), (w0, w1), (w1, w2))
        )
        unet.down_blocks.append(blocks.DownBlock2D(w2, w3, num_layers=2, add_downsample=False, **common))
        unet.mid_block = blocks.UNetMidBlock2DCrossAttn(w3, num_attention_heads=w3 // 6, **attended)
        unet.up_blocks = nn.ModuleList([blocks.UpBlock2D(w2, w3, w3, num_layers=3, **common)])
        for skip, before, width, last in ((w1, w3, w2, False), (w0, w2, w1, False), (w0, w1, w0, True)):
            unet.up_blocks.append(
                blocks.CrossAttnUpBlock2D(skip, width, before, num_layers=3, num_attention_heads=width // 6,
                                          add_upsample=not last, **attended)
            )  # fmt: skip
        unet.conv_norm_out = nn.GroupNorm(1, w0, 1e-5)
        unet.conv_out = nn.Conv2d(w0, DIMS.decoder[0], 3, padding=1)
        self.unet = unet
        self.decoder = vae.Decoder(
            4, 3, ("UpDecoderBlock2D",) * 4, tuple(reversed(DIMS.decoder)), layers_per_block=2, norm_num_groups=1
        )
        for module in self.modules():
            if isinstance(module, nn.GroupNorm):
                module.num_groups = DIMS.groups_of(module.num_channels)

    def forward(self, frames: Tensor) -> Tensor:
        unet, decoder = self.unet, self.decoder
        x = unet.conv_in(nn.functional.pixel_unshuffle(frames * 2 - 1, 2))
        aside = [x]
        for block in unet.down_blocks:
            x, more = block(hidden_states=x, temb=None)
            aside += more
        x = unet.mid_block(x)
        for block in unet.up_blocks:
            count = len(block.resnets)
            x = block(hidden_states=x, res_hidden_states_tuple=tuple(aside[-count:]), temb=None)
            del aside[-count:]
        x = decoder.mid_block(unet.conv_out(nn.functional.silu(unet.conv_norm_out(x))))
        for block in decoder.up_blocks:
            x = block(x)
        pictures: Tensor = decoder.conv_out(decoder.conv_act(decoder.conv_norm_out(x))) / 2 + 0.5
        return pictures


@pytest.fixture(scope="module")
def reference() -> Reference:
    torch.set_num_threads(1)
    torch.manual_seed(3)
    net = Reference().eval()
    with torch.no_grad():
        for weight in net.parameters():
            spread, middle = (0.1, 0.5) if weight.ndim == 1 else ((0.5 / weight[0].numel()) ** 0.5, 0)
            weight.copy_(torch.randn_like(weight) * spread + middle)
    return net


@pytest.fixture(scope="module")
def ours(reference: Reference, tmp_path_factory: pytest.TempPathFactory) -> PaperStudent:
    """The network with the weights of the reference, by way of AdcSR's files."""
    folder: Path = tmp_path_factory.mktemp("reference")
    tensors = reference.state_dict()
    unet, half = ({name.removeprefix(start): value for name, value in tensors.items() if name.startswith(start)}
                  for start in ("unet.", "decoder."))  # fmt: skip
    middle = {name.removeprefix("mid_block."): value for name, value in half.items() if name.startswith("mid_block.")}
    official_files.save_net(folder / "net.pkl", official_files.net_of(unet, middle))
    official_files.save_decoder(folder / "half.ckpt", {f"decoder.{name}": value for name, value in half.items()})
    convert([folder / "net.pkl", folder / "half.ckpt"], folder / "ours.safetensors", candidates=[DIMS])
    net = load_weights(folder / "ours.safetensors")
    assert isinstance(net, PaperStudent)
    return net


def exact(net: nn.Module) -> Any:
    """The same network in fp64."""
    return copy.deepcopy(net).double()


@pytest.mark.parametrize("size", [(16, 16), (32, 48)])
def test_pictures_are_those_of_diffusers_blocks(
    ours: PaperStudent, reference: Reference, size: tuple[int, int]
) -> None:
    x, links = clip(2, set(), size)
    with torch.inference_mode():
        wanted = exact(reference)(x.double())
        torch.testing.assert_close(exact(ours)(x.double(), links), wanted, atol=EXACT, rtol=0)
        torch.testing.assert_close(ours(x, links), wanted.float(), atol=1e-5, rtol=0)
    assert wanted.std() > 0.05  # or everything would equal everything


def test_with_new_temporal_blocks_they_still_are(ours: PaperStudent, reference: Reference) -> None:
    x, links = clip(3, {2}, (16, 16))
    grown = small_paper.with_temporal_blocks(ours).eval()
    with torch.inference_mode():
        output = streamed(grown, x, links, [40])
        torch.testing.assert_close(output, exact(reference)(x.double()).float(), atol=1e-5, rtol=0)


def test_the_softmax_is_scaled_by_the_width_of_a_head(ours: PaperStudent, reference: Reference) -> None:
    block = exact(reference).unet.mid_block.attentions[0].transformer_blocks[0]
    theirs, mine = block.attn1, exact(ours).unet.middle[0].transformer.attention
    x = torch.randn(1, 9, DIMS.widths[-1], dtype=torch.float64) * 3
    with torch.inference_mode():
        query, key, value = (
            layer(x).unflatten(2, (-1, DIMS.head_dim)).transpose(1, 2) for layer in (mine.query, mine.key, mine.value)
        )
        weights = (query @ key.transpose(2, 3) / DIMS.head_dim**0.5).softmax(3)
        wanted = mine.out((weights @ value).transpose(1, 2).flatten(2))
        torch.testing.assert_close(mine(x), wanted, atol=EXACT, rtol=0)
        torch.testing.assert_close(theirs(x), wanted, atol=EXACT, rtol=0)

"""Files laid out as AdcSR's official ones, written from the published list of their names and shapes."""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor

from vsadcvsr.nets.paper.config import PaperDims

SMALL = PaperDims(
    name="small-image", widths=(4, 8, 8, 8), head_dim=4, decoder=(8, 8, 4, 4), groups=(2, 1), temporal=False
)

type Shapes = dict[str, tuple[int, ...]]
type Tensors = OrderedDict[str, Tensor]

_TWINS = (
    *(f"down_blocks.{index}" for index in range(4)), "mid_block", *(f"up_blocks.{index}" for index in range(4)),
    "conv_norm_out", "activation", "conv_out",
)  # fmt: skip


def _affine(name: str, *shape: int) -> Shapes:
    return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}


def _resnet(name: str, entering: int, leaving: int) -> Shapes:
    shapes = _affine(f"{name}.norm1", entering) | _affine(f"{name}.conv1", leaving, entering, 3, 3)
    shapes |= _affine(f"{name}.norm2", leaving) | _affine(f"{name}.conv2", leaving, leaving, 3, 3)
    return shapes | (_affine(f"{name}.conv_shortcut", leaving, entering, 1, 1) if entering != leaving else {})


def _transformer(name: str, width: int) -> Shapes:
    inner = f"{name}.transformer_blocks.0"
    shapes = _affine(f"{name}.norm", width) | _affine(f"{name}.proj_in", width, width)
    shapes |= _affine(f"{inner}.norm1", width) | _affine(f"{inner}.norm3", width)
    shapes |= {f"{inner}.attn1.to_{item}.weight": (width, width) for item in "qkv"}
    shapes |= _affine(f"{inner}.attn1.to_out.0", width, width)
    shapes |= _affine(f"{inner}.ff.net.0.proj", 8 * width, width) | _affine(f"{inner}.ff.net.2", width, 4 * width)
    return shapes | _affine(f"{name}.proj_out", width, width)


def unet_shapes(dims: PaperDims) -> Shapes:
    """The UNet's names, without `body.1.`, for four widths and two layers."""
    first, second, third, fourth = dims.widths
    downward = (first, first, second, third)
    upward = (
        (fourth + fourth, fourth + fourth, fourth + third),
        (fourth + third, third + third, third + second),
        (third + second, second + second, second + first),
        (second + first, first + first, first + first),
    )
    shapes = _affine("conv_in", first, 12, 3, 3)
    for index, width in enumerate(dims.widths):
        for at, inputs in enumerate((downward[index], width)):
            shapes |= _resnet(f"down_blocks.{index}.resnets.{at}", inputs, width)
            shapes |= _transformer(f"down_blocks.{index}.attentions.{at}", width) if index < 3 else {}
        shapes |= _affine(f"down_blocks.{index}.downsamplers.0.conv", width, width, 3, 3) if index < 3 else {}
    for at in range(2):
        shapes |= _resnet(f"mid_block.resnets.{at}", fourth, fourth)
    shapes |= _transformer("mid_block.attentions.0", fourth)
    for index, widths in enumerate(upward):
        width = dims.widths[3 - index]
        for at, inputs in enumerate(widths):
            shapes |= _resnet(f"up_blocks.{index}.resnets.{at}", inputs, width)
            shapes |= _transformer(f"up_blocks.{index}.attentions.{at}", width) if index else {}
        shapes |= _affine(f"up_blocks.{index}.upsamplers.0.conv", width, width, 3, 3) if index < 3 else {}
    return shapes | _affine("conv_norm_out", first) | _affine("conv_out", dims.decoder[0], first, 3, 3)


def middle_shapes(width: int) -> Shapes:
    """The decoder's middle."""
    shapes = _resnet("resnets.0", width, width) | _resnet("resnets.1", width, width)
    shapes |= _affine("attentions.0.group_norm", width)
    for name in ("to_q", "to_k", "to_v", "to_out.0"):
        shapes |= _affine(f"attentions.0.{name}", width, width)
    return shapes


def decoder_shapes(dims: PaperDims) -> Shapes:
    """The half decoder, its own middle included."""
    features, last = dims.decoder[0], dims.decoder[3]
    shapes = _affine("conv_in", features, 4, 3, 3)
    shapes |= {f"mid_block.{name}": shape for name, shape in middle_shapes(features).items()}
    for index, width in enumerate(dims.decoder):
        before = dims.decoder[max(index - 1, 0)]
        for at in range(3):
            shapes |= _resnet(f"up_blocks.{index}.resnets.{at}", width if at else before, width)
        shapes |= _affine(f"up_blocks.{index}.upsamplers.0.conv", width, width, 3, 3) if index < 3 else {}
    return shapes | _affine("conv_norm_out", last) | _affine("conv_out", 3, last, 3, 3)


def net_of(unet: dict[str, Tensor], middle: dict[str, Tensor]) -> Tensors:
    """What `net_params_200.pkl` holds: `module.` before each name, and most of the UNet twice."""
    net = {f"module.body.1.{name}": value for name, value in unet.items()}
    for number, prefix in enumerate(_TWINS):
        net |= {
            f"module.body.1.body.{number}.{name.removeprefix(prefix + '.')}": value
            for name, value in unet.items()
            if name.startswith(prefix + ".")
        }
    return OrderedDict(net | {f"module.body.2.{name}": value for name, value in middle.items()})


def random(shapes: Shapes, seed: int) -> dict[str, Tensor]:
    """Tensors of which no two are the same."""
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.rand(shape, generator=generator) * 0.2 for name, shape in shapes.items()}


def small_net() -> Tensors:
    return net_of(random(unet_shapes(SMALL), 1), random(middle_shapes(SMALL.decoder[0]), 2))


def small_decoder() -> dict[str, Tensor]:
    decoder = {f"decoder.{name}": value for name, value in random(decoder_shapes(SMALL), 3).items()}
    return decoder | {"encoder.conv_in.weight": torch.zeros(2), "loss.logvar": torch.zeros(())}


def save_net(path: Path, net: Tensors | None = None) -> Path:
    torch.save(net or small_net(), path)
    return path


def save_decoder(path: Path, decoder: dict[str, Tensor] | None = None) -> Path:
    """As a training framework leaves it, with an object of its own inside."""
    with _framework() as kind:
        tensors = {
            "epoch": 3,
            "callbacks": {kind: {"best_model_score": torch.tensor(0.5), "kind": kind("x")}},
            "state_dict": OrderedDict(decoder or small_decoder()),
        }
        torch.save(tensors, path)
    return path


@contextmanager
def _framework() -> Iterator[type]:
    """A class that pickles by the name of one that is not installed when the file is read."""
    name = "pytorch_lightning.callbacks.model_checkpoint"
    parts = [name.rsplit(".", count)[0] for count in (2, 1)] + [name]

    class ModelCheckpoint:
        def __init__(self, word: str) -> None:
            self.word = word

    ModelCheckpoint.__module__, ModelCheckpoint.__qualname__ = name, "ModelCheckpoint"
    for part in parts:
        sys.modules[part] = ModuleType(part)
    sys.modules[name].ModelCheckpoint = ModelCheckpoint  # type: ignore[attr-defined]  # a module of our own
    try:
        yield ModelCheckpoint
    finally:
        for part in parts:
            del sys.modules[part]

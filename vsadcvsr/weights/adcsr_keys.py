"""Mapping of the tensor names of the official AdcSR files to ours.

`net_params_200.pkl` holds the UNet and the decoder's middle, as saved by a distributed run: `module.` before each name,
and most of the UNet twice, since the run's discriminator split it into stages. `halfDecoder.ckpt` holds a whole
autoencoder, of which the end of the decoder is used; its middle is an older one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_UNET = "body.1."
_MIDDLE = "body.2."
_REPEATED = "body.1.body."

_STAGES = (
    *(f"down_blocks.{index}" for index in range(4)),
    "mid_block",
    *(f"up_blocks.{index}" for index in range(4)),
    "conv_norm_out",
    "activation",
    "conv_out",
)
"""Stages by the numbers after `body.1.body.`."""

_RESNET = (("conv_shortcut", "shortcut"),)
_TRANSFORMER = (
    ("transformer_blocks.0.norm1", "attention_norm"),
    ("transformer_blocks.0.norm3", "gate_norm"),
    ("transformer_blocks.0.ff.net.0.proj", "gate"),
    ("transformer_blocks.0.ff.net.2", "narrow"),
    ("transformer_blocks.0.attn1.", "attention."),
)
_ATTENTION = (("to_q.", "query."), ("to_k.", "key."), ("to_v.", "value."), ("to_out.0.", "out."))
_STAGED = (
    (r"^down_blocks\.(\d+)\.resnets\.(\d+)\.", r"down.\1.layers.\2.resnet."),
    (r"^down_blocks\.(\d+)\.attentions\.(\d+)\.", r"down.\1.layers.\2.transformer."),
    (r"^down_blocks\.(\d+)\.downsamplers\.0\.conv\.", r"down.\1.sampler."),
    (r"^up_blocks\.(\d+)\.resnets\.(\d+)\.", r"up.\1.layers.\2.resnet."),
    (r"^up_blocks\.(\d+)\.attentions\.(\d+)\.", r"up.\1.layers.\2.transformer."),
    (r"^up_blocks\.(\d+)\.upsamplers\.0\.conv\.", r"up.\1.sampler."),
    (r"^mid_block\.resnets\.(\d+)\.", r"middle.\1.resnet."),
    (r"^mid_block\.attentions\.(\d+)\.", r"middle.\1.transformer."),
    (r"^conv_in\.", "stem."),
    (r"^conv_norm_out\.", "norm."),
    (r"^conv_out\.", "head."),
)
_TAILED = (
    (r"^up_blocks\.(\d+)\.resnets\.", r"stages.\1.resnets."),
    (r"^up_blocks\.(\d+)\.upsamplers\.0\.conv\.", r"stages.\1.sampler."),
    (r"^conv_norm_out\.", "norm."),
    (r"^conv_out\.", "head."),
)
_MIDDLED = (
    (r"^resnets\.0\.", "middle.0."),
    (r"^attentions\.0\.group_norm\.", "middle.1.norm."),
    (r"^attentions\.0\.", "middle.1.attention."),
    (r"^resnets\.1\.", "middle.2."),
)
_TAIL = ("up_blocks.", "conv_norm_out.", "conv_out.")


def is_net(names: Mapping[str, object]) -> bool:
    """Whether these are the names of `net_params_200.pkl`."""
    return any(_plain(name).startswith((_UNET, _MIDDLE)) for name in names)


def is_decoder(names: Mapping[str, object]) -> bool:
    """Whether these are the names in `halfDecoder.ckpt`."""
    return not is_net(names) and any("decoder.up_blocks." in name for name in names)


def deduplicated[T](tensors: Mapping[str, T]) -> tuple[dict[str, T], dict[str, str]]:
    """`net_params_200.pkl` without `module.` and without repetitions; and of which name each of those is another."""
    unique, repeats = dict[str, T](), dict[str, str]()
    for name, value in tensors.items():
        plain = _plain(name)
        if plain.startswith(_REPEATED):
            repeats[name] = _first_name(plain)
        else:
            unique[plain] = value
    return unique, repeats


def net_name(name: str) -> str:
    """The name here of a tensor of `net_params_200.pkl`; an unknown one is returned unchanged."""
    if name.startswith(_MIDDLE):
        return "decoder." + _translate_blocks(_translate(name.removeprefix(_MIDDLE), _MIDDLED))
    if name.startswith(_UNET):
        return "unet." + _translate_blocks(_translate(name.removeprefix(_UNET), _STAGED))
    return name


def decoder_name(name: str) -> str | None:
    """The name here of a tensor of `halfDecoder.ckpt`; None for what is not wanted."""
    plain = name.replace("decoder.", "")
    if "decoder." not in name or not plain.startswith(_TAIL):
        return None
    return "decoder." + _translate_blocks(_translate(plain, _TAILED))


def _plain(name: str) -> str:
    return name.removeprefix("module.")


def _first_name(plain: str) -> str:
    number, _, rest = plain.removeprefix(_REPEATED).partition(".")
    known = number.isdecimal() and int(number) < len(_STAGES)
    return f"{_UNET}{_STAGES[int(number)]}.{rest}" if known else plain


def _translate(name: str, table: tuple[tuple[str, str], ...]) -> str:
    for pattern, ours in table:
        name, count = re.subn(pattern, ours, name)
        if count:
            return name
    return name


def _translate_blocks(name: str) -> str:
    for theirs, ours in (*_RESNET, *_TRANSFORMER, *_ATTENTION):
        name = name.replace(theirs, ours)
    return name

"""Image networks of other people's weights files, which spandrel loads: frame by frame, without state.

spandrel (pip install spandrel) knows some forty architectures (ESRGAN, SRVGGNetCompact, SPAN, DAT, …) by the names of
their tensors. Weights are read as tensors alone: nothing in a file is run.
"""

from __future__ import annotations

import importlib
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vsadcvsr.blending import Blend
from vsadcvsr.color import LUMA_709
from vsadcvsr.errors import WeightsError, one_line
from vsadcvsr.extras import needs
from vsadcvsr.nets import weights_file
from vsadcvsr.nets.weights_file import Student
from vsadcvsr.spec import SCALES, ModelSpec, Tiling

_CHANNELS = {1: "grey", 3: "RGB"}
_TILING: Mapping[str, Tiling] = {"SUPPORTED": "supported", "DISCOURAGED": "discouraged", "INTERNAL": "refused"}
"""What spandrel says of tiles, as facts of a model."""


class ImageNetwork(nn.Module):
    """A network of single images in the form of the students: a step without state."""

    def __init__(self, descriptor: Any, name: str) -> None:  # noqa: ANN401 - spandrel's
        super().__init__()
        self.net: nn.Module = descriptor.model
        self._call = descriptor  # with what the architecture does before and after
        halves = {"fp16": descriptor.supports_half, "bf16": descriptor.supports_bfloat16}
        self.spec = ModelSpec(
            name=name,
            lookahead=0,
            scale=descriptor.scale,
            multiple=descriptor.size_requirements.multiple_of,
            minimum=max(1, descriptor.size_requirements.minimum),
            reach=None,
            reach_unknown=descriptor.tiling.name == "SUPPORTED",
            tiling=_TILING[descriptor.tiling.name],
            split_output=descriptor.input_channels == 1,
            precisions=("fp32", *(precision for precision, is_supported in halves.items() if is_supported)),
        )
        self.luma_weights: Tensor
        self.register_buffer("luma_weights", torch.tensor(LUMA_709)[:, None, None], persistent=False)

    def initial_state(self, height: int, width: int) -> tuple[Tensor, ...]:
        """No tensors."""
        del height, width
        return ()

    def step(
        self, frames: Tensor, links: Tensor, state: tuple[Tensor, ...]
    ) -> tuple[Tensor | tuple[Tensor, Tensor], tuple[Tensor, ...]]:
        """The output for frames (T, 3, H, W): RGB, or the frames and the detail that a grey network adds to luma."""
        del links, state
        if not self.spec.split_output:
            return self._images(frames), ()
        luma = (frames * self.luma_weights).sum(1, keepdim=True)  # (T, 1, H, W)
        plain = nn.functional.interpolate(luma, scale_factor=self.spec.scale, mode="bilinear", align_corners=False)
        return (frames, (self._images(luma) - plain)[:, 0]), ()

    def _images(self, images: Tensor) -> Tensor:
        return torch.cat([self._call(image[None]).float() for image in images])


def load_network(path: Path, blend: Blend | None = None) -> Student | ImageNetwork:
    """The network of a weights file: of AdcVSR, or else one that spandrel knows.

    Raises WeightsError, or MissingError without spandrel.
    """
    if path.suffix == ".safetensors" and weights_file.is_own(path):
        return weights_file.load_weights(path, blend)
    if blend:
        raise WeightsError(f"{path} has no restoring weights that AdcVSR made; leave denoise at 0")
    return image_network(path)


def image_network(path: Path) -> ImageNetwork:
    """The network of a file of any origin.

    Raises MissingError without spandrel, WeightsError for a file that is no such network.
    """
    with needs("spandrel", f"{path.name}, which AdcVSR did not write,"):
        spandrel: Any = importlib.import_module("spandrel")
    tensors = _tensors(path)
    try:
        descriptor = spandrel.ModelLoader(device="cpu").load_from_state_dict(spandrel.canonicalize_state_dict(tensors))
    except Exception as cause:  # readers of each architecture raise different errors
        reason = one_line(cause, 200) or type(cause).__name__
        raise WeightsError(f"{path} is no network that spandrel knows: {reason}; export it to .onnx") from cause
    if problem := _problem(descriptor, is_image=isinstance(descriptor, spandrel.ImageModelDescriptor)):
        raise WeightsError(f"{path} is a network ({descriptor.architecture.name}) that {problem}")
    return ImageNetwork(descriptor, path.stem).eval().requires_grad_(False)


def _problem(descriptor: Any, *, is_image: bool) -> str:  # noqa: ANN401 - spandrel's
    """Why a network cannot be used on frames; empty if it can."""
    channels = descriptor.input_channels, descriptor.output_channels
    if not is_image:
        return "takes a mask with each image; a network with one image in and one image out is needed"
    if descriptor.size_requirements.square or descriptor.purpose == "FaceSR":
        return "takes square images of faces; a network for frames of any shape is needed"
    if channels[0] not in _CHANNELS or channels[0] != channels[1]:
        return f"makes {channels[1]} channels of {channels[0]}, allowed: as many, 3 (RGB) or 1 (grey)"
    if descriptor.scale not in SCALES:
        return f"enlarges by {descriptor.scale}, allowed: {', '.join(map(str, SCALES))}"
    return ""


def _tensors(path: Path) -> dict[str, Any]:
    """The content of a weights file, of which torch builds nothing but tensors and containers."""
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path, device="cpu")
        content: object = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if name := re.search(r"GLOBAL (\S+)", str(error)):
            hint = "nothing of it was run; save the state_dict alone, best as .safetensors"
            raise WeightsError(f"{path} has more than weights in it ({name[1]}); {hint}") from error
        raise _damaged(path, error) from error
    except Exception as error:  # what the readers of damaged archives raise
        raise _damaged(path, error) from error
    if not isinstance(content, dict):
        kind = type(content).__name__
        raise WeightsError(f"{path} holds no tensors by name, but a {kind}; save the state_dict alone")
    return content


def _damaged(path: Path, error: Exception) -> WeightsError:
    problem = weights_file.load_problem(error)
    return WeightsError(f"{path} cannot be read as weights ({problem}); it is truncated or another kind of file")

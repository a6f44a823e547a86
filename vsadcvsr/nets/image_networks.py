"""Other people's image networks, loaded from their files by spandrel, run frame by frame on the CPU.

spandrel (pip install spandrel) knows some forty architectures (ESRGAN, SRVGGNetCompact, SPAN, DAT, …) by the names of
their tensors, and reads .safetensors and .pth files without running anything in them.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from vsadcvsr.errors import FormatError, WeightsError, one_line
from vsadcvsr.extras import needs
from vsadcvsr.spec import SCALE, Array

type Precision = Literal["fp32", "bf16"]


class ImageNetwork:
    """A network that enlarges single frames by `SCALE`."""

    def __init__(self, net: nn.Module, architecture: str, precision: Precision) -> None:
        self._dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        self._net = net.eval().requires_grad_(False).to(self._dtype).to(memory_format=torch.channels_last)
        self.architecture = architecture
        self.precision = precision

    def __call__(self, frame: Array) -> Array:
        """The frame (3, H, W), 0 to 1, as (3, 4H, 4W), clipped to 0..1. Raises FormatError where it cannot be taken."""
        x = torch.from_numpy(np.ascontiguousarray(frame, dtype=np.float32))[None].to(self._dtype)  # (1, 3, H, W)
        x = x.to(memory_format=torch.channels_last)
        try:
            with torch.inference_mode():
                output = self._net(x)[0].float().clamp(0, 1).contiguous().numpy()
        except (RuntimeError, ValueError) as cause:
            raise FormatError(f"{self.architecture} cannot take a frame of {frame.shape}: {one_line(cause)}") from cause
        return np.asarray(output, dtype=np.float32)


def image_network(weights: Path, precision: Precision = "fp32") -> ImageNetwork:
    """The network of a file. Raises BackendError without spandrel, WeightsError for a file that is no such network."""
    with needs("peers", weights.name):
        spandrel: Any = importlib.import_module("spandrel")
    if not weights.is_file():
        raise WeightsError(f"{weights} cannot be read: no such file")
    try:
        descriptor = spandrel.ModelLoader(device="cpu").load_from_file(str(weights))
    except Exception as cause:  # readers of every architecture raise what they like
        raise WeightsError(
            f"{weights} is no network that spandrel knows: {one_line(cause, 200) or type(cause).__name__}"
        ) from cause
    channels = (descriptor.scale, descriptor.input_channels, descriptor.output_channels)
    if not isinstance(descriptor, spandrel.ImageModelDescriptor) or channels != (SCALE, 3, 3):
        what = f"enlarges by {descriptor.scale}, {channels[1]} channels to {channels[2]}"
        raise WeightsError(f"{weights} {what}; needed: a network of RGB frames that enlarges by {SCALE}")
    return ImageNetwork(descriptor.model, str(descriptor.architecture.name), precision)

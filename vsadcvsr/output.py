"""Output frames: RGB, base and detail, or planes.

The compact networks correct colour at the source's size and make detail for luma alone, so most of a full RGB frame
would be computed, copied and converted for nothing. Hosts that work in YUV add the detail to luma instead.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vsadcvsr.spec import Array


class BaseAndDetail(NamedTuple):
    """A frame as the sum of `base` (…, 3, H, W), RGB at the source's size, and `detail` (…, sH, sW) of scale s.

    The frame is the base, upsampled bilinearly, with the detail added to every channel, which is the same as adding it
    to luma.
    """

    base: Array
    detail: Array

    @property
    def scale(self) -> int:
        """Width of the detail in widths of the base."""
        return int(self.detail.shape[-1] // self.base.shape[-1])


type NetworkOutput = Array | BaseAndDetail
"""RGB (…, 3, sH, sW), not clamped, or base and detail of it. The dots stand for T frames or for nothing."""

type Plane = NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.float16] | Array


class Planes(NamedTuple):
    """A finished frame: the planes of a video frame, each (height, width), without padding."""

    planes: tuple[Plane, ...]
    is_finite: bool
    """False if the network produced NaN or infinity."""


type OutputFrame = NetworkOutput | Planes
"""What the engine returns: frames that hosts convert themselves, or finished planes."""


def select(output: NetworkOutput, index: int) -> NetworkOutput:
    """Frame number `index` of several."""
    return BaseAndDetail(*(part[index] for part in output)) if isinstance(output, BaseAndDetail) else output[index]


def cropped(output: NetworkOutput, height: int, width: int, scale: int) -> NetworkOutput:
    """The output, of that scale, of the top left (height, width) source pixels."""
    if isinstance(output, BaseAndDetail):
        return BaseAndDetail(output.base[..., :height, :width], output.detail[..., : height * scale, : width * scale])
    return output[..., : height * scale, : width * scale]


def arrays(output: NetworkOutput) -> tuple[Array, ...]:
    """The arrays that a frame consists of."""
    return tuple(output) if isinstance(output, BaseAndDetail) else (output,)


def buffers(output: OutputFrame) -> tuple[Plane, ...]:
    """All that a frame takes."""
    return output.planes if isinstance(output, Planes) else arrays(output)


def to_rgb(output: NetworkOutput) -> Array:
    """The frame as RGB (…, 3, sH, sW), not clamped."""
    if not isinstance(output, BaseAndDetail):
        return output
    upsampled = upsample(output.base, output.scale)
    upsampled += output.detail[..., None, :, :]
    return upsampled


def upsample(planes: Array, scale: int) -> Array:
    """Planes (…, H, W) enlarged bilinearly to (…, sH, sW); a copy."""
    return _upsample(_upsample(planes, -1, scale), -2, scale)


def _upsample(array: Array, axis: int, scale: int) -> Array:
    """`scale` times as long along an axis, linearly between pixel centres, edges repeated; a copy."""
    lines = np.moveaxis(array, axis, 0)
    previous, following = np.concatenate([lines[:1], lines[:-1]]), np.concatenate([lines[1:], lines[-1:]])
    upsampled = np.empty((len(lines), scale, *lines.shape[1:]), np.float32)
    for phase in range(scale):
        offset = np.float32((phase + 0.5) / scale - 0.5)  # of the new pixel's centre from the old one's
        neighbour = following if offset > 0 else previous
        np.multiply(neighbour - lines, abs(offset), out=upsampled[:, phase])
        upsampled[:, phase] += lines
    return np.moveaxis(upsampled.reshape(len(lines) * scale, *lines.shape[1:]), 0, axis)

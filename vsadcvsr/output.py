"""Output frames: RGB, base and detail, or planes.

The compact networks correct colour at the source's size and make detail for luma alone, so most of a full RGB frame
would be computed, copied and converted for nothing. Hosts that work in YUV add the detail to luma instead.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vsadcvsr.spec import SCALE, Array


class BaseAndDetail(NamedTuple):
    """A frame as the sum of `base` (…, 3, H, W), RGB at the source's size, and `detail` (…, 4H, 4W).

    The frame is the base, upsampled bilinearly, with the detail added to every channel, which is the same as adding it
    to luma.
    """

    base: Array
    detail: Array


type NetworkOutput = Array | BaseAndDetail
"""RGB (…, 3, 4H, 4W), nominally 0..1, or base and detail of it. The dots stand for T frames or for nothing."""

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


def cropped(output: NetworkOutput, height: int, width: int) -> NetworkOutput:
    """The output of the top left (height, width) source pixels."""
    if isinstance(output, BaseAndDetail):
        return BaseAndDetail(output.base[..., :height, :width], output.detail[..., : height * SCALE, : width * SCALE])
    return output[..., : height * SCALE, : width * SCALE]


def arrays(output: NetworkOutput) -> tuple[Array, ...]:
    """The arrays that a frame consists of."""
    return tuple(output) if isinstance(output, BaseAndDetail) else (output,)


def buffers(output: OutputFrame) -> tuple[Plane, ...]:
    """All that a frame takes."""
    return output.planes if isinstance(output, Planes) else arrays(output)


def to_rgb(output: NetworkOutput) -> Array:
    """The frame as RGB (…, 3, 4H, 4W), not clamped."""
    if not isinstance(output, BaseAndDetail):
        return output
    upsampled = _upsample(_upsample(output.base, -1), -2)
    upsampled += output.detail[..., None, :, :]
    return upsampled


def _upsample(array: Array, axis: int) -> Array:
    """Four times as long along an axis, linearly between pixel centres, edges repeated."""
    lines = np.moveaxis(array, axis, 0)
    previous, following = np.concatenate([lines[:1], lines[:-1]]), np.concatenate([lines[1:], lines[-1:]])
    upsampled = np.empty((len(lines), SCALE, *lines.shape[1:]), np.float32)
    for phase in range(SCALE):
        offset = np.float32((phase + 0.5) / SCALE - 0.5)  # of the new pixel's centre from the old one's
        neighbour = following if offset > 0 else previous
        np.multiply(neighbour - lines, abs(offset), out=upsampled[:, phase])
        upsampled[:, phase] += lines
    return np.moveaxis(upsampled.reshape(len(lines) * SCALE, *lines.shape[1:]), 0, axis)

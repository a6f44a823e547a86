"""An upscaled frame as networks make it: whole, or in the two parts that it is the sum of.

The compact networks correct colour at the source's size and make detail for luma alone, so that three quarters of a
whole RGB picture would be computed, copied and converted for nothing. Hosts that work in YUV join the parts there.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vsadcvsr.spec import SCALE, Array


class Parts(NamedTuple):
    """A picture in parts: `base` (…, 3, H, W), RGB at the source's size, and `detail` (…, 4H, 4W).

    The picture is the base, enlarged bilinearly, with the detail added to each channel: to luma and nothing else.
    """

    base: Array
    detail: Array


type Picture = Array | Parts
"""RGB (…, 3, 4H, 4W), nominally 0..1, or the parts of that. The dots stand for T frames or for nothing."""

type Plane = NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.float16] | Array


class Planes(NamedTuple):
    """A picture that is finished: the planes of a video frame, each (height, width), without the padding of its source.

    `sound` says whether the network made nothing but numbers.
    """

    planes: tuple[Plane, ...]
    sound: bool


type Finished = Picture | Planes
"""What the engine gives: pictures that hosts convert, or planes."""


def at(picture: Picture, index: int) -> Picture:
    """Picture number `index` of several."""
    return Parts(*(part[index] for part in picture)) if isinstance(picture, Parts) else picture[index]


def cropped(picture: Picture, height: int, width: int) -> Picture:
    """What came of the top left (height, width) source pixels."""
    if isinstance(picture, Parts):
        return Parts(picture.base[..., :height, :width], picture.detail[..., : height * SCALE, : width * SCALE])
    return picture[..., : height * SCALE, : width * SCALE]


def arrays(picture: Picture) -> tuple[Array, ...]:
    """The arrays that a picture consists of."""
    return tuple(picture) if isinstance(picture, Parts) else (picture,)


def memory(picture: Finished) -> tuple[Plane, ...]:
    """All that a picture takes."""
    return picture.planes if isinstance(picture, Planes) else arrays(picture)


def whole(picture: Picture) -> Array:
    """The picture as RGB (…, 3, 4H, 4W), not clamped."""
    if not isinstance(picture, Parts):
        return picture
    large = _enlarged(_enlarged(picture.base, -1), -2)
    large += picture.detail[..., None, :, :]
    return large


def _enlarged(lines: Array, axis: int) -> Array:
    """Four times as long along an axis, linearly between pixel centres, edges repeated."""
    at = np.moveaxis(lines, axis, 0)
    before, after = np.concatenate([at[:1], at[:-1]]), np.concatenate([at[1:], at[-1:]])
    large = np.empty((len(at), SCALE, *at.shape[1:]), np.float32)
    for phase in range(SCALE):
        offset = np.float32((phase + 0.5) / SCALE - 0.5)  # of the new pixel's centre from the old one's
        neighbour = after if offset > 0 else before
        np.multiply(neighbour - at, abs(offset), out=large[:, phase])
        large[:, phase] += at
    return np.moveaxis(large.reshape(len(at) * SCALE, *at.shape[1:]), 0, axis)

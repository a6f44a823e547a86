"""Receptive field of image networks, measured: how far from an output pixel the input counts.

Tiles that overlap by that reach equal whole frames, but files of other origins do not state it. So a network is run on
two small images that differ in a strip of pixels: the farthest output that differs is the reach. The images are narrow
along the other axis, since the strip crosses all of it. A network that sees farther than is tried, or whose output
depends on where an image begins (windows of attention), has no reach; whether its tiles would show is measured by
darkening all that is outside of a tile.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import replace

import numpy as np

from vsadcvsr import output
from vsadcvsr.backends import Backend
from vsadcvsr.errors import BackendError
from vsadcvsr.spec import Array, ModelSpec
from vsadcvsr.tiling import default_pad

_MARGINS = (24, 96)
"""Pixels on both sides of the strip, tried in order."""
_BREADTH = 24
"""Pixels along the strip, or more where the network takes no fewer."""
_STRONG = 1e4
"""Amplitude of the strip: far outside of 0..1, so that float32 still shows what is left of it behind many layers."""
_VISIBLE = 1 / 510
"""Half a step of 8 bits."""
_SAME = 1 / 2550
"""Differences by rounding, since images of other sizes are computed in another order."""

_log = logging.getLogger(__name__)
_lock = threading.Lock()


def measure(backend: Backend) -> ModelSpec:
    """The facts of a network, which the backend then has as well; measured once, where `reach_unknown` says so.

    Tiles are discouraged where there is no reach, and what is outside of a tile visibly changes its middle.
    """
    with _lock:
        if backend.spec.reach_unknown:
            spec = replace(backend.spec, reach_unknown=False)
            try:
                backend.spec = _measured(backend, spec)
            except (BackendError, MemoryError) as error:
                _log.info("the receptive field of model %r cannot be measured: %s", spec.name, error)
                backend.spec = spec
        return backend.spec


def _measured(backend: Backend, spec: ModelSpec) -> ModelSpec:
    reaches = [_reach(backend, axis) for axis in (0, 1)]
    known = [reach for reach in reaches if reach is not None]
    if len(known) == 2 and all(_is_exact(backend, axis, max(known)) for axis in (0, 1)):
        _log.info("model %r sees %d pixels around each; tiles that overlap by them are exact", spec.name, max(known))
        return replace(spec, reach=max(known))
    if max(_influence(backend, axis) for axis in (0, 1)) > _VISIBLE:
        return replace(spec, tiling="discouraged")
    _log.info("model %r sees far, but little of it; tiles approximate", spec.name)
    return spec


def _reach(backend: Backend, axis: int) -> int | None:
    """The reach along an axis (0 is down, 1 across); None where it is larger than what is tried."""
    for margin in _MARGINS:
        begin, end, images = _images(backend.spec, axis, margin)
        images[1, :, begin:end] = _STRONG * (images[1, :, begin:end] - np.float32(0.5))
        changed = np.flatnonzero(_difference(*_outputs(backend, images, axis)) != 0) // backend.spec.scale
        if not changed.size:
            return 0
        if changed[0] > 0 and changed[-1] + 1 < images.shape[2]:
            return max(begin - int(changed[0]), int(changed[-1]) + 1 - end, 0)
        if backend.spec.fixed_size:
            break
    return None


def _is_exact(backend: Backend, axis: int, reach: int) -> bool:
    """Whether an image that begins later has the same output, but for the reach from both ends."""
    spec = backend.spec
    _, _, images = _images(spec, axis, reach + 4 * spec.multiple)
    step = spec.multiple
    images[1, :, :-step] = images[0, :, step:]
    first, second = _outputs(backend, images, axis)
    length, scale = images.shape[2], spec.scale
    inner = slice((step + reach) * scale, (length - reach) * scale)
    outer = slice(reach * scale, (length - reach - step) * scale)
    return bool((_difference(first[:, inner], second[:, outer]) <= _SAME).all())


def _influence(backend: Backend, axis: int) -> float:
    """How much the middle of an image changes when all that is outside of a tile around it gets darker."""
    spec, pad = backend.spec, default_pad(backend.spec)
    begin, end, images = _images(spec, axis, 2 * pad)
    images[1, :, : max(begin - pad, 0)] *= np.float32(0.3)
    images[1, :, end + pad :] *= np.float32(0.3)
    return float(_difference(*_outputs(backend, images, axis))[begin * spec.scale : end * spec.scale].max())


def _images(spec: ModelSpec, axis: int, margin: int) -> tuple[int, int, Array]:
    """(first, end) of a strip of one multiple in the middle, and two equal images (2, 3, length, breadth) of noise with
    at least `margin` pixels on both sides of it, as far as the network takes them.
    """
    height, width = spec.padded(2 * margin + spec.multiple, _BREADTH)
    if spec.fixed_size and axis:
        height, width = width, height
    begin = (height // 2) // spec.multiple * spec.multiple
    image = np.random.default_rng(0).random((3, height, width), np.float32)
    return begin, begin + spec.multiple, np.stack([image, image])


def _outputs(backend: Backend, images: Array, axis: int) -> list[Array]:
    """The outputs (C, length, breadth) for images whose length is along an axis of the frame."""
    outputs = []
    for image in images:
        frame = np.ascontiguousarray(image.swapaxes(1, 2) if axis else image)
        state = backend.start(*frame.shape[1:])
        for _ in range(backend.spec.lookahead + 1):  # a backend may return its output a frame later
            result, state = backend.step(frame[None], np.zeros(1, np.float32), state)
        array = output.arrays(output.select(result, 0))[-1]  # RGB, or the detail of a grey network
        array = array if array.ndim == 3 else array[None]
        outputs.append(array.swapaxes(1, 2) if axis else array)
    return outputs


def _difference(first: Array, second: Array) -> Array:
    """The largest difference in each line; infinity where there are NaN or infinity."""
    with np.errstate(invalid="ignore", over="ignore"):
        apart: Array = np.abs(first - second).max(axis=(0, 2))
    apart[~np.isfinite(apart)] = np.inf
    return apart

"""Test networks without weights, which repeat pixels. They cost nothing and are exact."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from vsadcvsr.backends import BackendOptions, closed_error, stop_sharing
from vsadcvsr.errors import BackendError, WeightsError
from vsadcvsr.output import NetworkOutput
from vsadcvsr.spec import SCALES, Array, ModelSpec

TAPS = (1.0, 2.0, 4.0, 3.0, 1.0)
"""Weights of `nearest-temporal` for the frames from two before to two after; asymmetric, so that a reversed order
shows.
"""

_SINGLE = ModelSpec(name="nearest", lookahead=0, multiple=1)
_TEMPORAL = ModelSpec(name="nearest-temporal", lookahead=len(TAPS) // 2, multiple=4)
_SPECS = {
    **{spec.name: spec for spec in (_SINGLE, _TEMPORAL)},
    **{
        f"{spec.name}-x{scale}": replace(spec, name=f"{spec.name}-scales", scale=scale)
        for spec in (_SINGLE, _TEMPORAL)
        for scale in SCALES
    },
}
"""By the name of the built-in network, which those of several scales have besides that of their model."""


class Nearest:
    """`nearest`, frame by frame, or `nearest-temporal`, a weighted mean of five frames of a scene, enlarged."""

    def __init__(self, path: Path, options: BackendOptions) -> None:
        if path.name not in _SPECS:
            raise WeightsError(f"model {path.name!r} is not built in, allowed: {', '.join(_SPECS)}")
        if options.device not in {"auto", "cpu"} or options.precision not in {"auto", "fp32"}:
            requested = f"device={options.device!r}, precision={options.precision!r}"
            raise BackendError(f"backend 'nearest' was given {requested}, allowed: 'cpu', 'fp32'")
        self.spec = _SPECS[path.name]
        self.label = "nearest/cpu/fp32"
        self._mix: Callable[[Array, Array], Array] = _weighted_mean if self.spec.lookahead else _last_frame
        self._closed = False

    def start(self, height: int, width: int) -> object:
        if self._closed:
            raise closed_error()
        past = 2 * self.spec.lookahead
        return np.zeros((past, 3, height, width), np.float32), np.zeros(past, np.float32)

    def step(self, frames: Array, links: Array, state: object) -> tuple[NetworkOutput, object]:
        assert isinstance(state, tuple)
        if self._closed:
            raise closed_error()
        count, past = len(frames), len(state[0])
        window, window_links = np.concatenate([state[0], frames]), np.concatenate([state[1], links])
        means = [self._mix(window[t : t + past + 1], window_links[t : t + past + 1]) for t in range(count)]
        upscaled = np.stack(means).repeat(self.spec.scale, axis=2).repeat(self.spec.scale, axis=3)
        return upscaled, (window[count:], window_links[count:])

    def close(self) -> None:
        stop_sharing(self)
        self._closed = True


def _last_frame(frames: Array, links: Array) -> Array:
    del links
    last: Array = frames[-1]
    return last


def _weighted_mean(frames: Array, links: Array) -> Array:
    """The weighted mean of those of the (5, 3, H, W) frames that share the middle one's scene."""
    weights = np.array(TAPS, np.float32)
    middle = len(TAPS) // 2
    for t in range(1, middle + 1):
        weights[:t] *= links[t]
    for t in range(middle + 1, len(TAPS)):
        weights[t:] *= links[t]
    total = np.zeros_like(frames[0])
    for weight, frame in zip(weights, frames, strict=True):
        total += weight * frame
    mean: Array = total / weights.sum()
    return mean

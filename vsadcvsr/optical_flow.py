"""Optical flow between the frames of a clip, and where it can be trusted: what E*warp is measured along, and what the
warping loss of training follows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from vsadcvsr.spec import Array

type Flow = NDArray[np.float32]


@dataclass(frozen=True)
class FlowNet:
    """An optical flow estimator: `between(first, second)` is (H, W, 2) in pixels (x, y), from the first frame to the
    second.
    """

    name: str
    between: Callable[[Array, Array], Flow]


@dataclass(frozen=True)
class Path:
    """From one frame to the next: `flow` (H, W, 2) in pixels (x, y), and where it can be trusted, `visible` (H, W)."""

    flow: Flow
    visible: NDArray[np.bool_]


def dis(first: Array, second: Array) -> Flow:
    """OpenCV's DIS flow with the medium preset, on 8-bit gray."""
    finder = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    # None is what OpenCV wants for "no flow to begin with"; its type stubs leave it out
    return np.asarray(finder.calc(gray(first), gray(second), None), dtype=np.float32)  # type: ignore[call-overload]


DIS = FlowNet("OpenCV DIS (medium)", dis)


def paths_of(frames: Sequence[Array], net: FlowNet = DIS) -> tuple[Path, ...]:
    """The paths between the neighbours of a clip: one fewer than frames."""
    paths = []
    for first, second in pairwise(frames):
        forward, backward = net.between(first, second), net.between(second, first)
        paths.append(Path(forward, visible(forward, backward)))
    return tuple(paths)


def visible(forward: Flow, backward: Flow) -> NDArray[np.bool_]:
    """Where a pixel of the first frame is seen in the second, (H, W): Lai et al.'s two conditions."""
    back = warp(backward, forward)
    disagreement = _square(forward + back)
    occluded = disagreement > 0.01 * (_square(forward) + _square(back)) + 0.5
    across = np.gradient(forward, axis=1)
    down = np.gradient(forward, axis=0)
    edge = _square(across) + _square(down) > 0.01 * _square(forward) + 0.002
    return np.asarray(~(occluded | edge), dtype=np.bool_)


def warp(picture: NDArray[np.float32], flow: Flow) -> NDArray[np.float32]:
    """`picture` (H, W, C) fetched along `flow`, bilinear; beyond the border the nearest pixel."""
    height, width = flow.shape[:2]
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    columns, rows = columns + flow[..., 0], rows + flow[..., 1]
    return np.asarray(cv2.remap(picture, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


def _square(field: Flow) -> NDArray[np.float32]:
    return np.asarray((field * field).sum(axis=-1), dtype=np.float32)


def gray(frame: Array) -> NDArray[np.uint8]:
    """The gray picture (H, W) of a frame (3, H, W), in 8 bits."""
    pixels = np.ascontiguousarray(frame.transpose(1, 2, 0))
    return np.asarray(np.rint(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).clip(0, 1) * 255), dtype=np.uint8)

"""How steady a clip is: the warping error E*warp.

For every pair of neighbours the second frame is warped onto the first along the flow, and what differs where nothing is
occluded is the error: the mean squared difference over visible pixels and pairs, times 1e3. The mask is that of Lai et
al. (2018): flow and backward flow disagree, or the flow has an edge. Flow is OpenCV's DIS at full resolution, of the
ground truth (all methods are measured along the same paths) or of the measured clip itself (no truth needed). Published
numbers use other flows, scales and normalisers: compare only within one implementation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from vsadcvsr.errors import FormatError
from vsadcvsr.spec import Array

UNIT = 1e3

type Flow = NDArray[np.float32]


@dataclass(frozen=True)
class Path:
    """From one frame to the next: `flow` (H, W, 2) in pixels (x, y), and where it can be trusted, `visible` (H, W)."""

    flow: Flow
    visible: NDArray[np.bool_]


def paths_of(frames: Sequence[Array]) -> tuple[Path, ...]:
    """The paths between the neighbours of a clip: one fewer than frames."""
    gray = [_gray(frame) for frame in frames]
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    paths = []
    for first, second in pairwise(gray):
        forward, backward = _flow(dis, first, second), _flow(dis, second, first)
        paths.append(Path(forward, visible(forward, backward)))
    return tuple(paths)


def visible(forward: Flow, backward: Flow) -> NDArray[np.bool_]:
    """Where a pixel of the first frame is seen in the second, (H, W): Lai et al.'s two conditions."""
    back = warped(backward, forward)
    disagreement = _square(forward + back)
    occluded = disagreement > 0.01 * (_square(forward) + _square(back)) + 0.5
    across = np.gradient(forward, axis=1)
    down = np.gradient(forward, axis=0)
    edge = _square(across) + _square(down) > 0.01 * _square(forward) + 0.002
    return np.asarray(~(occluded | edge), dtype=np.bool_)


def warped(picture: NDArray[np.float32], flow: Flow) -> NDArray[np.float32]:
    """`picture` (H, W, C) fetched along `flow`, bilinear; beyond the border the nearest pixel."""
    height, width = flow.shape[:2]
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    columns, rows = columns + flow[..., 0], rows + flow[..., 1]
    return np.asarray(cv2.remap(picture, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


def warping_error(frames: Sequence[Array], paths: Sequence[Path]) -> float:
    """E*warp x 1e3 of a clip along `paths`; 0 for a single frame. Raises FormatError where counts or sizes differ."""
    if len(paths) != max(0, len(frames) - 1):
        raise FormatError(f"{len(frames)} frames need {max(0, len(frames) - 1)} paths, {len(paths)} were given")
    errors = [_error(first, second, path) for (first, second), path in zip(pairwise(frames), paths, strict=True)]
    return UNIT * float(np.mean(errors)) if errors else 0.0


def _error(first: Array, second: Array, path: Path) -> float:
    if first.shape[1:] != path.visible.shape:
        raise FormatError(f"a frame of {first.shape[1:]} cannot be measured along paths of {path.visible.shape}")
    moved = warped(np.ascontiguousarray(second.transpose(1, 2, 0)), path.flow)
    apart = ((moved - first.transpose(1, 2, 0)) ** 2).mean(axis=-1)
    seen = int(path.visible.sum())
    return float(apart[path.visible].sum(dtype=np.float64)) / seen if seen else 0.0


def _flow(dis: cv2.DISOpticalFlow, first: NDArray[np.uint8], second: NDArray[np.uint8]) -> Flow:
    # None is what OpenCV wants for "no flow to begin with"; its type stubs leave it out
    return np.asarray(dis.calc(first, second, None), dtype=np.float32)  # type: ignore[call-overload]


def _square(field: Flow) -> NDArray[np.float32]:
    return np.asarray((field * field).sum(axis=-1), dtype=np.float32)


def _gray(frame: Array) -> NDArray[np.uint8]:
    pixels = np.ascontiguousarray(frame.transpose(1, 2, 0))
    return np.asarray(np.rint(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).clip(0, 1) * 255), dtype=np.uint8)

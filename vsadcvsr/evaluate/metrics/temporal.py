"""Temporal consistency metrics: the warping error E*warp in its published variants, and flicker.

For every pair of neighbours the second frame is warped onto the first along the flow, and what differs where nothing is
occluded is the error: the mean squared difference over visible pixels and pairs, times 1e3. The mask is that of Lai et
al. (2018): flow and backward flow disagree, or the flow has an edge. `VARIANTS` has what differs between papers:

- `warp`, Lai et al.: flow of the truth (all methods are measured along the same paths), full resolution, mean over
  elements;
- `warp_own`: the same along the flow of the measured clip (no truth needed);
- `warp_ec`, EvalCrafter: flow of the measured clip, frames halved bilinearly, squares summed over the three channels,
  so three times as large.

Both papers use flow networks of their own. Here it is OpenCV's DIS, or RAFT (see `raft` in
`vsadcvsr.evaluate.metrics.perceptual`), fed as it was trained; EvalCrafter feeds RAFT images that are 255 times too
dark. Compare only within one implementation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from vsadcvsr.errors import FormatError
from vsadcvsr.spec import Array

UNIT = 1e3

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


@dataclass(frozen=True)
class Variant:
    """One definition of E*warp."""

    own: bool
    """Whether the flow is that of the measured clip instead of the truth."""
    shrink: int
    """Divisor of the frame size."""
    channels: int
    """Number of channels over which squares are summed."""


VARIANTS = {
    "warp": Variant(own=False, shrink=1, channels=1),
    "warp_own": Variant(own=True, shrink=1, channels=1),
    "warp_ec": Variant(own=True, shrink=2, channels=3),
}


@dataclass(frozen=True, eq=False)
class ClipWithFlow:
    """A clip with its optical flow, computed once for each network and size."""

    frames: tuple[Array, ...]
    _paths: dict[tuple[str, int], tuple[Path, ...]] = field(default_factory=dict, repr=False)

    def paths(self, net: FlowNet, shrink: int = 1) -> tuple[Path, ...]:
        """The paths between neighbours as `net` finds them, on frames divided by `shrink`."""
        key = (net.name, shrink)
        if key not in self._paths:
            self._paths[key] = paths_of([downscale_bilinear(frame, shrink) for frame in self.frames], net)
        return self._paths[key]


def dis(first: Array, second: Array) -> Flow:
    """OpenCV's DIS flow with the medium preset, on 8-bit gray."""
    finder = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    # None is what OpenCV wants for "no flow to begin with"; its type stubs leave it out
    return np.asarray(finder.calc(_gray(first), _gray(second), None), dtype=np.float32)  # type: ignore[call-overload]


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


def warping_errors(frames: Sequence[Array], paths: Sequence[Path], *, channels: int = 1) -> list[float]:
    """E*warp x 1e3 of every pair along `paths`. Raises FormatError where counts or sizes differ."""
    if len(paths) != max(0, len(frames) - 1):
        raise FormatError(f"{len(frames)} frames need {max(0, len(frames) - 1)} paths, {len(paths)} were given")
    pairs = zip(pairwise(frames), paths, strict=True)
    return [UNIT * channels * _error(first, second, path) for (first, second), path in pairs]


def warping_by_variant(variant: Variant, net: FlowNet, clip: ClipWithFlow, truth: ClipWithFlow | None) -> list[float]:
    """One of the `VARIANTS` for every pair of `clip`; empty where it needs a truth and there is none."""
    source = clip if variant.own else truth
    if source is None:
        return []
    frames = [downscale_bilinear(frame, variant.shrink) for frame in clip.frames]
    return warping_errors(frames, source.paths(net, variant.shrink), channels=variant.channels)


def flicker(frames: Iterable[Array]) -> list[float]:
    """For every frame but the first and the last: its jump relative to both neighbours, in 8-bit steps.

    Where gray goes up and then down again, or down and up, the smaller of the two steps counts, elsewhere 0; the mean
    over pixels. Noise and crawling texture reverse like this, smooth motion seldom does: compare with the value of the
    truth.
    """
    gray = [_gray(frame).astype(np.int16) for frame in frames]
    steps = [second - first for first, second in pairwise(gray)]
    return [
        float(np.mean(np.where((before > 0) != (after > 0), np.minimum(abs(before), abs(after)), 0)))
        for before, after in pairwise(steps)
    ]


def downscale_bilinear(frame: Array, shrink: int) -> Array:
    """A frame divided by `shrink` with plain bilinear interpolation; unchanged for 1."""
    if shrink == 1:
        return frame
    size = (frame.shape[2] // shrink, frame.shape[1] // shrink)
    small = cv2.resize(np.ascontiguousarray(frame.transpose(1, 2, 0)), size, interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(small.transpose(2, 0, 1), dtype=np.float32)


def _error(first: Array, second: Array, path: Path) -> float:
    if first.shape[1:] != path.visible.shape:
        raise FormatError(f"a frame of {first.shape[1:]} cannot be measured along paths of {path.visible.shape}")
    moved = warp(np.ascontiguousarray(second.transpose(1, 2, 0)), path.flow)
    squared_error = ((moved - first.transpose(1, 2, 0)) ** 2).mean(axis=-1)
    seen = int(path.visible.sum())
    return float(squared_error[path.visible].sum(dtype=np.float64)) / seen if seen else 0.0


def _square(field: Flow) -> NDArray[np.float32]:
    return np.asarray((field * field).sum(axis=-1), dtype=np.float32)


def _gray(frame: Array) -> NDArray[np.uint8]:
    pixels = np.ascontiguousarray(frame.transpose(1, 2, 0))
    return np.asarray(np.rint(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).clip(0, 1) * 255), dtype=np.uint8)

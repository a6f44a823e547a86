"""Stabilization: a mean of the outputs of neighbouring frames, aligned by the motion of the source.

An image network sees one frame at a time, so it draws the same thing a little differently in each; so does a video
network whose convolutions along time stay in one place, where the scene moves. Here the outputs of `RADIUS` frames
before and after are warped onto the middle one and averaged with it: their luma and their colour, the latter at the
size of the source if the network's detail is luma alone. The motion is the optical flow between *source* frames, which
do not flicker (DIS of OpenCV; Kroeger et al., Fast Optical Flow using Dense Inverse Search, 2016), and a neighbour's
weight falls where its source frame, warped alike, differs from the middle one. The mean then gets back the sharpness of
the middle output. The window is finite and ends at cuts, so the result for a frame is the same in whatever order frames
are computed.

Every step works on pixels or patches independently of each other: OpenCV's number of threads changes nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from vsadcvsr import argument_checks
from vsadcvsr.color import luma
from vsadcvsr.errors import BackendError
from vsadcvsr.extras import needs
from vsadcvsr.output import BaseAndDetail, NetworkOutput
from vsadcvsr.spec import Array

RADIUS = 2
"""Frames before and after a frame that its result depends on."""
ALLOWED = "0 (each frame alone) to 1 (the mean along motion)"

_TOLERANCE = 0.04
"""Difference of source frames, 0 to 1, at which a neighbour counts exp(-1/2) times as much as the frame itself."""
_CELL = 3
"""Side of the neighbourhood, in pixels, in which source frames are compared, and outputs sharpened."""
_MAX_SHARPENING = 0.75
"""Most of the unsharp mask that is added: with .5, x4plus keeps .957 of its sharpness and gains .18 dB of PSNR, with
.75 .983 and .05 dB, with all of it .994 and loses .02 dB.
"""
_SMALLEST = 32
"""Least side of a picture that the optical flow takes; smaller ones are padded."""
_STRIDE = 6
"""Pixels between the 8x8 patches that the optical flow looks for: 4, the library's own, takes twice as long, and `fast`
gains .01 dB and .1 to .3 of SSIMULACRA2 from it.
"""
_NO_MEMORY = -4
"""OpenCV's code of the error."""

type Flow = NDArray[np.float32]
"""(H, W, 2) in pixels (x, y), from each pixel of one frame to where it is in another."""


def checked(steady: float) -> float:
    """`steady`, if it is from 0 to 1. Raises UsageError, or MissingError if it is above 0 and OpenCV is not there."""
    argument_checks.in_range("steady", steady, (0, 1), ALLOWED)
    if steady:
        opencv_version()
    return float(steady)


def opencv_version() -> str:
    """The version of OpenCV. Raises MissingError."""
    with needs("steady", "steady"):
        import cv2
    return str(cv2.__version__)


@dataclass(frozen=True, eq=False)
class _Frame:
    """A source frame and the network's output for it."""

    source: Array
    """(3, H, W), RGB, 0 to 1."""
    linked: bool
    """Whether it continues the frame before it."""
    output: NetworkOutput
    _flows: dict[int, Flow] = field(default_factory=dict)

    @cached_property
    def gray(self) -> NDArray[np.uint8]:
        """The luma (H, W) of the source frame, in 8 bits."""
        rounded: NDArray[np.uint8] = np.rint(np.clip(luma(self.source), 0, 1) * np.float32(255)).astype(np.uint8)
        return rounded

    @cached_property
    def luma(self) -> Array:
        """The luma (sH, sW) of the output, clamped."""
        if not isinstance(self.output, BaseAndDetail):
            return luma(self.output)
        import cv2

        # takes a ninth of the time of vsadcvsr.output.upsample, and differs from it by rounding alone
        plane = np.asarray(cv2.resize(luma(self.output.base), self.output.detail.shape[::-1]), np.float32)
        plane += self.output.detail
        return np.clip(plane, 0, 1, out=plane)

    @property
    def color(self) -> Array:
        """What the output's channels have beyond luma: (3, sH, sW), or the base's (3, H, W), since detail has none.

        It is not kept: of RGB it takes as much memory as the output.
        """
        if isinstance(self.output, BaseAndDetail):
            return self.output.base - luma(self.output.base)
        return self.output - self.luma

    def changed(self, luma_change: Array, color_change: Array) -> NetworkOutput:
        """The output with changes of its luma and of its colour, clamped if it is RGB."""
        if isinstance(self.output, BaseAndDetail):
            return BaseAndDetail(self.output.base + color_change, self.output.detail + luma_change)
        result = self.output + luma_change
        result += color_change
        return np.clip(result, 0, 1, out=result)

    def flow(self, neighbour: _Frame, step: int) -> Flow:
        """The motion to the next frame (step 1) or the one before (-1), computed once."""
        if step not in self._flows:
            self._flows[step] = optical_flow(self.gray, neighbour.gray)
        return self._flows[step]


class Stabilizer:
    """The stage for one pass through a clip; `result` is `RADIUS` frames behind the network."""

    def __init__(self, amount: float) -> None:
        self._amount = amount
        self._sources: deque[tuple[Array, bool]] = deque()
        """Source frames whose output is still to come, and whether they are linked."""
        self._window: deque[_Frame | None] = deque([None] * (2 * RADIUS + 1), maxlen=2 * RADIUS + 1)

    @property
    def is_waiting(self) -> bool:
        """Whether the output of a source frame is still to come."""
        return bool(self._sources)

    def add_source(self, source: Array, *, linked: bool) -> None:
        """Adds a source frame (3, H, W); `linked` says whether it continues the one before."""
        self._sources.append((source, linked))

    def add_output(self, output: NetworkOutput) -> None:
        """Adds the network's output for the next source frame; RGB is clamped."""
        source, linked = self._sources.popleft()
        if not isinstance(output, BaseAndDetail):
            output = np.clip(output, 0, 1, out=output)
        self._window.append(_Frame(source, linked, output))

    def end(self) -> None:
        """Moves on by a frame after the last one."""
        self._window.append(None)

    @property
    def middle(self) -> NetworkOutput:
        """The network's output for the frame that `result` is for."""
        return self._middle().output

    def result(self) -> NetworkOutput:
        """The stabilized output of the middle frame. Raises MemoryError or BackendError."""
        import cv2

        middle, amount = self._middle(), np.float32(self._amount)
        try:
            luma_change, color_change = _changes(middle, self._neighbours())
        except cv2.error as error:
            if error.code == _NO_MEMORY:
                raise MemoryError from error
            raise BackendError(f"steady failed on frames of {middle.luma.shape}: {error.err}") from error
        return middle.changed(amount * luma_change, amount * color_change)

    def _middle(self) -> _Frame:
        middle = self._window[RADIUS]
        assert middle is not None, "a result is for a frame of the clip"
        return middle

    def _neighbours(self) -> Iterator[tuple[_Frame, Flow]]:
        """The other frames of the middle one's scene, with the motion to them."""
        frames, middle = self._window, self._middle()
        for step in (-1, 1):
            last, flow = middle, None
            for index in range(1, RADIUS + 1):
                frame = frames[RADIUS + step * index]
                if frame is None or not (frame if step == 1 else last).linked:
                    break
                step_flow = last.flow(frame, step)
                flow = step_flow if flow is None else _chained(flow, step_flow)
                last = frame
                yield frame, flow


def _changes(middle: _Frame, neighbours: Iterable[tuple[_Frame, Flow]]) -> tuple[Array, Array]:
    """What the weighted means of luma, sharpened, and of colour along motion change in the middle frame."""
    import cv2

    mean, own_color = middle.luma.copy(), middle.color
    color = own_color.copy()
    height, width = mean.shape
    weights = np.ones(middle.source.shape[1:], np.float32)
    for neighbour, flow in neighbours:
        small_grid = _sampling_grid(flow)
        small_weight = _agreement(middle.source, neighbour.source, small_grid)
        grid, weight = _sampling_grid(flow, height // flow.shape[0]), cv2.resize(small_weight, (width, height))
        weights += small_weight
        cv2.accumulateProduct(_warped(neighbour.luma, grid), weight, mean)
        if color.shape[1:] != mean.shape:
            grid, weight = small_grid, small_weight
        for total, plane in zip(color, neighbour.color, strict=True):
            cv2.accumulateProduct(_warped(plane, grid), weight, total)
    mean /= cv2.resize(weights, (width, height))  # linear: as the sum of the weights that were resized
    color /= cv2.resize(weights, color.shape[:0:-1])
    return _sharpened(mean, middle.luma) - middle.luma, color - own_color


def _sharpened(mean: Array, output: Array) -> Array:
    """The mean luma with about the sharpness of the network's own for the frame.

    Texture that a network generates independently in each frame cancels out in the mean, and interpolation blurs it. An
    unsharp mask restores the mean gradient of the network's own output; its strength is `_MAX_SHARPENING` at most.
    """
    detail = mean - _box_mean(mean)
    soft, sharp, target = (_mean_gradient(plane) for plane in (mean, mean + detail, output))
    share = min(max((target - soft) / (sharp - soft), 0.0), _MAX_SHARPENING) if sharp > soft else 0.0
    detail *= np.float32(share)
    mean += detail
    return mean


def _mean_gradient(plane: Array) -> float:
    """The mean step from pixel to pixel, down and across."""
    import cv2

    pairs = (plane[1:], plane[:-1]), (plane[:, 1:], plane[:, :-1])
    return sum(cv2.norm(after, before, cv2.NORM_L1) / after.size for after, before in pairs if after.size)


def optical_flow(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> Flow:
    """The motion from one gray picture to another."""
    import cv2

    height, width = first.shape
    margins = (0, max(0, _SMALLEST - height)), (0, max(0, _SMALLEST - width))
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    dis.setFinestScale(0)
    dis.setPatchStride(_STRIDE)
    dis.setVariationalRefinementIterations(0)
    dis.setUseSpatialPropagation(False)  # it goes from patch to patch in stripes, one per thread
    first, second = np.pad(first, margins, mode="edge"), np.pad(second, margins, mode="edge")
    # None is OpenCV's "no flow to begin with"; its type stubs leave it out
    flow = dis.calc(first, second, None)  # type: ignore[call-overload]
    return np.asarray(flow[:height, :width], dtype=np.float32)


def _chained(first: Flow, second: Flow) -> Flow:
    """The motion along one flow and then along another: three frames need no more flows than their neighbours do."""
    return first + _warped(second, _sampling_grid(first))


def _agreement(middle: Array, neighbour: Array, grid: Array) -> Array:
    """The weight (H, W), 0 to 1, of each pixel of a neighbouring source frame that is warped by a sampling grid."""
    error = np.zeros(middle.shape[1:], np.float32)
    for plane, other in zip(middle, neighbour, strict=True):
        difference = _warped(other, grid)
        difference -= plane
        difference *= difference
        error += difference
    weight: Array = np.exp(_box_mean(error) / np.float32(-2 * len(middle) * _TOLERANCE**2))
    return weight


def _box_mean(plane: Array) -> Array:
    """The mean of each pixel's neighbourhood; edges are repeated."""
    import cv2

    kernel = np.full(_CELL, 1 / _CELL, np.float32)
    return np.asarray(cv2.sepFilter2D(plane, -1, kernel, kernel, borderType=cv2.BORDER_REPLICATE), np.float32)


def _sampling_grid(flow: Flow, scale: int = 1) -> Array:
    """Where each pixel of frames `scale` times as large as the flow is in the other frame: (sH, sW, 2), (x, y)."""
    import cv2

    grid = np.pad(flow, ((1, 1), (1, 1), (0, 0)), mode="edge")
    grid[..., 0] += np.arange(-1, grid.shape[1] - 1, dtype=np.float32)
    grid[..., 1] += np.arange(-1, grid.shape[0] - 1, dtype=np.float32)[:, None]
    if scale == 1:
        return grid[1:-1, 1:-1]
    grid *= np.float32(scale)
    grid += np.float32((scale - 1) / 2)  # the centre of a pixel of the source, on the grid of the larger frame
    larger = cv2.resize(grid, None, fx=scale, fy=scale)  # so that no full-size pass adds coordinates
    return np.asarray(larger[scale:-scale, scale:-scale], np.float32)


def _warped(picture: Array, grid: Array) -> Array:
    """A picture (H, W) or (H, W, C), sampled on a grid, interpolated linearly.

    Cubic interpolation takes thrice as long; after the unsharp mask `fast` gains .1 to .2 of SSIMULACRA2 from it.
    """
    import cv2

    warped = cv2.remap(picture, grid, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[call-overload]
    return np.asarray(warped, dtype=np.float32)

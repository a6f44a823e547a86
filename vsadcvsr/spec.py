"""Facts about a model, which other modules use without loading it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vsadcvsr.errors import UsageError

type Array = NDArray[np.float32]
type Tiling = Literal["supported", "discouraged", "refused"]
"""What a network says of tiles: some look at whole frames, some divide frames themselves."""
type ColorFix = Literal["none", "frame"]
type Offload = Literal["none", "lines", "all"]
"""Which part of a stream's state is in host memory: none of it, the delay lines of the skips (`lines`), or all."""

SCALES = (1, 2, 3, 4)
"""The scales that a network can have."""


def check_scale(scale: object) -> None:
    """Raises UsageError unless it is one of `SCALES`."""
    if type(scale) is not int or scale not in SCALES:
        raise UsageError.of("scale", scale, ", ".join(map(str, SCALES)))


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """Facts about a network that the engine needs."""

    name: str
    lookahead: int
    """Frames after frame n that output n depends on, and as many before it: one per temporal convolution."""
    scale: int = 4
    """Height and width of the output in those of the input, one of `SCALES`."""
    multiple: int = 2
    """Divisor of the heights and widths that the network takes."""
    minimum: int = 1
    """Least height and width that the network takes."""
    fixed_size: tuple[int, int] | None = None
    """(height, width) of the only frames that the network takes: larger ones are tiled, smaller ones padded."""
    reach: int | None = 0
    """Spatial reach in input pixels; None for global attention, where tiles approximate."""
    reach_unknown: bool = False
    """Whether `reach` is None because a file does not state it; see `vsadcvsr.backends.receptive_field`."""
    tiling: Tiling = "supported"
    split_output: bool = False
    """Output comes as base and detail (see `vsadcvsr.output`) instead of RGB."""
    color_fix: ColorFix = "none"
    precisions: tuple[str, ...] = ("fp32",)
    """Precisions that the network supports."""

    def __post_init__(self) -> None:
        if self.lookahead < 0:
            raise UsageError.of("lookahead", self.lookahead, "0 or more")
        check_scale(self.scale)
        if self.multiple < 1:
            raise UsageError.of("multiple", self.multiple, "1 or more")
        if self.minimum < 1:
            raise UsageError.of("minimum", self.minimum, "1 or more")
        if self.reach is not None and self.reach < 0:
            raise UsageError.of("reach", self.reach, "0 or more, or None")

    def padded(self, height: int, width: int) -> tuple[int, int]:
        """The smallest (height, width) that hold the given one, are not under the least, and divide by `multiple`."""
        least = self.fixed_size or (self.minimum, self.minimum)
        height, width = max(height, least[0]), max(width, least[1])
        return -(-height // self.multiple) * self.multiple, -(-width // self.multiple) * self.multiple


@dataclass(frozen=True, kw_only=True)
class MemoryNeeds:
    """Memory of a network for frames of one size, in bytes."""

    weights: int
    """Weights, once for all streams."""
    activations: int
    """Peak of live activations of a step, once for all streams."""
    temporal_states: int
    """State of the temporal convolutions of a stream."""
    skip_delays: int
    """Delay lines of the skips of a stream."""
    temporal_staging: int
    """Staging buffers on the device for offloaded temporal states, shared by all streams."""
    skip_staging: int
    """Staging buffers on the device for offloaded delay lines, shared by all streams."""
    temporal_host: int
    """Pinned host memory for the temporal states of a stream; allocated in blocks, so it may be larger."""
    skip_host: int
    """Pinned host memory for the delay lines of a stream."""
    io_buffers: int
    """Input and output buffers of a stream, on both sides."""

    def on_device(self, streams: int, offload: Offload) -> int:
        """Device memory for a number of streams that take turns."""
        staging = {"none": 0, "lines": self.skip_staging, "all": self.skip_staging + self.temporal_staging}[offload]
        per_stream = {"none": self.temporal_states + self.skip_delays, "lines": self.temporal_states, "all": 0}[offload]
        return self.weights + self.activations + staging + streams * (per_stream + self.io_buffers)

    def on_host(self, streams: int, offload: Offload) -> int:
        """Pinned host memory for a number of streams."""
        per_stream = {"none": 0, "lines": self.skip_host, "all": self.skip_host + self.temporal_host}[offload]
        return streams * (self.io_buffers + per_stream)

"""Frozen facts about a model: what every other room may know of a network without holding it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vsadcvsr.errors import UsageError

type Array = NDArray[np.float32]
type Precision = Literal["auto", "fp32", "fp16", "bf16", "int8"]
type ColorFix = Literal["none", "frame"]
type Aside = Literal["none", "lines", "all"]
"""What of a stream's state is in the host's memory instead of the device's: nothing, its delay lines, all of it."""

SCALE = 4
"""Every network of the family upscales by this factor in both directions."""


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """What the engine must know of a network.

    `lookahead` is the number of frames after n that frame n needs, which is also the number of frames before it
    (DESIGN: one per temporal convolution). `multiple` divides the height and width that the network takes.
    `parts` says that pictures come in parts (see `vsadcvsr.output`), else they are whole.
    `reach` is the spatial reach in input pixels, 0 for none; None means global (attention): tiles then approximate.
    """

    name: str
    lookahead: int
    multiple: int = 2
    reach: int | None = 0
    parts: bool = False
    color_fix: ColorFix = "none"
    precisions: tuple[str, ...] = ("fp32",)

    def __post_init__(self) -> None:
        if self.lookahead < 0:
            raise UsageError.of("lookahead", self.lookahead, "0 or more")
        if self.multiple < 1:
            raise UsageError.of("multiple", self.multiple, "1 or more")
        if self.reach is not None and self.reach < 0:
            raise UsageError.of("reach", self.reach, "0 or more, or None")

    def padded(self, height: int, width: int) -> tuple[int, int]:
        """The smallest (height, width) that hold the given one and divide by `multiple`."""
        up = self.multiple
        return -(-height // up) * up, -(-width // up) * up


@dataclass(frozen=True, kw_only=True)
class Needs:
    """The memory that a network takes for frames of one size, in bytes.

    `weights` and `working`, the most that a step has made and not yet dropped, are needed once; so is a desk for what
    is aside, see `Aside`. `sites`, `lines` and `ends` (frames and pictures on their way) are each stream's own; so is
    what these take of the host's memory when they are aside, which may be more: it comes in blocks.
    """

    weights: int
    working: int
    sites: int
    lines: int
    sites_desk: int
    lines_desk: int
    sites_host: int
    lines_host: int
    ends: int

    def on_device(self, streams: int, aside: Aside) -> int:
        """For so many streams that take turns."""
        desk = {"none": 0, "lines": self.lines_desk, "all": self.lines_desk + self.sites_desk}[aside]
        each = {"none": self.sites + self.lines, "lines": self.sites, "all": 0}[aside]
        return self.weights + self.working + desk + streams * (each + self.ends)

    def on_host(self, streams: int, aside: Aside) -> int:
        """As `on_device`, of pinned memory."""
        each = {"none": 0, "lines": self.lines_host, "all": self.lines_host + self.sites_host}[aside]
        return streams * (self.ends + each)

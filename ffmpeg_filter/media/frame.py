"""Video frames in memory, independent of PyAV and VapourSynth. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vsadcvsr.errors import FormatError

type Family = Literal["YUV", "RGB", "GRAY"]
type Plane = NDArray[np.generic]
type Property = int | float | str


class VideoFormat(NamedTuple):
    """Sample format, independent of memory layout. Float formats have 16 or 32 bits."""

    family: Family
    bits: int
    subsampling: tuple[int, int] = (0, 0)
    """log2 of the horizontal and vertical chroma subsampling."""
    is_float: bool = False

    @property
    def planes(self) -> int:
        """Number of planes, without alpha."""
        return 1 if self.family == "GRAY" else 3

    @property
    def dtype(self) -> str:
        """numpy type of a sample, in native byte order."""
        return f"f{self.bits // 8}" if self.is_float else "u1" if self.bits == 8 else "u2"

    def size(self, plane: int, width: int, height: int) -> tuple[int, int]:
        """(width, height) of a plane, rounded up as FFmpeg does. Planes after the third are alpha."""
        across, down = self.subsampling if plane in {1, 2} else (0, 0)
        return -(-width >> across), -(-height >> down)

    def __str__(self) -> str:
        kind = f"{self.bits} bit float" if self.is_float else f"{self.bits} bit"
        return f"{self.family} {kind}" + (f", chroma 1/{1 << sum(self.subsampling)}" if any(self.subsampling) else "")


@dataclass(frozen=True, eq=False)
class RawFrame:
    """One frame. Raises FormatError if planes have the wrong size."""

    format: VideoFormat
    width: int
    height: int
    planes: tuple[Plane, ...]
    """(H, W) each, in the order Y U V, R G B, or grey."""
    alpha: Plane | None = None
    """(H, W) at full size."""
    props: Mapping[str, Property] = field(default_factory=dict)
    """VapourSynth frame properties: `_Matrix`, `_Range`, `_Primaries`, `_Transfer`, `_ChromaLocation`, `_FieldBased`,
    `_SARNum`, `_SARDen`, `_SceneChangePrev`, and any others.
    """
    tag: object = None
    """Passed through unchanged."""

    def __post_init__(self) -> None:
        sizes = [self.format.size(plane, self.width, self.height) for plane in range(self.format.planes)]
        shapes = [plane.shape[::-1] for plane in self.planes]
        if self.alpha is not None:
            sizes.append((self.width, self.height))
            shapes.append(self.alpha.shape[::-1])
        if shapes != sizes:
            raise FormatError(f"planes are {shapes} in (width, height), allowed: {sizes} for {self}")

    def __str__(self) -> str:
        return f"{self.width}x{self.height} {self.format}" + ("" if self.alpha is None else " with alpha")

    def is_like(self, other: RawFrame) -> bool:
        """Whether size and format are equal."""
        return str(self) == str(other)

"""A frame in memory, as every face hands it over. Pure."""

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


class Format(NamedTuple):
    """What the planes of a frame hold, however they lie in memory. Float formats have 16 or 32 bits."""

    family: Family
    bits: int
    subsampling: tuple[int, int] = (0, 0)
    """Powers of two by which chroma is (narrower, lower)."""
    is_float: bool = False

    @property
    def planes(self) -> int:
        """How many there are, without alpha."""
        return 1 if self.family == "GRAY" else 3

    @property
    def dtype(self) -> str:
        """The samples' type in numpy's words, in the machine's byte order."""
        return f"f{self.bits // 8}" if self.is_float else "u1" if self.bits == 8 else "u2"

    def size(self, plane: int, width: int, height: int) -> tuple[int, int]:
        """Width and height of a plane, rounded up as FFmpeg does. Planes after the third are alpha."""
        across, down = self.subsampling if plane in {1, 2} else (0, 0)
        return -(-width >> across), -(-height >> down)

    def __str__(self) -> str:
        kind = f"{self.bits} bit float" if self.is_float else f"{self.bits} bit"
        return f"{self.family} {kind}" + (f", chroma 1/{1 << sum(self.subsampling)}" if any(self.subsampling) else "")


@dataclass(frozen=True, eq=False)
class Raw:
    """A frame in memory. Planes are (H, W) each, in the order Y U V, R G B or grey; so is `alpha`, at full size.

    `props` are VapourSynth's frame properties: `_Matrix`, `_Range`, `_Primaries`, `_Transfer`, `_ChromaLocation`,
    `_FieldBased`, `_SARNum`, `_SARDen`, `_SceneChangePrev`, and what else there is. `tag` comes out as it went in.
    Raises FormatError for planes of other sizes.
    """

    format: Format
    width: int
    height: int
    planes: tuple[Plane, ...]
    alpha: Plane | None = None
    props: Mapping[str, Property] = field(default_factory=dict)
    tag: object = None

    def __post_init__(self) -> None:
        sizes = [self.format.size(plane, self.width, self.height) for plane in range(self.format.planes)]
        given = [plane.shape[::-1] for plane in self.planes]
        if self.alpha is not None:
            sizes.append((self.width, self.height))
            given.append(self.alpha.shape[::-1])
        if given != sizes:
            raise FormatError(f"planes are {given} in (width, height), allowed: {sizes} for {self}")

    def __str__(self) -> str:
        return f"{self.width}x{self.height} {self.format}" + ("" if self.alpha is None else " with alpha")

    def is_like(self, other: Raw) -> bool:
        """Whether size and format are the same."""
        return str(self) == str(other)

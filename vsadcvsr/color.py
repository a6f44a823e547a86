"""How colour is written into the planes of a video frame: the numbers of it, and what to do with a finished picture.

Numbers of matrices, ranges and chroma locations are those of VapourSynth's frame properties (H.273, for the matrices).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from vsadcvsr.spec import SCALE

MATRICES = {
    1: "709", 4: "fcc", 5: "470bg", 6: "170m", 7: "240m", 8: "ycgco", 9: "2020ncl", 10: "2020cl",
    12: "chromancl", 13: "chromacl", 14: "ictcp",
}  # fmt: skip

MATRIX_NAMES = {
    **{name: number for number, name in MATRICES.items()},
    "bt709": 1, "bt470bg": 5, "smpte170m": 6, "bt601": 6, "601": 6, "smpte240m": 7, "ycocg": 8, "bt2020nc": 9,
    "bt2020ncl": 9, "2020": 9, "bt2020": 9, "bt2020c": 10, "bt2020cl": 10, "chroma-derived-nc": 12,
    "chroma-derived-c": 13,
}  # fmt: skip
"""The names of VapourSynth's `resize`, FFmpeg's, and usual short ones."""

LUMA_709 = (0.2126, 0.7152, 0.0722)
LUMA_601 = (0.299, 0.587, 0.114)
"""Weights of R, G and B in luma, by BT.709 and BT.601."""

RED_BLUE = {
    1: LUMA_709[::2], 4: (0.30, 0.11), 5: LUMA_601[::2], 6: LUMA_601[::2], 7: (0.212, 0.087), 9: (0.2627, 0.0593),
}  # fmt: skip
"""What of luma is red and what is blue, for the matrices that are no more than that."""

LINEAR = {*RED_BLUE, 8}
"""Matrices whose luma is a sum of R, G and B with weights that add up to 1, so that detail goes through unchanged."""

CHROMA_LOCATIONS = {0: (-1, 0), 1: (0, 0), 2: (-1, -1), 3: (0, -1), 4: (-1, 1), 5: (0, 1)}
"""Where in its block of pixels a chroma sample lies: -1 at the first, 1 at the last, 0 between; across and down."""

USUAL_LOCATION = 0
RANGES = range(2)
FULL = 1

type Rows = tuple[tuple[float, float, float], ...]


class Levels(NamedTuple):
    """From 0..1 (chroma: -1/2..1/2) to codes: times `gain`, plus `offset`, rounded half to even, within 0..`peak`."""

    gain: int
    offset: int
    peak: int


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """A picture's planes: their samples, and their colours. `subsampling` counts halvings, across and down."""

    family: Literal["GRAY", "RGB", "YUV"]
    bits: int
    is_float: bool = False
    subsampling: tuple[int, int] = (0, 0)
    matrix: int | None = None
    full: bool = False
    location: int = USUAL_LOCATION

    @property
    def is_simple(self) -> bool:
        """Whether `rows` are all that there is to its colours."""
        return self.family == "RGB" or self.matrix in RED_BLUE

    @property
    def rows(self) -> Rows:
        """The planes as sums of R, G and B, before `levels`."""
        if self.family == "RGB":
            return (1, 0, 0), (0, 1, 0), (0, 0, 1)
        assert self.matrix is not None, "only RGB has none"
        red, blue = RED_BLUE[self.matrix]
        green = 1 - red - blue
        luma = (red, green, blue)
        if self.family == "GRAY":
            return (luma,)
        across, down = 2 * (1 - blue), 2 * (1 - red)
        return (
            luma,
            (-red / across, -green / across, (1 - blue) / across),
            ((1 - red) / down, -green / down, -blue / down),
        )

    def levels(self, plane: int) -> Levels:
        """The codes of a plane of integers."""
        chroma, up, peak = self.family == "YUV" and plane > 0, self.bits - 8, (1 << self.bits) - 1
        if self.full:
            return Levels(peak, 128 << up if chroma else 0, peak)
        return Levels(224 << up, 128 << up, peak) if chroma else Levels(219 << up, 16 << up, peak)

    def size(self, plane: int, height: int, width: int) -> tuple[int, int]:
        """(height, width) of a plane of a picture of such a size, which must divide by the subsampling."""
        across, down = self.subsampling if plane else (0, 0)
        return height >> down, width >> across

    def shifts(self) -> tuple[float, float]:
        """By how many of the picture's pixels chroma lies off the middle of its block: down and across."""
        across, down = CHROMA_LOCATIONS[self.location]
        blocks = (1 << self.subsampling[1], down), (1 << self.subsampling[0], across)
        height, width = ((block - 1) / 2 * side for block, side in blocks)
        return height, width

    def bytes_for(self, height: int, width: int) -> int:
        """The bytes of all planes."""
        count = 1 if self.family == "GRAY" else 3
        samples = sum(rows * columns for rows, columns in (self.size(plane, height, width) for plane in range(count)))
        return samples * (4 if self.bits > 16 else 2 if self.bits > 8 else 1)


@dataclass(frozen=True, kw_only=True)
class Finish:
    """What is made of a picture: its encoding, what of it comes of `height` x `width` source pixels, and its manner."""

    encoding: Encoding
    height: int
    width: int
    strength: float = 1.0
    color_fix: str = "none"

    @property
    def needs_source(self) -> bool:
        """Whether it cannot be done without the source frame."""
        return self.strength != 1 or self.color_fix != "none"

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of what comes out."""
        return self.height * SCALE, self.width * SCALE

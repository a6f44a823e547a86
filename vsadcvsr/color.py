"""Colour formats of video frames: matrices, ranges, chroma siting, quantisation.

Numbers of matrices, ranges and chroma locations are those of VapourSynth's frame properties (H.273, for the matrices).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from vsadcvsr.spec import Array

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


def luma(frame: Array) -> Array:
    """BT.709 luma (H, W) of RGB (3, H, W), summed in a fixed order: the same bits with any number of threads."""
    total = np.zeros(frame.shape[1:], np.float32)
    for weight, plane in zip(LUMA_709, frame, strict=True):
        total += np.float32(weight) * plane
    return total


KR_KB = {
    1: LUMA_709[::2], 4: (0.30, 0.11), 5: LUMA_601[::2], 6: LUMA_601[::2], 7: (0.212, 0.087), 9: (0.2627, 0.0593),
}  # fmt: skip
"""(Kr, Kb) of the matrices that are defined by them."""

LINEAR_MATRICES = {*KR_KB, 8}
"""Matrices whose luma is a weighted sum of R, G and B with weights that add up to 1, so that detail passes unchanged.
"""

CHROMA_LOCATIONS = {0: (-1, 0), 1: (0, 0), 2: (-1, -1), 3: (0, -1), 4: (-1, 1), 5: (0, 1)}
"""Chroma siting as (horizontal, vertical): -1 at the first luma sample, 0 between two, 1 at the last."""

DEFAULT_CHROMA_LOCATION = 0
RANGES = range(2)
FULL_RANGE = 1

type Coefficients = tuple[tuple[float, float, float], ...]


class Quantization(NamedTuple):
    """Quantisation of 0..1 (chroma: -1/2..1/2): times `gain`, plus `offset`, rounded half to even, clamped to
    0..`peak`.
    """

    gain: int
    offset: int
    peak: int


@dataclass(frozen=True, kw_only=True)
class ColorFormat:
    """Sample format and colour of the planes of a frame."""

    family: Literal["GRAY", "RGB", "YUV"]
    bits: int
    is_float: bool = False
    subsampling: tuple[int, int] = (0, 0)
    """Halvings of chroma, horizontally and vertically."""
    matrix: int | None = None
    full_range: bool = False
    """Full instead of limited range."""
    chroma_location: int = DEFAULT_CHROMA_LOCATION

    @property
    def has_linear_matrix(self) -> bool:
        """Whether `rgb_to_planes` describes the whole conversion."""
        return self.family == "RGB" or self.matrix in KR_KB

    @property
    def rgb_to_planes(self) -> Coefficients:
        """Each plane as weights of R, G and B, before quantisation."""
        if self.family == "RGB":
            return (1, 0, 0), (0, 1, 0), (0, 0, 1)
        assert self.matrix is not None, "only RGB has none"
        kr, kb = KR_KB[self.matrix]
        kg = 1 - kr - kb
        luma = (kr, kg, kb)
        if self.family == "GRAY":
            return (luma,)
        cb_range, cr_range = 2 * (1 - kb), 2 * (1 - kr)
        return (
            luma,
            (-kr / cb_range, -kg / cb_range, (1 - kb) / cb_range),
            ((1 - kr) / cr_range, -kg / cr_range, -kb / cr_range),
        )

    def quantization(self, plane: int) -> Quantization:
        """Quantisation of an integer plane."""
        chroma, shift, peak = self.family == "YUV" and plane > 0, self.bits - 8, (1 << self.bits) - 1
        if self.full_range:
            return Quantization(peak, 128 << shift if chroma else 0, peak)
        return (
            Quantization(224 << shift, 128 << shift, peak) if chroma else Quantization(219 << shift, 16 << shift, peak)
        )

    def plane_size(self, plane: int, height: int, width: int) -> tuple[int, int]:
        """(height, width) of a plane of a frame of this size, which must be divisible by the subsampling."""
        across, down = self.subsampling if plane else (0, 0)
        return height >> down, width >> across

    def chroma_shifts(self) -> tuple[float, float]:
        """Offset of chroma from the centre of its block, in pixels of the frame: vertical and horizontal."""
        across, down = CHROMA_LOCATIONS[self.chroma_location]
        blocks = (1 << self.subsampling[1], down), (1 << self.subsampling[0], across)
        height, width = ((block - 1) / 2 * side for block, side in blocks)
        return height, width

    def nbytes(self, height: int, width: int) -> int:
        """Bytes of all planes."""
        count = 1 if self.family == "GRAY" else 3
        samples = sum(
            rows * columns for rows, columns in (self.plane_size(plane, height, width) for plane in range(count))
        )
        return samples * (4 if self.bits > 16 else 2 if self.bits > 8 else 1)


@dataclass(frozen=True, kw_only=True)
class OutputFormat:
    """Format of a planar output frame, and the postprocessing before it."""

    color_format: ColorFormat
    height: int
    """Height of the source without padding, in pixels."""
    width: int
    """Width of the source without padding, in pixels."""
    scale: int
    """Scale of the network."""
    strength: float = 1.0
    color_fix: str = "none"

    @property
    def needs_source(self) -> bool:
        """Whether postprocessing needs the source frame."""
        return self.strength != 1 or self.color_fix != "none"

    @property
    def output_size(self) -> tuple[int, int]:
        """(height, width) of the output."""
        return self.height * self.scale, self.width * self.scale

"""Chunks and tiles of clips for DOVE: padding to supported sizes, and pieces with hard seams.

Pieces overlap; each takes over from its neighbour in the middle of the overlap, so every voxel is written once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise, product

from vsadcvsr.errors import UsageError

LOW_MULTIPLE = 16
"""Low-resolution height and width are padded to a multiple of this."""

TILE_MULTIPLE = 16
"""Total downsampling of the VAE and the patches of the transformer."""

_FRAMES = 8


@dataclass(frozen=True)
class DoveTiling:
    """Length and overlap of chunks in frames; the same of tiles in output pixels, (rows, columns). A size of 0 disables
    chunks or tiles.
    """

    chunk: int = 0
    chunk_overlap: int = 8
    tile: tuple[int, int] = (0, 0)
    tile_overlap: tuple[int, int] = (32, 32)

    def __post_init__(self) -> None:
        if self.chunk and not 0 <= self.chunk_overlap < self.chunk:
            raise UsageError.of("chunk", self.chunk, f"0, or more frames than the {self.chunk_overlap} of overlap")
        if any(side % TILE_MULTIPLE for side in self.tile) or (0 in self.tile) != (self.tile == (0, 0)):
            raise UsageError.of("tile", self.tile, f"0 0, or rows and columns in multiples of {TILE_MULTIPLE}")
        pairs = zip(self.tile, self.tile_overlap, strict=True)
        if any(side and not 0 <= overlap < side for side, overlap in pairs):
            raise UsageError.of("tile", self.tile, f"more than the overlap of {self.tile_overlap}")


@dataclass(frozen=True)
class Piece:
    """A piece along one axis: `begin` to `end` are the input; of the output, `first` to `last` are kept."""

    begin: int
    end: int
    first: int
    last: int

    @property
    def input_slice(self) -> slice:
        """Position of the piece."""
        return slice(self.begin, self.end)

    @property
    def output_slice(self) -> slice:
        """Position of the kept output."""
        return slice(self.first, self.last)

    @property
    def kept_slice(self) -> slice:
        """The kept part of the piece's output."""
        return slice(self.first - self.begin, self.last - self.begin)


def split(length: int, size: int, overlap: int) -> list[Piece]:
    """Pieces of `size`, the last moved back to the end; one piece if `size` is 0 or large enough."""
    if not 0 < size < length:
        return [Piece(0, length, 0, length)]
    stride = size - overlap
    begins = [min(step * stride, length - size) for step in range(-(-(length - size) // stride) + 1)]
    seams = [0, *((before + size + after) // 2 for before, after in pairwise(begins)), length]
    return [Piece(begin, begin + size, *edges) for begin, edges in zip(begins, pairwise(seams), strict=True)]


def chunks(frames: int, tiling: DoveTiling) -> list[Piece]:
    """The chunks of a clip."""
    return split(frames, tiling.chunk, tiling.chunk_overlap)


def tiles(height: int, width: int, tiling: DoveTiling) -> Iterator[tuple[Piece, Piece]]:
    """Rows and columns of each tile of a padded image of this output size."""
    rows, columns = (
        split(length, side, overlap)
        for length, side, overlap in zip((height, width), tiling.tile, tiling.tile_overlap, strict=True)
    )
    return product(rows, columns)


def padded_frames(frames: int) -> int:
    """The smallest number 8n + 1 that is at least `frames`."""
    return frames + (1 - frames) % _FRAMES


def padded_side(length: int) -> int:
    """The smallest multiple of 16 that is at least `length`."""
    return length + -length % LOW_MULTIPLE

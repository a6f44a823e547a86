"""How DOVE takes a clip: padded to sizes it can take, whole or in pieces with hard seams. All of it pure.

Pieces overlap; each gives way to its neighbour in the middle of what they share, so every voxel is written once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise, product

from vsadcvsr.errors import UsageError
from vsadcvsr.spec import SCALE

LOW_MULTIPLE = 16
"""Low-resolution height and width are padded to a multiple of this."""

TILE_MULTIPLE = 16
"""What the VAE and the patches of the transformer shrink a picture by, together."""

_FRAMES = 8


@dataclass(frozen=True)
class Pieces:
    """How long a chunk is, and how far two chunks overlap, in frames; the same of tiles in output pixels, (rows,
    columns). A chunk or a tile of 0 takes everything at once."""

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
class Span:
    """A piece along one axis: `begin` to `end` go in; of what comes out, `first` to `last` are kept."""

    begin: int
    end: int
    first: int
    last: int

    @property
    def taken(self) -> slice:
        """Where the piece lies."""
        return slice(self.begin, self.end)

    @property
    def written(self) -> slice:
        """Where its answer goes."""
        return slice(self.first, self.last)

    @property
    def kept(self) -> slice:
        """The part of its answer that goes there."""
        return slice(self.first - self.begin, self.last - self.begin)


def spans(length: int, size: int, overlap: int) -> list[Span]:
    """Pieces of `size`, the last moved back to end with the whole; one piece if `size` is 0 or enough for all."""
    if not 0 < size < length:
        return [Span(0, length, 0, length)]
    stride = size - overlap
    begins = [min(step * stride, length - size) for step in range(-(-(length - size) // stride) + 1)]
    seams = [0, *((before + size + after) // 2 for before, after in pairwise(begins)), length]
    return [Span(begin, begin + size, *edges) for begin, edges in zip(begins, pairwise(seams), strict=True)]


def chunks(frames: int, pieces: Pieces) -> list[Span]:
    """The chunks of a clip."""
    return spans(frames, pieces.chunk, pieces.chunk_overlap)


def tiles(height: int, width: int, pieces: Pieces) -> Iterator[tuple[Span, Span]]:
    """Rows and columns of each tile of a padded picture of this output size."""
    rows, columns = (
        spans(length, side, overlap)
        for length, side, overlap in zip((height, width), pieces.tile, pieces.tile_overlap, strict=True)
    )
    return product(rows, columns)


def padded_frames(frames: int) -> int:
    """The least 8n + 1 that is no less."""
    return frames + (1 - frames) % _FRAMES


def padded_side(length: int) -> int:
    """The least multiple of 16 that is no less."""
    return length + -length % LOW_MULTIPLE


def output_size(height: int, width: int) -> tuple[int, int]:
    """What a padded low-resolution picture of this size becomes."""
    return SCALE * padded_side(height), SCALE * padded_side(width)

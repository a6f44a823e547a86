"""Frames in tiles: planned once a clip, cut with their real neighbours, joined with weights that sum to one.

A network that reaches r pixels far is exact r pixels away from an edge that is not the frame's own. So tiles overlap by
twice that, and each gives way to its neighbour in the middle of the overlap. Where the reach is unknown or the overlap
smaller, the overlap is blended instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise, product

import numpy as np

from vsadcvsr import arguments
from vsadcvsr.errors import UsageError
from vsadcvsr.spec import Array, ModelSpec

_GLOBAL_PAD = 32
"""The overlap, on each side, for networks whose reach has no end."""


@dataclass(frozen=True, kw_only=True)
class Tiling:
    """What a user may say of tiles: their size in input pixels, as the network sees it, and the rim that is context.

    `pad` is a multiple of the model's, and `width` and `height` are at least one such multiple more than two rims.
    """

    width: int
    height: int
    pad: int

    @classmethod
    def checked(cls, spec: ModelSpec, tile: Sequence[int] | None, tile_pad: int | None) -> Tiling | None:
        """None without tiles. Sizes are rounded up to what the model takes. Raises UsageError."""
        rim = default_pad(spec) if tile_pad is None else arguments.at_least(0, "tile_pad", tile_pad, "0 or more")
        if tile is None:
            return None
        tile = arguments.pair("tile", tile, "[width, height] in source pixels")
        pad = _up(rim, spec.multiple)
        least = 2 * pad + spec.multiple
        if min(tile) < least:
            hint = f"{pad} pixels on each side are context, see tile_pad"
            raise UsageError.of("tile", tile, f"width and height of {least} or more", hint)
        return cls(width=_up(tile[0], spec.multiple), height=_up(tile[1], spec.multiple), pad=pad)


def default_pad(spec: ModelSpec) -> int:
    """The rim that makes tiling exact, or a usual one where nothing does."""
    return _up(_GLOBAL_PAD if spec.reach is None else spec.reach, spec.multiple)


@dataclass(frozen=True)
class Span:
    """One tile along one axis, in input pixels: `begin` to `end` go in; it fades in over `rise` and out over `fall`.

    Both are (from, to); one without length is a step.
    """

    begin: int
    end: int
    rise: tuple[int, int]
    fall: tuple[int, int]

    def weights(self, scale: int) -> Array:
        """The weight of each pixel of the tile along this axis, at `scale` times the input's size, 0 to 1."""
        at = (np.arange(self.begin * scale, self.end * scale, dtype=np.float32) + np.float32(0.5)) / np.float32(scale)
        return _ramp(at, self.rise) - _ramp(at, self.fall)


@dataclass(frozen=True)
class Plan:
    """The tiles of a padded frame of (height, width); `exact` where no pixel is blended."""

    height: int
    width: int
    rows: tuple[Span, ...]
    columns: tuple[Span, ...]
    exact: bool

    def __post_init__(self) -> None:
        for length, spans in ((self.height, self.rows), (self.width, self.columns)):
            total = np.zeros(length, np.float32)
            for span in spans:
                total[span.begin : span.end] += span.weights(1)
            assert np.allclose(total, 1, atol=1e-5), "tiles do not cover the frame"

    def __len__(self) -> int:
        return len(self.rows) * len(self.columns)

    def __iter__(self) -> Iterator[tuple[Span, Span]]:
        return iter(product(self.rows, self.columns))

    def cut(self, frame: Array, index: int) -> Array:
        """Tile `index` of a padded frame (3, H, W), with its real neighbours around it."""
        row, column = self._at(index)
        return frame[:, row.begin : row.end, column.begin : column.end]

    def canvas(self, tile: Array) -> Array:
        """Where `place` puts the tiles of one picture, given any of them, (…, s * h, s * w) for a scale s of 1 or 4."""
        row, _ = self._at(0)
        scale = tile.shape[-2] // (row.end - row.begin)
        return np.zeros((*tile.shape[:-2], self.height * scale, self.width * scale), np.float32)

    def place(self, canvas: Array, index: int, tile: Array) -> None:
        """Adds tile `index` to the canvas; when each has been placed once, the canvas is the picture."""
        row, column = self._at(index)
        scale = canvas.shape[-2] // self.height
        if self.exact:
            here = (..., _scaled(scale, row.rise[0], row.fall[0]), _scaled(scale, column.rise[0], column.fall[0]))
            canvas[here] = tile[
                ...,
                _scaled(scale, row.rise[0] - row.begin, row.fall[0] - row.begin),
                _scaled(scale, column.rise[0] - column.begin, column.fall[0] - column.begin),
            ]
            return
        weights = row.weights(scale)[:, None] * column.weights(scale)[None, :]
        canvas[..., _scaled(scale, row.begin, row.end), _scaled(scale, column.begin, column.end)] += weights * tile

    def _at(self, index: int) -> tuple[Span, Span]:
        row, column = divmod(index, len(self.columns))
        return self.rows[row], self.columns[column]


@lru_cache(maxsize=16)
def plan(spec: ModelSpec, height: int, width: int, tiling: Tiling | None) -> Plan:
    """The tiles for frames of (height, width) before padding; one where the frame fits, or without `tiling`."""
    height, width = spec.padded(height, width)
    if tiling is None:
        tiling = Tiling(width=width, height=height, pad=0)
    exact = spec.reach is not None and tiling.pad >= spec.reach
    rows = _spans(height, tiling.height, tiling.pad, spec.multiple, step=exact)
    columns = _spans(width, tiling.width, tiling.pad, spec.multiple, step=exact)
    return Plan(height, width, rows, columns, exact or len(rows) * len(columns) == 1)


def smaller(spec: ModelSpec, size: tuple[int, int], pad: int) -> tuple[int, int] | None:
    """The (width, height) of tiles to try where `size` needs too much memory; None where none is smaller."""
    least = 2 * pad + spec.multiple
    width, height = (max(least, _up(side // 2, spec.multiple)) for side in size)
    return (width, height) if width * height < size[0] * size[1] else None


def _spans(length: int, tile: int, pad: int, multiple: int, *, step: bool) -> tuple[Span, ...]:
    """Tiles of one length, evenly spread so that neighbours overlap by 2 * pad or more."""
    if tile >= length:
        return (Span(0, length, (0, 0), (length, length)),)
    count = 1 - (tile - length) // (tile - 2 * pad)  # one, and as many strides as the rest takes
    begins = [(length - tile) * k // (count - 1) // multiple * multiple for k in range(count)]
    joints = [_joint(after, before + tile, step) for before, after in pairwise(begins)]
    rises = [(0, 0), *joints]
    falls = [*joints, (length, length)]
    return tuple(Span(begin, begin + tile, *ramps) for begin, *ramps in zip(begins, rises, falls, strict=True))


def _joint(begin: int, end: int, step: bool) -> tuple[int, int]:
    """Where one tile fades into the next, inside their overlap."""
    middle = (begin + end) // 2
    return (middle, middle) if step else (begin, end)


def _ramp(at: Array, ramp: tuple[int, int]) -> Array:
    begin, end = ramp
    return np.clip((at - begin) / (end - begin), 0, 1) if end > begin else (at > begin).astype(np.float32)


def _scaled(scale: int, begin: int, end: int) -> slice:
    """The pixels that some input pixels became."""
    return slice(begin * scale, end * scale)


def _up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple

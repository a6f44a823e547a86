"""Tiling of frames: planned once per clip, cropped with real neighbours, merged with weights that sum to one.

A network with a reach of r pixels is exact at a distance of r pixels from an edge that is not the frame's own. So tiles
overlap by 2r, and each takes over from its neighbour in the middle of the overlap. If the reach is unknown or the
overlap smaller, the middle half of the overlap is blended.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise, product

import numpy as np

from vsadcvsr import argument_checks
from vsadcvsr.errors import UsageError
from vsadcvsr.spec import Array, ModelSpec

_log = logging.getLogger(__name__)

_GLOBAL_PAD = 32
"""Overlap on each side for networks with unlimited reach."""


@dataclass(frozen=True, kw_only=True)
class TileOptions:
    """User-specified tiles: size in input pixels as the network sees it, including the context of `pad` pixels on each
    side. `pad` is a multiple of the model's `multiple`; width and height exceed twice that by at least one multiple.
    """

    width: int
    height: int
    pad: int

    @classmethod
    def checked(cls, spec: ModelSpec, tile: Sequence[int] | None, tile_pad: int | None) -> TileOptions | None:
        """None without tiles. Sizes are rounded up to what the model takes. Raises UsageError."""
        padding = default_pad(spec)
        if tile_pad is not None:
            padding = argument_checks.at_least(0, "tile_pad", tile_pad, "0 or more")
        if spec.fixed_size:
            return _fixed_tiles(spec, spec.fixed_size, tile, padding)
        if tile is None:
            return None
        if spec.tiling == "refused":
            raise UsageError.of("tile", tile, f"none for model {spec.name!r}, which looks at whole frames")
        if spec.tiling == "discouraged":
            _log.warning("model %r sees farther than tiles overlap: they change its output, and may show", spec.name)
        tile = argument_checks.pair("tile", tile, "[width, height] in source pixels")
        pad = _round_up(padding, spec.multiple)
        smallest = 2 * pad + spec.multiple
        if min(tile) < smallest:
            hint = f"{pad} pixels on each side are context, see tile_pad"
            raise UsageError.of("tile", tile, f"width and height of {smallest} or more", hint)
        if min(tile) < spec.minimum:
            raise UsageError.of("tile", tile, f"width and height of {spec.minimum} or more for model {spec.name!r}")
        return cls(width=_round_up(tile[0], spec.multiple), height=_round_up(tile[1], spec.multiple), pad=pad)


def default_pad(spec: ModelSpec) -> int:
    """The context that makes tiling exact, or a default if nothing does: a quarter of a fixed size at most."""
    pad = _GLOBAL_PAD if spec.reach is None else spec.reach
    return min(pad, min(spec.fixed_size) // 4) if spec.fixed_size else _round_up(pad, spec.multiple)


def _fixed_tiles(spec: ModelSpec, size: tuple[int, int], tile: Sequence[int] | None, pad: int) -> TileOptions:
    """Tiles of the only size that a network takes. Raises UsageError for others."""
    height, width = size
    if tile is not None and argument_checks.pair("tile", tile, "[width, height]") != (width, height):
        raise UsageError.of("tile", tile, f"[{width}, {height}], the only size that model {spec.name!r} takes")
    if 2 * pad >= min(size):
        raise UsageError.of("tile_pad", pad, f"less than half of {min(size)} for model {spec.name!r}")
    return TileOptions(width=width, height=height, pad=pad)


@dataclass(frozen=True)
class TileSpan:
    """A tile along one axis, in input pixels."""

    begin: int
    """First input pixel."""
    end: int
    """One past the last input pixel."""
    fade_in: tuple[int, int]
    """(from, to) of the ramp at the start; a ramp of length zero is a step."""
    fade_out: tuple[int, int]
    """(from, to) of the ramp at the end."""

    def weights(self, scale: int) -> Array:
        """The weight of each pixel of the tile along this axis, at `scale` times the input's size, 0 to 1."""
        centres = (np.arange(self.begin * scale, self.end * scale, dtype=np.float32) + np.float32(0.5)) / np.float32(
            scale
        )
        return _ramp(centres, self.fade_in) - _ramp(centres, self.fade_out)


@dataclass(frozen=True)
class TileLayout:
    """The tiles of a padded frame of (height, width)."""

    height: int
    width: int
    rows: tuple[TileSpan, ...]
    columns: tuple[TileSpan, ...]
    exact: bool
    """No pixel is blended."""

    def __post_init__(self) -> None:
        for length, spans in ((self.height, self.rows), (self.width, self.columns)):
            total = np.zeros(length, np.float32)
            for span in spans:
                total[span.begin : span.end] += span.weights(1)
            assert np.allclose(total, 1, atol=1e-5), "tiles do not cover the frame"

    def __len__(self) -> int:
        return len(self.rows) * len(self.columns)

    def __iter__(self) -> Iterator[tuple[TileSpan, TileSpan]]:
        return iter(product(self.rows, self.columns))

    def crop(self, frame: Array, index: int) -> Array:
        """Tile `index` of a padded frame (3, H, W), with its real neighbours around it."""
        row, column = self._spans_of(index)
        return frame[:, row.begin : row.end, column.begin : column.end]

    def canvas(self, tile: Array) -> Array:
        """An empty output for `add`, given any output tile (…, s * h, s * w) of scale s."""
        row, _ = self._spans_of(0)
        scale = tile.shape[-2] // (row.end - row.begin)
        return np.zeros((*tile.shape[:-2], self.height * scale, self.width * scale), np.float32)

    def add(self, canvas: Array, index: int, tile: Array) -> None:
        """Adds tile `index` to the canvas; once each tile was added, the canvas is the frame."""
        row, column = self._spans_of(index)
        scale = canvas.shape[-2] // self.height
        if self.exact:
            region = (
                ...,
                _scaled(scale, row.fade_in[0], row.fade_out[0]),
                _scaled(scale, column.fade_in[0], column.fade_out[0]),
            )
            canvas[region] = tile[
                ...,
                _scaled(scale, row.fade_in[0] - row.begin, row.fade_out[0] - row.begin),
                _scaled(scale, column.fade_in[0] - column.begin, column.fade_out[0] - column.begin),
            ]
            return
        weights = row.weights(scale)[:, None] * column.weights(scale)[None, :]
        canvas[..., _scaled(scale, row.begin, row.end), _scaled(scale, column.begin, column.end)] += weights * tile

    def _spans_of(self, index: int) -> tuple[TileSpan, TileSpan]:
        row, column = divmod(index, len(self.columns))
        return self.rows[row], self.columns[column]


@lru_cache(maxsize=16)
def plan_tiles(spec: ModelSpec, height: int, width: int, options: TileOptions | None) -> TileLayout:
    """The tile layout for frames of (height, width) before padding; a single tile if the frame fits, or without
    `options`, unless the model has a fixed size.
    """
    height, width = spec.padded(height, width)
    if options is None and spec.fixed_size:
        options = _fixed_tiles(spec, spec.fixed_size, None, default_pad(spec))
    if options is None:
        options = TileOptions(width=width, height=height, pad=0)
    exact = spec.reach is not None and options.pad >= spec.reach
    rows = _spans(height, options.height, options.pad, spec.multiple, step=exact)
    columns = _spans(width, options.width, options.pad, spec.multiple, step=exact)
    return TileLayout(height, width, rows, columns, exact or len(rows) * len(columns) == 1)


def smaller_tile(spec: ModelSpec, size: tuple[int, int], pad: int) -> tuple[int, int] | None:
    """(width, height) of smaller tiles to try after running out of memory with `size`; None if none is smaller."""
    smallest = max(2 * pad + spec.multiple, spec.minimum, *(spec.fixed_size or ()))
    width, height = (max(smallest, _round_up(side // 2, spec.multiple)) for side in size)
    return (width, height) if width * height < size[0] * size[1] else None


def _spans(length: int, tile: int, pad: int, multiple: int, *, step: bool) -> tuple[TileSpan, ...]:
    """Tiles of one length, evenly spread so that neighbours overlap by 2 * pad or more."""
    if tile >= length:
        return (TileSpan(0, length, (0, 0), (length, length)),)
    count = 1 - (tile - length) // (tile - 2 * pad)  # one, and as many strides as the rest takes
    begins = [(length - tile) * k // (count - 1) // multiple * multiple for k in range(count)]
    seams = [_seam(after, before + tile, step) for before, after in pairwise(begins)]
    rises = [(0, 0), *seams]
    falls = [*seams, (length, length)]
    return tuple(TileSpan(begin, begin + tile, *ramps) for begin, *ramps in zip(begins, rises, falls, strict=True))


def _seam(start: int, end: int, step: bool) -> tuple[int, int]:
    """Where one tile fades into the next: in the middle of their overlap, as far as possible from their edges."""
    if step:
        return ((start + end) // 2,) * 2
    margin = (end - start) // 4
    return start + margin, end - margin


def _ramp(centres: Array, ramp: tuple[int, int]) -> Array:
    begin, end = ramp
    return np.clip((centres - begin) / (end - begin), 0, 1) if end > begin else (centres > begin).astype(np.float32)


def _scaled(scale: int, begin: int, end: int) -> slice:
    """The pixels that some input pixels became."""
    return slice(begin * scale, end * scale)


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple

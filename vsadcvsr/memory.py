"""Memory is planned before it is taken: which tiles, and how much of the state in the host's memory.

Tiles of a network without a known reach (attention is global) change its pictures a little, so there are as few as
possible; what is in the host's memory changes none, but has to cross the bus. A plan depends on the size of the
device's memory, not on what is free at the moment: else a film would not look the same twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from vsadcvsr.errors import BackendError
from vsadcvsr.spec import Aside, ModelSpec, Needs
from vsadcvsr.tiling import Tiling, default_pad, plan

GIB = 1 << 30
_LEAST = 128
"""The shortest side of a tile in input pixels: networks with attention are trained on such pictures."""

_ASIDES: tuple[Aside, ...] = ("none", "lines", "all")

type NeedsOf = Callable[[int, int], Needs]
"""By the height and width of a stream's frames."""


@dataclass(frozen=True, kw_only=True)
class MemoryPlan:
    """Tiles (None: whole frames), their number, what of their state is aside, and the bytes that this takes."""

    tiling: Tiling | None
    streams: int
    size: tuple[int, int]
    """(height, width) of a tile."""
    aside: Aside
    on_device: int
    on_host: int
    area: float
    """The pixels of all tiles, as a multiple of the frame's."""

    def __str__(self) -> str:
        height, width = self.size
        what = "whole" if self.tiling is None else f"{self.streams} tiles of {width}x{height}"
        where = {"none": "", "lines": ", delay lines in host memory", "all": ", state in host memory"}[self.aside]
        return f"{what}{where}: {self.on_device / GIB:.1f} GiB, host {self.on_host / GIB:.1f} GiB"


def usable(total: int) -> int:
    """Of a device's memory, what may be planned with: the rest is for its driver, libraries and other programs."""
    return total - max(GIB, total // 8)


def choose(spec: ModelSpec, needs: NeedsOf, height: int, width: int, room: int) -> MemoryPlan:
    """The plan for frames of (height, width) in `room` bytes: the least area of tiles, then the least aside.

    All of the state is put aside only where nothing else fits. Raises BackendError where nothing does.
    """
    fitting = [one for one in _plans(spec, needs, height, width) if one.on_device <= room]
    if fitting:
        return min(fitting, key=lambda one: (one.aside == "all", one.area, one.streams, _ASIDES.index(one.aside)))
    least = min(_plans(spec, needs, height, width), key=lambda one: one.on_device)
    raise BackendError(
        f"model {spec.name!r} needs {least.on_device / GIB:.1f} GiB for {width}x{height} in the smallest tiles, "
        f"{room / GIB:.1f} GiB can be planned with; take smaller frames, a larger GPU or device='cpu'"
    )


def settled(spec: ModelSpec, needs: NeedsOf, height: int, width: int, room: int, tiling: Tiling) -> MemoryPlan:
    """The plan for tiles that somebody else chose: as little aside as fits, all of it where nothing does."""
    plans = [_planned(spec, needs, height, width, tiling, aside) for aside in _ASIDES]
    return next((one for one in plans if one.on_device <= room), plans[-1])


def _plans(spec: ModelSpec, needs: NeedsOf, height: int, width: int) -> Iterator[MemoryPlan]:
    for tiling in _tilings(spec, height, width):
        for aside in _ASIDES:
            yield _planned(spec, needs, height, width, tiling, aside)


def _planned(
    spec: ModelSpec, needs: NeedsOf, height: int, width: int, tiling: Tiling | None, aside: Aside
) -> MemoryPlan:
    tiles = plan(spec, height, width, tiling)
    row, column = next(iter(tiles))
    size = row.end - row.begin, column.end - column.begin
    count, one = len(tiles), needs(*size)
    return MemoryPlan(
        tiling=tiling if count > 1 else None,
        streams=count,
        size=size,
        aside=aside,
        on_device=one.on_device(count, aside),
        on_host=one.on_host(count, aside),
        area=count * size[0] * size[1] / (tiles.height * tiles.width),
    )


def _tilings(spec: ModelSpec, height: int, width: int) -> Iterator[Tiling | None]:
    """Whole frames, and every number of rows and columns of tiles that are not too small."""
    yield None
    pad, (height, width) = default_pad(spec), spec.padded(height, width)
    for tall in _sides(height, pad, spec.multiple):
        for wide in _sides(width, pad, spec.multiple):
            if (tall, wide) != (height, width):
                yield Tiling(width=wide, height=tall, pad=pad)


def _sides(length: int, pad: int, multiple: int) -> Iterator[int]:
    """The lengths of tiles, one tile, two, three …, along an axis."""
    yield length
    count = 2
    while True:
        side = -(-(length + (count - 1) * 2 * pad) // (count * multiple)) * multiple
        if side < max(_LEAST, 2 * pad + multiple):
            return
        yield side
        count += 1

"""Planning of memory before it is allocated: tile layout, and how much of the state to offload to the host.

Tiles change the output of a network without a known reach (global attention) slightly, so there are as few as possible;
offloading changes nothing, but costs transfers. A plan depends on the size of the device's memory, not on what is free
at the moment: otherwise a video would not have the same bits twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from vsadcvsr.errors import BackendError
from vsadcvsr.spec import MemoryNeeds, ModelSpec, Offload
from vsadcvsr.tiling import TileOptions, default_pad, plan_tiles

GIB = 1 << 30
_SHORTEST_SIDE = 128
"""Shortest side of a tile in input pixels: networks with attention are trained on frames of this size."""

_OFFLOADS: tuple[Offload, ...] = ("none", "lines", "all")

type NeedsOf = Callable[[int, int], MemoryNeeds]
"""By the height and width of a stream's frames."""


@dataclass(frozen=True, kw_only=True)
class MemoryPlan:
    """A tile layout, what of its state is offloaded, and the memory that it takes."""

    tiles: TileOptions | None
    """None for whole frames."""
    streams: int
    """Number of tiles, each of which is a stream with a state of its own."""
    size: tuple[int, int]
    """(height, width) of a tile."""
    offload: Offload
    on_device: int
    """Bytes of device memory."""
    on_host: int
    """Bytes of pinned host memory."""
    area: float
    """The pixels of all tiles, as a multiple of the frame's."""

    def __str__(self) -> str:
        height, width = self.size
        what = "whole" if self.tiles is None else f"{self.streams} tiles of {width}x{height}"
        offloaded = {"none": "", "lines": ", delay lines in host memory", "all": ", state in host memory"}[self.offload]
        return f"{what}{offloaded}: {self.on_device / GIB:.1f} GiB, host {self.on_host / GIB:.1f} GiB"


def usable_memory(total: int) -> int:
    """Bytes of a device's memory that may be planned with; the rest is for driver, libraries and other programs."""
    return total - max(GIB, total // 8)


def plan_memory(spec: ModelSpec, needs: NeedsOf, height: int, width: int, limit: int) -> MemoryPlan:
    """The plan for frames of (height, width) within `limit` bytes: the smallest area of tiles, then the least
    offloading.

    All of the state is offloaded only if nothing else fits. Raises BackendError if nothing fits.
    """
    fitting = [plan for plan in _plans(spec, needs, height, width) if plan.on_device <= limit]
    if fitting:
        return min(
            fitting, key=lambda plan: (plan.offload == "all", plan.area, plan.streams, _OFFLOADS.index(plan.offload))
        )
    smallest = min(_plans(spec, needs, height, width), key=lambda plan: plan.on_device)
    raise BackendError(
        f"model {spec.name!r} needs {smallest.on_device / GIB:.1f} GiB for {width}x{height} in the smallest tiles, "
        f"{limit / GIB:.1f} GiB are available; use smaller frames, a larger GPU or device='cpu'"
    )


def plan_memory_for_tiles(
    spec: ModelSpec, needs: NeedsOf, height: int, width: int, limit: int, tiles: TileOptions
) -> MemoryPlan:
    """The plan for user-specified tiles: the least offloading that fits, or everything if nothing does."""
    plans = [_planned(spec, needs, height, width, tiles, offload) for offload in _OFFLOADS]
    return next((plan for plan in plans if plan.on_device <= limit), plans[-1])


def plan_host_memory(spec: ModelSpec, needs: NeedsOf, height: int, width: int, limit: int) -> MemoryPlan:
    """The plan for frames of (height, width) on a CPU, which offloads nothing: the smallest area of tiles that fits
    into `limit` bytes, or the smallest tiles where none fits, since needs are estimates.
    """
    plans = [_planned(spec, needs, height, width, tiles, "none") for tiles in _tilings(spec, height, width)]
    fitting = [plan for plan in plans if plan.on_device <= limit]
    if fitting:
        return min(fitting, key=lambda plan: (plan.area, plan.streams))
    return min(plans, key=lambda plan: plan.on_device)


def _plans(spec: ModelSpec, needs: NeedsOf, height: int, width: int) -> Iterator[MemoryPlan]:
    for tiles in _tilings(spec, height, width):
        for offload in _OFFLOADS:
            yield _planned(spec, needs, height, width, tiles, offload)


def _planned(
    spec: ModelSpec, needs: NeedsOf, height: int, width: int, tiles: TileOptions | None, offload: Offload
) -> MemoryPlan:
    layout = plan_tiles(spec, height, width, tiles)
    row, column = next(iter(layout))
    size = row.end - row.begin, column.end - column.begin
    streams, memory = len(layout), needs(*size)
    return MemoryPlan(
        tiles=tiles if streams > 1 else None,
        streams=streams,
        size=size,
        offload=offload,
        on_device=memory.on_device(streams, offload),
        on_host=memory.on_host(streams, offload),
        area=streams * size[0] * size[1] / (layout.height * layout.width),
    )


def _tilings(spec: ModelSpec, height: int, width: int) -> Iterator[TileOptions | None]:
    """Whole frames, and every number of rows and columns of tiles that are not too small."""
    yield None
    pad, (height, width) = default_pad(spec), spec.padded(height, width)
    for tile_height in _sides(height, pad, spec.multiple):
        for tile_width in _sides(width, pad, spec.multiple):
            if (tile_height, tile_width) != (height, width):
                yield TileOptions(width=tile_width, height=tile_height, pad=pad)


def _sides(length: int, pad: int, multiple: int) -> Iterator[int]:
    """The lengths of tiles, one tile, two, three …, along an axis."""
    yield length
    count = 2
    while True:
        side = -(-(length + (count - 1) * 2 * pad) // (count * multiple)) * multiple
        if side < max(_SHORTEST_SIDE, 2 * pad + multiple):
            return
        yield side
        count += 1

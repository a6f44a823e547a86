"""Tiles of image networks on the host, planned before frames that would not fit into its memory.

What a network of any origin takes is not known in advance, so that it is measured: by how much this process grows from
one small image to a larger one, in bytes a pixel. Memory is only looked at on Linux; elsewhere frames stay whole. As on
GPUs, a plan depends on the size of the memory, not on what is free at the moment.
"""

from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np

from vsadcvsr.backends import Backend, receptive_field
from vsadcvsr.errors import BackendError
from vsadcvsr.memory import GIB, plan_host_memory, usable_memory
from vsadcvsr.spec import MemoryNeeds
from vsadcvsr.tiling import TileOptions

_SIDES = (64, 128)
"""Sides of the images that are run to measure."""
_MAX_BYTES_A_PIXEL = 20 << 10
"""Bytes a source pixel that no known network exceeds (x4plus takes 17,000): frames that fit with them stay whole."""
_MARGIN = 1.25
_FRAMES = 3
"""Output frames in memory besides those of the streams: on the way to the host, and there."""
_MEMINFO = Path("/proc/meminfo")
_OWN_CGROUP = Path("/proc/self/cgroup")
_CGROUPS = Path("/sys/fs/cgroup")

_log = logging.getLogger(__name__)


class TilePlanner:
    """Plans tiles for frames of a network that computes `streams` of them at once."""

    def __init__(self, streams: int) -> None:
        self._streams = streams
        self._plans: dict[tuple[int, int], TileOptions | None] = {}
        self._a_pixel: float | None = None
        self._lock = threading.Lock()

    def plan(self, backend: Backend, height: int, width: int) -> TileOptions | None:
        """The fewest tiles of a frame of (height, width) that fit; None for whole frames."""
        with self._lock:
            if (height, width) not in self._plans:
                self._plans[height, width] = self._plan(backend, height, width)
            return self._plans[height, width]

    def _plan(self, backend: Backend, height: int, width: int) -> TileOptions | None:
        spec = backend.spec
        total = memory_size()
        pixels = spec.padded(height, width)[0] * spec.padded(height, width)[1]
        frames = (_FRAMES + self._streams) * 12 * spec.scale**2 * pixels
        limit = 0 if total is None else usable_memory(total) - frames
        if total is None or _MAX_BYTES_A_PIXEL * pixels * self._streams <= limit:
            return None
        spec = receptive_field.measure(backend)
        try:
            self._a_pixel = self._a_pixel or _bytes_a_pixel(backend)
        except (BackendError, MemoryError) as error:
            _log.info("the memory of model %r cannot be measured: %s", spec.name, error)
            return None
        each = self._a_pixel * _MARGIN * self._streams
        plan = plan_host_memory(spec, lambda *size: _needs(int(each * size[0] * size[1])), height, width, limit)
        if plan.tiles:
            what = f"{plan.streams} tiles of {plan.size[1]}x{plan.size[0]}"
            known = spec.reach is not None
            _log.log(
                logging.INFO if known else logging.WARNING,
                "model %r would take %.1f GiB for whole frames of %dx%d, %.1f GiB are there: %s, which %s whole frames",
                spec.name, each * pixels / GIB, width, height, max(limit, 0) / GIB, what,
                "equal" if known else "approximate",
            )  # fmt: skip
        return plan.tiles


def _needs(activations: int) -> MemoryNeeds:
    return MemoryNeeds(
        weights=0, activations=activations, temporal_states=0, skip_delays=0, temporal_staging=0, skip_staging=0,
        temporal_host=0, skip_host=0, io_buffers=0,
    )  # fmt: skip


def _bytes_a_pixel(backend: Backend) -> float:
    """The memory that a network takes for each source pixel. Raises BackendError or MemoryError."""
    sizes = [backend.spec.padded(side, side) for side in _SIDES]
    if sizes[0] == sizes[1]:
        sizes[1] = backend.spec.padded(2 * sizes[0][0], 2 * sizes[0][1])
    resident = [_resident_after(backend, *size) for size in sizes]
    pixels = [height * width for height, width in sizes]
    minimum = 4 * (3 + 3 * backend.spec.scale**2)  # an image and its output
    return max(minimum, (resident[1] - resident[0]) / (pixels[1] - pixels[0]))


def _resident_after(backend: Backend, height: int, width: int) -> int:
    """Bytes that this process holds after an image, with what the library keeps of it."""
    frame = np.full((1, 3, height, width), 0.5, np.float32)
    state = backend.start(height, width)
    output = backend.step(frame, np.zeros(1, np.float32), state)
    resident = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    del output
    return resident


def memory_size() -> int | None:
    """Bytes of memory of this machine, or of what its container or job may take; None where the system does not say."""
    try:
        text = _MEMINFO.read_text(encoding="ascii")
        total = int(re.findall(r"MemTotal:\s+(\d+) kB", text)[0]) << 10
    except (OSError, IndexError):
        return None
    return min([total, *_cgroup_limits()])


def _cgroup_limits() -> Iterator[int]:
    """The limits of this process's control group and of those that it is in: containers, jobs of Slurm, services."""
    try:
        lines = _OWN_CGROUP.read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if not controllers:  # version 2
            root, name = _CGROUPS, "memory.max"
        elif "memory" in controllers.split(","):
            root, name = _CGROUPS / "memory", "memory.limit_in_bytes"
        else:
            continue
        folder = root / group.lstrip("/")
        for parent in (folder, *folder.parents):
            with suppress(OSError, ValueError):  # no limit is "max"
                yield int((parent / name).read_text(encoding="ascii"))
            if parent == root:
                break

"""Memory of a process that only upscales.

By default, a 1920x1080 run keeps 0.5 GB of unused VapourSynth frames (its limit is half the machine's memory). And
glibc unmaps large buffers when they are freed, so that each new frame costs page faults: a third of the CPU time of a
run. So here all buffers come from one heap that stays mapped, and VapourSynth keeps no unused frames.
"""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress

_RECYCLING_HEAP = {
    -8: 1,  # M_ARENA_MAX: blocks that one thread frees are there for all
    -4: 0,  # M_MMAP_MAX: no block is mapped separately
    -1: 2**31 - 1,  # M_TRIM_THRESHOLD: the end of the heap stays
}
"""Options of glibc's mallopt, and their values."""
_CACHED_PLANES = 12
"""Large 32-bit planes that VapourSynth may cache where the heap does not recycle; about eight are in use at once."""
_MIN_CACHE_MIB = 64
"""Lower limit of that cache."""
_RECYCLING_CACHE_MIB = 1
"""VapourSynth's cache where the heap recycles: the least that it takes."""

_is_limited = False
_recycles = False


def limit_memory() -> None:
    """Sets the limits for the rest of the process, which must not be shared with other VapourSynth users; to be called
    before there are other threads, which would have heaps of their own.
    """
    global _is_limited, _recycles  # noqa: PLW0603 - the process has one heap and one core
    _is_limited = True
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # musl has no such options
            mallopt = ctypes.CDLL(None).mallopt
            # as a list, so that all are set whichever fails
            _recycles = all(list(map(mallopt, _RECYCLING_HEAP.keys(), _RECYCLING_HEAP.values())))


def cache_size(width: int, height: int, default: int) -> int:
    """VapourSynth's cache size in MiB for frames of that size; `default` in a shared process."""
    if not _is_limited:
        return default
    planes = _CACHED_PLANES * 4 * width * height >> 20
    return min(default, _RECYCLING_CACHE_MIB if _recycles else max(_MIN_CACHE_MIB, planes))

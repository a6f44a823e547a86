"""Memory limits for a process that only upscales.

By default, a 1920x1080 run keeps 0.5 GB of unused VapourSynth frames (its limit is half the machine's memory), and
another 0.5 GB in heap fragmentation: glibc raises its mmap threshold to 32 MB once a block of that size was freed.
"""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress

_M_MMAP_THRESHOLD = -3
_MMAP_BYTES = 4 << 20
"""Size from which blocks are mapped separately, and returned to the system when freed."""
_CACHED_PLANES = 12
"""Large 32-bit planes that VapourSynth may cache; about eight are in use at once."""
_MIN_CACHE_MIB = 64
"""Lower limit of VapourSynth's cache."""

_is_limited = False


def limit_memory() -> None:
    """Sets the limits for the rest of the process, which must not be shared with other VapourSynth users."""
    global _is_limited  # noqa: PLW0603 - the process has one heap and one core
    _is_limited = True
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # musl has no such setting, and returns such blocks anyway
            ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _MMAP_BYTES)


def cache_size(width: int, height: int, default: int) -> int:
    """VapourSynth's cache size in MiB for frames of that size; `default` in a shared process."""
    return min(default, max(_MIN_CACHE_MIB, _CACHED_PLANES * 4 * width * height >> 20)) if _is_limited else default

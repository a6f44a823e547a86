"""Memory that is free goes back to the system, in a process that does nothing but upscale.

Left alone, a run at 1920x1080 held 0.5 GB of frames that VapourSynth keeps for later use, up to its limit of half the
machine's memory; and half a GB of holes in the heap, which grew with the length of the film: the C library takes blocks
of up to 32 MB from the heap once one of that size was freed.
"""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress

_M_MMAP_THRESHOLD = -3
_LARGE = 4 << 20
"""Bytes of a block that is taken from the system, and given back, by itself."""
_PLANES = 12
"""Planes of the large size, in 32 bits, that VapourSynth may keep: those that are in use at once are about eight."""
_LEAST = 64
"""MiB."""

_is_on = False


def turn_on() -> None:
    """For the rest of the process, which must be ours alone."""
    global _is_on  # noqa: PLW0603 - the process has one heap and one core
    _is_on = True
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # musl has no such setting, and gives such blocks back anyway
            ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE)


def cache_size(width: int, height: int, before: int) -> int:
    """How many MiB VapourSynth is to keep for pictures of that size; `before` where other programs share its core."""
    return min(before, max(_LEAST, _PLANES * 4 * width * height >> 20)) if _is_on else before

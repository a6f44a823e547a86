"""Instructions of this CPU that decide which precision is the fastest."""

from __future__ import annotations

import ctypes
from enum import Flag, auto
from functools import cache

from vsadcvsr.errors import BackendError
from vsadcvsr.paths import compiled_library


class CpuFeatures(Flag):
    """What `native/cpu_features.c` finds, with its numbers; nothing on other processors than x86-64."""

    AVX2 = auto()
    VNNI = auto()
    """Sums of products of 8-bit integers, in AVX-512 or in AVX."""
    AMX_BF16 = auto()
    AMX_INT8 = auto()
    INTEL = auto()
    AVX512 = auto()


@cache
def cpu_features() -> CpuFeatures:
    """What this CPU has and the system lets programs use; nothing where the compiled library is missing or older."""
    try:
        return CpuFeatures(ctypes.CDLL(str(compiled_library())).adcvsr_cpu_features())
    except (BackendError, OSError, AttributeError):
        return CpuFeatures(0)

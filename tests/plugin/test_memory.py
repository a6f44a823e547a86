"""Memory stays flat, however long one seeks."""

from __future__ import annotations

import gc
import random
from pathlib import Path

import pytest
import vapoursynth as vs

from tests.plugin.clips import moving

SEEKS = 500
PICTURE = 4 * 3 * 256 * 192  # bytes of one RGBS picture


def resident() -> int:
    """Bytes of this process in memory."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.requires("linux")  # reads /proc
def test_500_random_seeks_leave_memory_flat() -> None:
    upscaled = vs.core.adcvsr.Upscale(moving(width=64, height=48, length=100), model="nearest-temporal")
    places = random.Random(1)

    def seek(times: int) -> None:
        for _ in range(times):
            upscaled.get_frame(places.randrange(len(upscaled))).close()

    seek(SEEKS)  # fills the caches, which have their limits
    before = resident()
    seek(SEEKS)
    assert resident() - before < SEEKS * PICTURE / 10, "a tenth of the pictures made is still there"

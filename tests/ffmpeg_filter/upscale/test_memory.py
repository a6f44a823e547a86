"""Memory that a process of ours keeps to itself, and a process of others' that is left as it is."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from ffmpeg_filter.upscale import memory
from tests.ffmpeg_filter.files import surroundings

SCRIPT = """
import resource
import sys
import numpy as np
import vapoursynth as vs
from ffmpeg_filter.upscale import stream
from ffmpeg_filter.upscale import memory
from ffmpeg_filter.media.frame import RawFrame, VideoFormat

if sys.argv[1] == "ours":
    memory.limit_memory()
before = vs.core.max_cache_size
plane = np.zeros((270, 480), np.uint8)
format = VideoFormat("YUV", 8, (0, 0))
frames = (RawFrame(format, 480, 270, (plane, plane, plane), None, {}, None) for _ in range(60))
faults = [resource.getrusage(resource.RUSAGE_SELF).ru_minflt for _ in stream.upscale(frames, model="nearest")]
print(len(faults), before, vs.core.max_cache_size, vs.core.used_cache_size >> 20, faults[-1] - faults[29])
"""
PLANE_PAGES = 1920 * 1080 * 4 // 4096
IS_GLIBC = platform.libc_ver()[0] == "glibc"
"""Whether the heap recycles, so that VapourSynth need keep nothing."""


def run(whose: str) -> list[int]:
    """How many frames were made, VapourSynth's limit before and after, MiB in use, and page faults of 30 frames."""
    text = subprocess.run(
        [sys.executable, "-c", SCRIPT, whose], env=surroundings(), check=True, capture_output=True, text=True
    ).stdout
    return [int(word) for word in text.split()]


@pytest.mark.parametrize("whose", ["ours", "others"])
def test_vapoursynth_keeps_few_pictures_in_a_process_of_ours_alone(whose: str) -> None:
    count, before, limit, used, _ = run(whose)
    assert count == 60
    assert limit == (before if whose == "others" else 1 if IS_GLIBC else 94)
    assert whose == "others" or used <= 160  # those in use may be above the limit


@pytest.mark.skipif(not IS_GLIBC, reason="the heap recycles with glibc alone")
def test_a_process_of_ours_takes_its_memory_from_the_system_once() -> None:
    *_, faults = run("ours")
    assert faults < 10 * PLANE_PAGES  # for 30 frames; where freed blocks are returned, more than 100


def test_without_a_heap_that_recycles_the_limit_follows_the_size_and_never_grows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory, "_is_limited", True)
    assert memory.cache_size(64, 48, 4000) == 64
    assert memory.cache_size(3840, 2160, 4000) == 379
    assert memory.cache_size(3840, 2160, 100) == 100

"""Memory that a process of ours gives back, and a process of others' that is left as it is."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ffmpeg_filter.upscale import memory
from tests.ffmpeg_filter.files import surroundings

SCRIPT = """
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
frames = (RawFrame(VideoFormat("GRAY", 8), 480, 270, (plane,), None, {}, None) for _ in range(40))
made = sum(1 for _ in stream.upscale(frames, model="nearest"))
print(made, before, vs.core.max_cache_size, vs.core.used_cache_size >> 20)
"""


@pytest.mark.parametrize("whose", ["ours", "others"])
def test_vapoursynth_keeps_few_pictures_in_a_process_of_ours_alone(whose: str) -> None:
    text = subprocess.run(
        [sys.executable, "-c", SCRIPT, whose], env=surroundings(), check=True, capture_output=True, text=True
    ).stdout
    count, before, limit, used = map(int, text.split())
    assert count == 40
    assert limit == (before if whose == "others" else 94)
    assert whose == "others" or used <= 160  # those in use may be above the limit


def test_the_limit_follows_the_size_and_never_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_is_limited", True)
    assert memory.cache_size(64, 48, 4000) == 64
    assert memory.cache_size(3840, 2160, 4000) == 379
    assert memory.cache_size(3840, 2160, 100) == 100

"""Seeks with a cache that is far too small: they end. Each script runs in a process that is killed where it hangs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

LENGTH = 60
SCRIPT = """
import hashlib, random, sys
import numpy as np
import vapoursynth as vs
import vsadcvsr

vsadcvsr.load()
core, length = vs.core, int(sys.argv[3])
clip = core.std.BlankClip(width=160, height=90, format=vs.YUV420P8, length=1).std.SetFrameProps(_Matrix=1)
clip = core.std.Splice([clip.std.BlankClip(color=[4 * n, 128, 99], keep=True) for n in range(60)]).std.SetFrameProps(
    _Matrix=1)
clip = clip if length == 60 else clip.std.Loop(0).std.Trim(length=length) if length < 1 << 30 else clip.std.Loop(0)

def upscale(clip, **options):
    return clip.adcvsr.Upscale(model="nearest-temporal", **options)

def bits(clip, n):
    with clip.get_frame(n) as frame:
        return hashlib.sha256(b"".join(np.asarray(plane).tobytes() for plane in frame)).hexdigest()

CLIPS = {
    "one": lambda: [upscale(clip)],
    "reverse": lambda: [upscale(clip).std.Reverse()],
    "two": lambda: [upscale(clip), upscale(clip)],
    "chained": lambda: [upscale(upscale(clip, scale=1))],
    "cuts": lambda: [upscale(clip.std.SetFrameProps(_SceneChangePrev=0), sc_threshold=0.0)],
}
wanted = random.Random(1).sample(range(40), 6)
places = [59 - n if sys.argv[1] == "reverse" else n for n in wanted]
truth = {"one": "one", "two": "one", "reverse": "one"}.get(sys.argv[1], sys.argv[1])
first = CLIPS[truth]()[0]
core.num_threads = 2
linear = {n: bits(first, n) for n in range(40) if n in wanted}
del first
core.max_cache_size = int(sys.argv[2])
for threads in (1, 2, 8):
    core.num_threads = threads
    core.clear_cache()
    clips = CLIPS[sys.argv[1]]()
    for n, place in zip(wanted, places):
        waiting = [one.get_frame_async(place) for one in clips]
        for one in waiting:
            one.result().close()
        assert all(bits(one, place) == linear[n] for one in clips), (n, place, threads)
print("the same bits")
"""


def run(plugin: Path, kind: str, megabytes: int = 1, length: int = LENGTH) -> str:
    """What the script says; raises TimeoutExpired, with the process killed, where it hangs."""
    command = [sys.executable, "-c", SCRIPT, kind, str(megabytes), str(length)]
    environment = {**os.environ, "ADCVSR_PLUGIN": str(plugin)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("kind", ["one", "reverse", "two", "chained", "cuts"])
def test_seeks_end_with_the_same_bits_when_the_cache_is_far_too_small(plugin: Path, kind: str) -> None:
    assert run(plugin, kind) == "the same bits"


@pytest.mark.parametrize("length", [100_000_000, (1 << 31) - 1])
def test_clips_that_have_no_end_do_not_hang_either(plugin: Path, length: int) -> None:
    assert run(plugin, "one", length=length) == "the same bits"

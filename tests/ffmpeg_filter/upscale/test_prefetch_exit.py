"""The end of the interpreter while threads prefetch."""

from __future__ import annotations

import subprocess
import sys

from tests.ffmpeg_filter.files import surroundings

_EXITS_WHILE_A_FRAME_IS_MADE = """
import contextlib, threading, time
from ffmpeg_filter.upscale.prefetch import prefetch

def source():
    yield 0
    threading.Event().wait()

def upscaled(frames):
    for frame in frames:
        is_busy.set()
        time.sleep(1)
        yield frame

is_busy = threading.Event()
frames = prefetch(upscaled(prefetch(source(), 1, may_block=True)), 1)


def take():
    with contextlib.suppress(Exception):  # that the prefetching was stopped
        next(frames)

threading.Thread(target=take, daemon=True).start()
is_busy.wait()
"""


def test_a_source_that_never_ends_is_not_waited_for_when_a_frame_was_being_made() -> None:
    program = [sys.executable, "-c", _EXITS_WHILE_A_FRAME_IS_MADE]
    done = subprocess.run(program, env=surroundings(), capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, b"")

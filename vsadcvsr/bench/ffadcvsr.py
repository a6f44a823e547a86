"""Benchmark of the filter in an FFmpeg command, frame by frame: its start and its end do not count."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from dataclasses import asdict

from vsadcvsr import environment
from vsadcvsr.bench.components import BenchOptions
from vsadcvsr.errors import BackendError

_FEWEST = 4
"""Frames that are needed for a time: the first quarter is the burn-in."""


def time_command(choice: BenchOptions, frames: int) -> float:
    """Milliseconds a frame, of `frames` that move and are not encoded. Raises BackendError if the command fails."""
    frames = max(frames, _FEWEST)
    source = f"testsrc2=size={choice.width}x{choice.height}:rate=25"
    command = [
        sys.executable, "-m", "ffmpeg_filter", "-v", "error", "-nostdin", "-f", "lavfi", "-i", source,
        "-frames:v", str(frames), "-vf", f"format=yuv420p,{_filter(choice)}",
        "-c:v", "wrapped_avframe", "-flush_packets", "1", "-f", "framecrc", "pipe:1",
    ]  # fmt: skip
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment.for_python()
    ) as process:
        out, errors = process.stdout, process.stderr
        assert out is not None
        assert errors is not None
        times = [time.perf_counter() for line in out if not line.startswith("#")]  # a line for each frame, as it comes
        words = errors.read().strip().splitlines()
    if process.returncode:
        raise BackendError(words[-1] if words else f"exit status {process.returncode}")
    counted = times[len(times) // 4 :]
    return 1e3 * (counted[-1] - counted[0]) / (len(counted) - 1)


def _filter(choice: BenchOptions) -> str:
    """The filter of a graph, with the options that are not left to their defaults."""
    defaults = asdict(BenchOptions())
    options = {
        name: value
        for name, value in asdict(choice).items()
        if name not in {"width", "height"} and value != defaults[name]
    }
    return "adcvsr=" + ":".join(f"{name}={_escaped(str(value))}" for name, value in options.items())


def _escaped(value: str) -> str:
    """A value as it stands in a graph: for the list of options, and then for the graph."""
    return re.sub(r"([\\'\[\],;])", r"\\\1", re.sub(r"([\\':])", r"\\\1", value))

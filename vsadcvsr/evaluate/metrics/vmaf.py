"""VMAF through FFmpeg's libvmaf, where a binary with that filter is available.

What is compared is BT.709 studio luma in 8 bits, frame by frame, with the filter's built-in model (v0.6.1 since 2018);
that model looks at luma alone.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vsadcvsr.color import LUMA_709
from vsadcvsr.errors import BackendError, MediaError
from vsadcvsr.spec import Array

if TYPE_CHECKING:
    from collections.abc import Callable

_LUMA = np.array(LUMA_709, dtype=np.float32) * np.float32(219)
_LOG = "vmaf.json"


def open_vmaf(threads: int = 0) -> Callable[[Sequence[Array], Sequence[Array]], list[float]]:
    """A function that returns VMAF for every frame of a clip against its truth. Raises BackendError if none is
    available.
    """
    tried = list(dict.fromkeys(binaries()))
    for ffmpeg in tried:
        if "libvmaf" in _output_of(ffmpeg, "-hide_banner", "-filters").split():
            return partial(vmaf_scores, ffmpeg, threads=threads)
    raise BackendError(
        f"VMAF needs an ffmpeg with the filter libvmaf; {', '.join(tried) or 'no ffmpeg'} was found: "
        "pip install imageio-ffmpeg, or name one in ADCVSR_FFMPEG"
    )


def binaries() -> Iterator[str]:
    """The ffmpeg of ADCVSR_FFMPEG, of PATH, and of the wheel imageio-ffmpeg, as far as they exist."""
    for named in (os.environ.get("ADCVSR_FFMPEG"), "ffmpeg"):
        path = shutil.which(str(Path(named).expanduser())) if named else None
        if path:
            yield path
    try:
        yield str(importlib.import_module("imageio_ffmpeg").get_ffmpeg_exe())
    except (ImportError, RuntimeError):
        return


def vmaf_scores(ffmpeg: str, clip: Sequence[Array], truth: Sequence[Array], *, threads: int = 0) -> list[float]:
    """VMAF, 0 to 100, of every frame. Raises MediaError where the program fails."""
    height, width = truth[0].shape[1:]
    with tempfile.TemporaryDirectory(prefix="adcvsr-") as folder:
        for name, frames in (("clip.yuv", clip), ("truth.yuv", truth)):
            _write(Path(folder, name), frames)
        command = arguments(ffmpeg, (width, height), threads)
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            lines = done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"]
            raise MediaError(f"{ffmpeg} could not measure VMAF: {lines[-1]}")
        measured = json.loads(Path(folder, _LOG).read_text())["frames"]
    return [float(frame["metrics"]["vmaf"]) for frame in measured]


def arguments(ffmpeg: str, size: tuple[int, int], threads: int) -> list[str]:
    """The command line that compares `clip.yuv` with `truth.yuv` of (width, height) in the folder it runs in."""
    width, height = size
    raw = ["-f", "rawvideo", "-pix_fmt", "yuv420p", "-video_size", f"{width}x{height}", "-framerate", "25"]
    graph = f"[0:v][1:v]libvmaf=log_fmt=json:log_path={_LOG}:n_threads={threads}"
    return [
        ffmpeg, "-nostdin", "-v", "error", *raw, "-i", "clip.yuv", *raw, "-i", "truth.yuv",
        "-lavfi", graph, "-f", "null", "-",
    ]  # fmt: skip


def _write(path: Path, frames: Sequence[Array]) -> None:
    height, width = frames[0].shape[1:]
    colour = bytes([128]) * (2 * ((height + 1) // 2) * ((width + 1) // 2))
    with path.open("wb") as file:
        for frame in frames:
            file.write(luma_of(frame).tobytes() + colour)


def luma_of(frame: Array) -> NDArray[np.uint8]:
    """The BT.709 studio luma (H, W) of a frame, 16 to 235."""
    return np.asarray(np.rint(np.tensordot(_LUMA, frame.clip(0, 1), axes=1) + 16), dtype=np.uint8)


def _output_of(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""

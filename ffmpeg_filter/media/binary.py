"""Which FFmpeg is run, and which version it is."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from vsadcvsr.errors import MediaError, UsageError

VARIABLE = "ADCVSR_FFMPEG"
_OLDEST = (57, 28)
_RELEASES = {57: "5.1", 58: "6", 59: "7", 60: "8", 61: "9"}


@dataclass(frozen=True)
class Binary:
    """An FFmpeg program. `version` is libavutil's (major, minor), which unlike the program's own always counts up."""

    path: str
    version: tuple[int, int]

    @property
    def release(self) -> str:
        """The release of FFmpeg that the version stands for, such as "7"."""
        return _RELEASES.get(self.version[0], f"libavutil {self.version[0]}.{self.version[1]}")


def find() -> Binary:
    """`ADCVSR_FFMPEG`, else `ffmpeg` on PATH, else the one inside imageio-ffmpeg. Raises MediaError or UsageError."""
    if named := os.environ.get(VARIABLE):
        program = shutil.which(Path(named).expanduser())
        if program is None:
            raise UsageError.of(VARIABLE, named, "the path of an ffmpeg program", "or unset it")
        return examined(os.path.abspath(program))  # noqa: PTH100 - links stay, for some programs go by their names
    return examined(os.path.abspath(shutil.which("ffmpeg") or _packaged()))  # noqa: PTH100


def _packaged() -> str:
    try:
        import imageio_ffmpeg
    except ImportError as error:
        raise MediaError(
            f"no ffmpeg was found: install it on PATH, set {VARIABLE}, or `pip install imageio-ffmpeg`"
        ) from error
    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        raise MediaError(f"imageio-ffmpeg has no ffmpeg for this platform; set {VARIABLE}") from error


@lru_cache(maxsize=8)
def examined(path: str) -> Binary:
    """The program at `path`, once it has told its version. Raises MediaError for others and for those before 5.1."""
    try:
        told = subprocess.run(
            [path, "-hide_banner", "-version"], capture_output=True, text=True, timeout=60, check=True,
            stdin=subprocess.DEVNULL,
        ).stdout  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        raise MediaError(f"{path} does not run ({error}); set {VARIABLE} to a working ffmpeg") from error
    found = re.search(r"libavutil\s+(\d+)\.\s*(\d+)", told)
    if not found:
        raise MediaError(f"{path} is no ffmpeg: it does not tell the version of libavutil; set {VARIABLE}")
    version = (int(found[1]), int(found[2]))
    if version < _OLDEST:
        raise MediaError(f"{path} has libavutil {version[0]}.{version[1]}, allowed: FFmpeg 5.1 (57.28) and later")
    return Binary(path, version)

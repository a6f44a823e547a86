"""The FFmpeg program to run, and its version."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from vsadcvsr.errors import MediaError, UsageError

ENVIRONMENT_VARIABLE = "ADCVSR_FFMPEG"
_OLDEST = (57, 28)
_RELEASES = {57: "5.1", 58: "6", 59: "7", 60: "8", 61: "9"}


@dataclass(frozen=True)
class Binary:
    """An FFmpeg program."""

    path: str
    version: tuple[int, int]
    """libavutil's (major, minor), which unlike the program's version always increases."""

    @property
    def release(self) -> str:
        """The FFmpeg release with that libavutil, such as "7"."""
        return _RELEASES.get(self.version[0], f"libavutil {self.version[0]}.{self.version[1]}")


def find_binary() -> Binary:
    """`ADCVSR_FFMPEG`, else `ffmpeg` on PATH, else that of imageio-ffmpeg. Raises MediaError or UsageError."""
    if requested := os.environ.get(ENVIRONMENT_VARIABLE):
        program = shutil.which(Path(requested).expanduser())
        if program is None:
            raise UsageError(
                f"{ENVIRONMENT_VARIABLE} is {requested!r}, which is no program; set it to an ffmpeg, or unset it"
            )
        return inspect_binary(os.path.abspath(program))  # noqa: PTH100 - links stay, for some programs go by their names
    return inspect_binary(os.path.abspath(shutil.which("ffmpeg") or _from_imageio()))  # noqa: PTH100


def _from_imageio() -> str:
    try:
        import imageio_ffmpeg
    except ImportError as error:
        raise MediaError(
            f"no ffmpeg was found: install it on PATH, set {ENVIRONMENT_VARIABLE}, or `pip install imageio-ffmpeg`"
        ) from error
    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        raise MediaError(f"imageio-ffmpeg has no ffmpeg for this platform; set {ENVIRONMENT_VARIABLE}") from error


def environment_without_report() -> dict[str, str]:
    """The environment for an FFmpeg that is not to write the report that the user wants of a command: several would
    write over each other's.
    """
    return {name: value for name, value in os.environ.items() if name != "FFREPORT"}


def printed(path: str, *options: str) -> str:
    """What an FFmpeg prints about itself. Raises MediaError if it does not run to its end."""
    try:
        return subprocess.run(
            [path, *options], capture_output=True, text=True, timeout=60, check=True, stdin=subprocess.DEVNULL,
            env=environment_without_report(),
        ).stdout  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        raise MediaError(f"{path} does not run ({error}); set {ENVIRONMENT_VARIABLE} to a working ffmpeg") from error


@lru_cache(maxsize=8)
def inspect_binary(path: str) -> Binary:
    """The program at `path` with its version. Raises MediaError if it is not FFmpeg 5.1 or later."""
    output = printed(path, "-hide_banner", "-version")
    match = re.search(r"libavutil\s+(\d+)\.\s*(\d+)", output)
    if not match:
        raise MediaError(f"{path} is no ffmpeg: its -version has no libavutil; set {ENVIRONMENT_VARIABLE}")
    version = (int(match[1]), int(match[2]))
    if version < _OLDEST:
        raise MediaError(
            f"{path} is too old (libavutil {version[0]}.{version[1]}); install FFmpeg 5.1 (57.28) or later"
        )
    return Binary(path, version)

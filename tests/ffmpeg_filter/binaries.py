"""Every FFmpeg at hand: that of ADCVSR_FFMPEG, those on PATH, and the one in imageio-ffmpeg, by release."""

from __future__ import annotations

import os
import shutil
from functools import cache

import imageio_ffmpeg
import pytest

from ffmpeg_filter.media.binary import ENVIRONMENT_VARIABLE, Binary, inspect_binary
from tests.requirements import absent
from vsadcvsr.errors import MediaError

RELEASES = ("5.1", "6", "7", "8", "9")


@cache
def at_hand() -> dict[str, Binary]:
    """The first of each release."""
    folders = os.environ.get("PATH", "").split(os.pathsep)
    named = [os.environ.get(ENVIRONMENT_VARIABLE), *(shutil.which("ffmpeg", path=folder) for folder in folders)]
    releases: dict[str, Binary] = {}
    for path in [*named, imageio_ffmpeg.get_ffmpeg_exe()]:
        try:
            binary = inspect_binary(path) if path else None
        except MediaError:
            continue
        if binary:
            releases.setdefault(binary.release, binary)
    return releases


def of_release(release: str) -> Binary:
    """The one of that release; skips the test where there is none."""
    return at_hand().get(release) or absent(f"FFmpeg {release}")


@pytest.fixture(params=RELEASES)
def each_ffmpeg(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Binary:
    """Runs the test with an FFmpeg of every release, as far as they are at hand."""
    binary = of_release(request.param)
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, binary.path)
    return binary

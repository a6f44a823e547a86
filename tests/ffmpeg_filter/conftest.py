"""The plugin, as for the tests of the VapourSynth face, and files that whole commands begin and end with."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ffmpeg_filter.binaries import each_ffmpeg
from tests.ffmpeg_filter.files import PICTURES, SOUND, ffmpeg
from tests.plugin.conftest import plugin, threads

__all__ = ["each_ffmpeg", "plugin", "threads"]


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Ten frames and a sound, without loss."""
    path = tmp_path / "clip.mkv"
    ffmpeg(PICTURES, SOUND, "-c:v ffv1 -c:a flac", path)
    return path


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out.mkv"

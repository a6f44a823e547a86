"""Defaults of containers, which differ between releases of FFmpeg."""

from __future__ import annotations

import pytest

from ffmpeg_filter.command.argv import File
from ffmpeg_filter.command.containers import fills_gaps


@pytest.mark.parametrize(
    ("name", "version", "fills"),
    [
        *((name, (59, 8), True) for name in ("out.mp4", "out.mov", "out.avi", "out.m4v", "out.3gp")),
        *((name, (59, 39), False) for name in ("out.mp4", "out.mov", "out.mkv", "out.ts")),
        ("out.m4v", (61, 1), True),
    ],
)
def test_gaps_are_filled_in_mp4_before_ffmpeg_7_1(name: str, version: tuple[int, int], *, fills: bool) -> None:
    assert fills_gaps(File((), name, is_input=False), version) is fills

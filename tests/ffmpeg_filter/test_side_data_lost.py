"""Side data of the source that the output will lack is named, once, in a warning."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ffmpeg_filter.media import NEAREST, ffadcvsr, ffmpeg

PACKED = "-f lavfi -i testsrc2=s=64x48:r=5:d=0.6 -c:v libx264 -x264-params frame-packing=3"


def test_frame_packing_is_named_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    ffmpeg(PACKED, tmp_path / "packed.mkv")
    assert ffadcvsr("-i", tmp_path / "packed.mkv", "-vf", NEAREST, "-c:v libx264", tmp_path / "out.mkv") == 0
    assert capfd.readouterr().err.count("warning: of the source's side data, the output will lack: frame packing") == 1


def test_nothing_is_said_where_there_is_none(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    ffmpeg("-f lavfi -i testsrc2=s=64x48:r=5:d=0.6 -c:v libx264", tmp_path / "in.mkv")
    assert ffadcvsr("-i", tmp_path / "in.mkv", "-vf", NEAREST, "-c:v libx264", tmp_path / "out.mkv") == 0
    assert "side data" not in capfd.readouterr().err

"""Side data of the source that the output will lack is named, once, in a warning."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import pytest

from ffmpeg_filter.binary import find
from tests.ffmpeg_filter.media import NEAREST, decoded, ffadcvsr, ffmpeg

_HEADER_BYTES = 33
"""Of a PNG file: its signature and first chunk."""


def test_a_profile_is_named_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    ffmpeg("-f lavfi -i testsrc2=s=32x24 -frames:v 1 -update 1", tmp_path / "bare.png")
    data, chunk = (tmp_path / "bare.png").read_bytes(), b"iCCPname\0\0" + zlib.compress(bytes(200))
    framed = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    (tmp_path / "in.png").write_bytes(data[:_HEADER_BYTES] + framed + data[_HEADER_BYTES:])
    assert ffadcvsr("-i", tmp_path / "in.png", "-vf", NEAREST, tmp_path / "out.png") == 0
    assert capfd.readouterr().err.count("warning: of the source's side data, the output will lack: the ICC") == 1


def test_a_rotation_that_is_left_to_players_is_kept_or_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    ffmpeg("-f lavfi -i testsrc2=s=64x48:r=5:d=0.6 -c:v libx264", tmp_path / "bare.mp4")
    ffmpeg("-display_rotation 90 -i", tmp_path / "bare.mp4", "-c copy", tmp_path / "in.mp4")
    command: list[str | Path] = ["-i", tmp_path / "in.mp4", "-vf", NEAREST, "-c:v libx264", tmp_path / "out.mp4"]
    assert ffadcvsr("-noautorotate", *command) == 0
    is_named = "the output lacks the display matrix" in capfd.readouterr().err
    assert is_named is (find().version < (58, 2))
    first = decoded(tmp_path / "out.mp4")[0]
    assert (first.width, first.height, first.rotation) == (128, 96, 0 if is_named else 90)
    assert ffadcvsr("-y", *command) == 0
    first = decoded(tmp_path / "out.mp4")[0]
    assert (first.width, first.height, first.rotation) == (96, 128, 0)


def test_nothing_is_said_where_there_is_none(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    ffmpeg("-f lavfi -i testsrc2=s=64x48:r=5:d=0.6 -c:v libx264", tmp_path / "in.mkv")
    assert ffadcvsr("-i", tmp_path / "in.mkv", "-vf", NEAREST, "-c:v libx264", tmp_path / "out.mkv") == 0
    assert "side data" not in capfd.readouterr().err

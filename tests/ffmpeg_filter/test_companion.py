"""Closed captions, frame packing and key frames cross the pipe beside the pictures, which stay the same bit for bit."""

from __future__ import annotations

import os
import subprocess
from fractions import Fraction
from pathlib import Path

import pytest

from ffmpeg_filter import companion
from ffmpeg_filter.binary import find
from ffmpeg_filter.companion import Packets
from tests.ffmpeg_filter.media import NEAREST, captioned, ffadcvsr, ffmpeg, skip_if_it_crashes
from vsadcvsr.errors import MediaError


def pictures(*words: str | Path) -> str:
    """The MD5 of all frames that our command makes, in their own format."""
    path = Path(words[-1])
    assert ffadcvsr(*words) == 0
    return path.read_text()


@pytest.mark.parametrize(
    "pixel_format",
    ["yuv420p", "yuv422p10", "yuv444p12", "gbrp", "gray", "gray10", "nv12", "rgb24", "p010le"],
)
def test_pictures_are_the_same_with_a_companion(pixel_format: str, tmp_path: Path) -> None:
    ffmpeg("-f lavfi -i testsrc2=s=62x46:r=25:d=0.2,noise=alls=9:allf=t -c:v ffv1", tmp_path / "in.mkv")
    graph = f"format={pixel_format},{NEAREST}"
    command: list[str | Path] = ["-i", tmp_path / "in.mkv", "-vf", graph, "-c:v rawvideo -f framemd5"]
    plain = pictures(*command, tmp_path / "plain.md5")
    assert pictures(*command, "-force_key_frames source", tmp_path / "beside.md5") == plain


def test_captions_that_cannot_be_carried_are_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    skip_if_it_crashes(captioned(tmp_path / "in.ts"))
    graph = f"format=yuva420p,{NEAREST}"
    assert ffadcvsr("-i", tmp_path / "in.ts", "-vf", graph, "-c:v ffv1", tmp_path / "out.mkv") == 0
    said = capfd.readouterr().err
    assert said.count("warning: closed captions, frame packing and key frames of the source are not carried") == 1


def test_captions_that_are_carried_are_not_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    skip_if_it_crashes(captioned(tmp_path / "in.ts"))
    assert ffadcvsr("-i", tmp_path / "in.ts", "-vf", NEAREST, "-c:v libx264", tmp_path / "out.mkv") == 0
    assert "captions" not in capfd.readouterr().err
    assert (tmp_path / "out.mkv").read_bytes().count(b"GA94") > 0


def test_times_finer_than_filters_with_two_inputs_take_need_another_way() -> None:
    assert companion.can_carry("yuv420p", Fraction(1, 90000))
    assert not companion.can_carry("yuv420p", Fraction(1, 10**9))


def test_packets_come_as_they_were_written_and_then_no_more(tmp_path: Path) -> None:
    ffmpeg("-f lavfi -i testsrc2=s=16x16:r=25:d=0.2 -c:v mpeg2video -flush_packets 1 -f avi", tmp_path / "in.avi")
    with subprocess.Popen(
        [find().path, "-v", "quiet", "-i", str(tmp_path / "in.avi"), "-c", "copy", "-f", "avi", "pipe:1"],
        stdout=subprocess.PIPE,
    ) as source:
        assert source.stdout is not None
        packets = Packets(os.dup(source.stdout.fileno()))
        found = [packets.next() for _ in range(5)]
    assert all(b"\0\0\1\0" in packet for packet in found)
    with pytest.raises(MediaError, match="without its closed captions"):
        packets.next()


def test_key_frames_that_are_asked_for_and_not_known_are_named(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(companion, "is_possible", lambda: False)  # as on Windows
    ffmpeg("-f lavfi -i testsrc2=s=64x48:r=25:d=0.2 -c:v ffv1", tmp_path / "in.mkv")
    command: list[str | Path] = ["-i", tmp_path / "in.mkv", "-vf", NEAREST, "-c:v libx264", "-force_key_frames source"]
    assert ffadcvsr(*command, tmp_path / "out.mkv") == 0
    assert capfd.readouterr().err.count("warning: -force_key_frames source makes every frame a key frame") == 1

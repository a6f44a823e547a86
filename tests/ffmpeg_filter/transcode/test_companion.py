"""Closed captions, frame packing and key frames cross the pipe beside the pictures, which stay the same bit for bit."""

from __future__ import annotations

import os
import subprocess
from fractions import Fraction
from functools import partial
from pathlib import Path

import pytest

from ffmpeg_filter.media.binary import find_binary
from ffmpeg_filter.transcode import companion
from ffmpeg_filter.transcode.companion import CompanionPackets
from tests.ffmpeg_filter.files import NEAREST, captioned, command, ffadcvsr, ffmpeg, skip_if_it_crashes, surroundings
from vsadcvsr.errors import MediaError


def pictures(*arguments: str | Path) -> str:
    """The MD5 of all frames that our command makes, in their own format."""
    path = Path(arguments[-1])
    assert ffadcvsr(*arguments) == 0
    return path.read_text()


@pytest.mark.parametrize(
    "pixel_format",
    [
        "yuv420p", "yuv422p10", "yuv444p12", "yuv444p16", "yuva420p", "gbrp", "gray", "gray10", "gray16be", "nv12",
        "rgb24", "rgba", "rgb48be", "rgba64le", "grayf32le", "gbrpf32le",
    ],
)  # fmt: skip
def test_pictures_are_the_same_with_a_companion(pixel_format: str, tmp_path: Path) -> None:
    graph = "testsrc2=s=62x46:r=25:d=0.2,noise=alls=9:allf=t,format=rgba,geq=r=p(X\\,Y):g=X:b=Y+N:a=X*4"
    ffmpeg("-f lavfi -i", graph, "-c:v ffv1", tmp_path / "in.mkv")
    graph = f"format={pixel_format},{NEAREST}"
    arguments: list[str | Path] = ["-i", tmp_path / "in.mkv", "-vf", graph, "-c:v rawvideo -f framemd5"]
    plain = pictures(*arguments, tmp_path / "plain.md5")
    assert pictures(*arguments, "-force_key_frames source", tmp_path / "beside.md5") == plain


def test_captions_that_cannot_be_carried_are_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    skip_if_it_crashes(captioned(tmp_path / "in.ts"))
    graph = f"format=ya8,{NEAREST}"
    assert ffadcvsr("-i", tmp_path / "in.ts", "-vf", graph, "-c:v png", tmp_path / "out.mkv") == 0
    stderr = capfd.readouterr().err
    assert stderr.count("warning: closed captions, frame packing (stereo 3D) and key frames of the source are not") == 1


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
        [find_binary().path, "-v", "quiet", "-i", str(tmp_path / "in.avi"), "-c", "copy", "-f", "avi", "pipe:1"],
        stdout=subprocess.PIPE,
    ) as source:
        assert source.stdout is not None
        copy = os.dup(source.stdout.fileno())
        packets = CompanionPackets(lambda: os.fdopen(copy, "rb"))
        result = [packets.next() for _ in range(5)]
    assert all(b"\0\0\1\0" in packet for packet in result)
    with pytest.raises(MediaError, match="without its side data"):
        packets.next()


def test_captions_are_carried_by_a_socket_where_no_pipe_can_be_inherited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(companion, "open_receiver", partial(companion.open_receiver, by_socket=True))  # as on Windows
    skip_if_it_crashes(captioned(tmp_path / "in.ts"))
    assert ffadcvsr("-i", tmp_path / "in.ts", "-vf", NEAREST, "-c:v libx264", tmp_path / "out.mkv") == 0
    assert (tmp_path / "out.mkv").read_bytes().count(b"GA94") > 0


def test_a_decoder_that_fails_before_it_connects_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(companion, "open_receiver", partial(companion.open_receiver, by_socket=True))
    skip_if_it_crashes(captioned(tmp_path / "in.ts"))
    graph = f"nosuchfilter,{NEAREST}"
    assert ffadcvsr("-i", tmp_path / "in.ts", "-vf", graph, "-c:v libx264", tmp_path / "out.mkv") != 0
    assert "nosuchfilter" in capfd.readouterr().err


def test_captions_of_an_input_that_is_read_once_are_carried(tmp_path: Path) -> None:
    skip_if_it_crashes(captioned(tmp_path / "in.ts"))
    with (tmp_path / "in.ts").open("rb") as file, subprocess.Popen(["cat"], stdin=file, stdout=subprocess.PIPE) as cat:
        command_line = command("-i - -vf", NEAREST, "-c:v libx264", tmp_path / "out.mkv")
        subprocess.run(command_line, stdin=cat.stdout, env=surroundings(), check=True, timeout=60)
    assert (tmp_path / "out.mkv").read_bytes().count(b"GA94") > 0

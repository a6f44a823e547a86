"""What PyAV must not be asked, and how a process ends that has a generator of frames which nobody closes."""

from __future__ import annotations

import subprocess
import sys
import zlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import pytest

from ffmpeg_filter.frames import upscale_frames
from tests.ffmpeg_filter.clips import video_frames
from tests.ffmpeg_filter.files import ROOT, ffmpeg, surroundings

PICTURE = "-f lavfi -i testsrc2=s=32x32 -frames:v 1"
READ = """
import sys
import av
from ffmpeg_filter.frames import upscale_frames
with av.open(sys.argv[1]) as file:
    for frame in upscale_frames(file.decode(video=0), model="nearest", scale=int(sys.argv[2])):
        print([kind.name for kind in frame.side_data.keys()], frame.width)
"""
LEFT = """
import sys, threading
import av
from ffmpeg_filter.frames import upscale_frames

def frames():
    for number in range(40):
        frame = av.VideoFrame(64, 48, "yuv420p")
        frame.pts = number
        yield frame
        if number == 20 and sys.argv[2] == "waits":
            threading.Event().wait()

left = upscale_frames(frames(), backend=sys.argv[1])
next(left)
print("over")
"""


def process(script: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)], capture_output=True, text=True, timeout=100, cwd=ROOT,
        env=surroundings(OMP_NUM_THREADS="1"), check=False,
    )  # fmt: skip


def with_profile(path: Path) -> Path:
    """A PNG whose colour profile has a name, as all have in which there is one."""
    ffmpeg(PICTURE, path)
    content = path.read_bytes()
    body = b"iCCPa name\0\0" + zlib.compress(bytes([0, 0, 2, 0]) + bytes(508))
    chunk = (len(body) - 4).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
    at = content.index(b"IDAT") - 4
    path.write_bytes(content[:at] + chunk + content[at:])
    return path


@pytest.mark.parametrize("scale", [1, 2])
def test_metadata_of_side_data_is_not_freed_twice(tmp_path: Path, scale: int) -> None:
    ended = process(READ, with_profile(tmp_path / "a.png"), str(scale))
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.split() == ["[]", str(32 * scale)]
    assert "left out, as PyAV" in ended.stderr


@pytest.mark.parametrize("scale", [1, 2])
def test_side_data_without_metadata_is_kept_at_every_scale(tmp_path: Path, scale: int) -> None:
    ffmpeg(PICTURE, "-c:v mpeg4", tmp_path / "plain.mp4")
    turned = tmp_path / "turned.mp4"
    ffmpeg("-display_rotation 90 -i", tmp_path / "plain.mp4", "-c copy", turned)
    with av.open(str(turned)) as file:
        (output,) = upscale_frames(file.decode(video=0), model="nearest", scale=scale)
    assert output.rotation == 90
    assert output.width == 32 * scale


def test_a_time_base_that_is_none_stays_so() -> None:
    frame = av.VideoFrame(16, 16, "yuv420p")
    frame.pts = 7
    (output,) = upscale_frames([frame], model="nearest")
    assert (output.pts, output.time_base) == (7, frame.time_base)


def test_time_bases_of_each_frame_are_its_own() -> None:
    frames = video_frames(4)
    for number, frame in enumerate(frames):
        frame.time_base, frame.pts, frame.duration = Fraction(1, 1000 + number), 10 * number, number
        frame.key_frame = number == 2  # type: ignore[misc]
    outputs = list(upscale_frames(frames, model="nearest-temporal"))
    for before, after in zip(frames, outputs, strict=True):
        assert (after.pts, after.dts, after.duration) == (before.pts, before.dts, before.duration)
        assert (after.time_base.numerator, after.time_base.denominator) == (1, before.time_base.denominator)


def test_what_the_source_raises_comes_behind_the_pictures_before_it() -> None:
    def broken() -> Iterator[av.VideoFrame]:
        yield from video_frames(3)
        raise ZeroDivisionError

    output = upscale_frames(broken(), model="nearest-temporal")
    assert [next(output).pts for _ in range(3)] == [frame.pts for frame in video_frames(3)]
    with pytest.raises(ZeroDivisionError):
        next(output)


def test_a_generator_that_is_closed_early_closes_its_source() -> None:
    closed = []

    def source() -> Iterator[av.VideoFrame]:
        try:
            while True:
                yield from video_frames(4)
        finally:
            closed.append(True)

    output = upscale_frames(source(), model="nearest")
    next(output)
    output.close()
    assert closed == [True]


@pytest.mark.parametrize(("backend", "source"), [("auto", "goes on"), ("auto", "waits"), ("ort", "goes on")])
def test_a_generator_left_open_does_not_abort_the_process(backend: str, source: str) -> None:
    ended = process(LEFT, backend, source)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "over\n", "")

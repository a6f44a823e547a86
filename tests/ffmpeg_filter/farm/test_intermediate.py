"""Lossless chunks keep the samples of every pixel format that adcvsr takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from ffmpeg_filter.farm import intermediate
from ffmpeg_filter.media.pixel_formats import LAYOUTS
from tests.ffmpeg_filter.farms import farmed, hashes, recipe
from tests.ffmpeg_filter.files import NEAREST, ffadcvsr, ffmpeg
from tests.ffmpeg_filter.media.test_pipe_formats import content, sampled
from vsadcvsr.errors import MediaError


@pytest.mark.parametrize("size", [(64, 48), (33, 7)])
def test_frames_of_every_format_are_read_as_they_were_written(size: tuple[int, int], tmp_path: Path) -> None:
    for name in LAYOUTS:
        path = tmp_path / f"{name}.mkv"
        written = [sampled(name, *size) for _ in range(2)]
        samples = [content(frame) for frame in written]
        assert intermediate.write(path, written) == intermediate.count_packets(path) == 2
        frames = list(intermediate.read(path, name))
        assert [(frame.format.name, frame.width, frame.height) for frame in frames] == [(name, *size)] * 2
        assert [content(frame) for frame in frames] == samples, name


@pytest.mark.parametrize(("written", "read"), [("rgb24", "gray"), ("gray", "rgb24"), ("yuv420p", "yuv422p")])
def test_frames_of_another_format_are_not_taken(written: str, read: str, tmp_path: Path) -> None:
    intermediate.write(tmp_path / "a.mkv", [sampled(written, 32, 16)])
    with pytest.raises(MediaError, match=f"instead of {read}"):
        list(intermediate.read(tmp_path / "a.mkv", read))


@pytest.mark.parametrize(
    "pixels", ["-pix_fmt yuvj420p -c:v mjpeg", "-pix_fmt rgb24 -c:v png", "-vf format=ya16 -c:v png"]
)
def test_what_ffv1_lacks_is_encoded_at_the_merge_too(
    pixels: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ffmpeg(f"-f lavfi -i testsrc2=s=34x26:r=10:d=1 {pixels} clip.mov")
    command = f"-i clip.mov -vf {NEAREST} -c:v libx264 -threads 1 -b:v 300k"
    assert ffadcvsr(command, "one.mkv") == 0
    farmed(Path("job"), command, "many.mkv")
    assert recipe(Path("job"))["mode"] == "lossless"
    assert hashes(Path("many.mkv")) == hashes(Path("one.mkv"))

"""`-frames:v`: no frame is waited for that the output has no room for."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av
import pytest

from ffmpeg_filter.transcode import pipeline
from ffmpeg_filter.transcode.vsync import has_enough
from ffmpeg_filter.upscale.stream import upscale_frames
from tests.ffmpeg_filter.files import NEAREST, decoded, ffadcvsr, ffmpeg
from vsadcvsr.errors import MediaError

V = "-f lavfi -i testsrc2=s=64x48:r=10:d=1"


@pytest.mark.parametrize("output", ["out.mkv", "out.mp4", "out%d.png"])
@pytest.mark.parametrize("count", [1, 3])
def test_a_run_ends_with_the_last_frame_of_the_output(
    count: int, output: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def only(frames: Iterator[av.VideoFrame], **options: Any) -> Iterator[av.VideoFrame]:
        yield from islice(upscale_frames(frames, **options), count)
        raise MediaError("another frame was asked for")

    ffmpeg(f"{V} -c:v libx264 -preset ultrafast", tmp_path / "in.mkv")
    monkeypatch.setattr(pipeline, "upscale_frames", only)
    status = ffadcvsr("-v error -i", tmp_path / "in.mkv", f"-vf {NEAREST} -frames:v {count}", tmp_path / output)
    assert status == 0
    assert sum(len(decoded(path)) for path in tmp_path.glob("out*")) == count


@pytest.mark.parametrize("more", ["-ss 0.3", "-r 5", "-vf NEAREST,select=gte(n\\,4)"])
def test_frames_that_the_output_drops_do_not_count(more: str, tmp_path: Path) -> None:
    ffmpeg(f"{V} -c:v libx264 -preset ultrafast", tmp_path / "in.mkv")
    options = f"-vf {NEAREST} {more} -frames:v 2".replace("NEAREST", NEAREST)
    assert ffadcvsr("-v error -i", tmp_path / "in.mkv", options, tmp_path / "out.mkv") == 0
    assert len(decoded(tmp_path / "out.mkv")) == 2


def seconds(*times: float) -> list[Fraction]:
    return [Fraction(str(time)) for time in times]


def test_frames_suffice_where_none_is_dropped() -> None:
    assert has_enough(2, seconds(0, 0.1), Fraction(10))
    assert has_enough(2, seconds(0, 0.1), None)
    assert has_enough(2, seconds(0, 0.1), Fraction(10), fills_gaps=True)
    assert has_enough(1, seconds(0.03), Fraction(10), fills_gaps=True)
    assert not has_enough(2, seconds(0), Fraction(10))
    assert not has_enough(2, seconds(0, 0.03), Fraction(10), fills_gaps=True)
    assert not has_enough(1, seconds(-0.2), Fraction(10), fills_gaps=True)
    durations = [Fraction(1, 10), Fraction(0), Fraction(0), Fraction(0)]
    assert not has_enough(4, seconds(0, 0, 0, 0), Fraction(10), durations)

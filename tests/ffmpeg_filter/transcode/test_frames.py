"""Whole commands: the pictures are those of the filter, and each comes at its own time."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import pytest

from ffmpeg_filter.media.av_frames import to_raw_frame
from ffmpeg_filter.media.frame import Plane
from tests.ffmpeg_filter.clips import filtered, video_frames
from tests.ffmpeg_filter.files import (
    NEAREST,
    PICTURES,
    SOUND,
    alike,
    copied,
    decoded,
    ffadcvsr,
    ffmpeg,
    planes,
    streams,
    times,
)
from tests.plugin.clips import moving

LENGTH = 6


@pytest.fixture
def irregular(tmp_path: Path) -> Path:
    """The clip of `moving` at irregular times, the first of them not 0."""
    path = tmp_path / "irregular.mkv"
    frames = video_frames(LENGTH)
    with av.open(str(path), "w") as file:
        stream = file.add_stream("ffv1", rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 24, 16, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for name in ("colorspace", "color_range", "color_primaries", "color_trc"):
            setattr(stream.codec_context, name, getattr(frames[0], name))
        for frame in frames:
            frame.pict_type = 0
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


def test_the_pictures_have_the_bits_of_the_filter(irregular: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mkv"
    assert ffadcvsr("-i", irregular, "-vf adcvsr=model=nearest -c:v ffv1", out) == 0
    location = (
        {"_ChromaLocation": loc} if (loc := getattr(decoded(irregular)[0], "chroma_location", 0) - 1) >= 0 else {}
    )
    theirs = filtered(moving(length=LENGTH, matrix=1).std.SetFrameProps(**location), model="nearest")
    ours = [to_raw_frame(frame) for frame in decoded(out)]
    assert len(ours) == LENGTH
    assert all(same(first.planes, other.planes) for first, other in zip(ours, theirs, strict=True))


def test_irregular_times_and_durations_come_through(irregular: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mkv"
    arguments = "-c:v ffv1 -fps_mode passthrough -enc_time_base 1/1000"
    assert ffadcvsr("-copyts -i", irregular, f"-vf {NEAREST} {arguments}", out) == 0
    assert times(out) == times(irregular) == [Fraction(100 * n**2 + 7, 1000) for n in range(LENGTH)]


def test_a_plain_command_begins_where_ffmpegs_does(irregular: Path, tmp_path: Path) -> None:
    out, plain = tmp_path / "out.mkv", tmp_path / "plain.mkv"
    ffmpeg("-i", irregular, "-c:v ffv1", plain)
    assert ffadcvsr("-i", irregular, f"-vf {NEAREST} -c:v ffv1", out) == 0
    assert times(out) == times(plain)


def test_sound_is_copied_bit_for_bit(clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mkv"
    assert ffadcvsr("-i", clip, f"-vf {NEAREST} -map 0 -c:v ffv1 -c:a copy", out) == 0
    assert streams(out) == ["video ffv1", "audio flac"]
    assert copied(out) == copied(clip) != ""


def test_sound_comes_without_being_asked_for(clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mkv"
    assert ffadcvsr("-i", clip, f"-vf {NEAREST} -c:v ffv1 -c:a flac", out) == 0
    assert streams(out) == ["video ffv1", "audio flac"]


@pytest.mark.parametrize("late", ["0.023", "0.5"])
@pytest.mark.parametrize("first", ["v", "a"])
def test_the_distance_of_sound_and_picture_is_kept(late: str, first: str, tmp_path: Path) -> None:
    clip, out = tmp_path / "clip.mkv", tmp_path / "out.mkv"
    order = [SOUND, f"-itsoffset {late}", PICTURES] if first == "v" else [PICTURES, f"-itsoffset {late}", SOUND]
    number = "1" if first == "v" else "0"
    ffmpeg(*order, f"-map {number}:v -map {1 - int(number)}:a -fps_mode passthrough -enc_time_base 1/1000",
           "-c:v ffv1 -c:a flac", clip)  # fmt: skip
    assert ffadcvsr("-i", clip, f"-vf {NEAREST} -c:v ffv1 -c:a copy", out) == 0
    assert starts(out) == starts(clip)


def starts(path: Path) -> list[Fraction]:
    """When the picture and the sound begin."""
    begins = []
    for kind in ("video", "audio"):
        with av.open(str(path)) as file:
            stream = getattr(file.streams, kind)[0]
            first = next(packet for packet in file.demux(stream) if packet.pts is not None)
            begins.append(Fraction(first.pts or 0) * Fraction(stream.time_base.numerator, stream.time_base.denominator))
    return begins


@pytest.mark.parametrize(
    ("before", "after"),
    [("-ss 0.16", ""), ("-t 0.2", ""), ("-ss 0.12 -t 0.12", ""), ("", "-ss 0.16"), ("", "-t 0.2"), ("", "-frames:v 3"),
     ("-ss 0.08", "-ss 0.08 -t 0.12"), ("-to 0.24", "-to 0.16"), ("-itsoffset 1", "")],
)  # fmt: skip
def test_cutting_options_take_the_frames_that_ffmpeg_takes(before: str, after: str, clip: Path, tmp_path: Path) -> None:
    out, plain = tmp_path / "out.mkv", tmp_path / "plain.mkv"
    ffmpeg(before, "-i", clip, after, "-c:v ffv1 -an", plain)
    assert ffadcvsr(before, "-i", clip, after, "-vf adcvsr=model=nearest:scale=1 -c:v ffv1 -an", out) == 0
    assert times(out) == times(plain)
    whole = tmp_path / "whole.mkv"
    assert ffadcvsr("-i", clip, "-vf adcvsr=model=nearest:scale=1 -c:v ffv1 -an", whole) == 0
    first = next(n for n, frame in enumerate(planes(clip)) if same(frame, planes(plain)[0]))
    expected = planes(whole)[first : first + len(times(plain))]
    assert all(same(a, b) for a, b in zip(planes(out), expected, strict=True))


def same(first: Sequence[Plane], second: Sequence[Plane]) -> bool:
    return all(bool((a == b).all()) for a, b in zip(first, second, strict=True))


def test_filters_before_and_after_are_ffmpegs(clip: Path, tmp_path: Path) -> None:
    out, before, steps = tmp_path / "out.mkv", tmp_path / "before.mkv", tmp_path / "steps.mkv"
    assert ffadcvsr("-i", clip, f"-vf crop=32:24:8:8,{NEAREST},hflip -an -c:v ffv1", out) == 0
    ffmpeg("-i", clip, "-vf crop=32:24:8:8 -an -c:v ffv1", before)
    assert ffadcvsr("-i", before, f"-vf {NEAREST} -c:v ffv1", steps) == 0
    ffmpeg("-i", steps, "-vf hflip -c:v ffv1", before)
    assert alike(out, before)


def test_overlays_lie_on_the_large_pictures(clip: Path, tmp_path: Path) -> None:
    logo, out = tmp_path / "logo.png", tmp_path / "out.mkv"
    ffmpeg("-f lavfi -i color=white:s=10x8 -frames:v 1", logo)
    graph = f"[0:v]{NEAREST}[u];[u][1:v]overlay=20:30[v]"
    assert ffadcvsr("-i", clip, "-i", logo, f"-filter_complex {graph} -map [v] -map 0:a -c:v ffv1 -c:a copy", out) == 0
    luma = planes(out)[4][0]
    assert luma.shape == (96, 128)
    assert int(luma[31:37, 21:29].min()) > 230
    assert copied(out) == copied(clip)


def test_frames_that_are_not_enabled_are_enlarged_plainly(clip: Path, tmp_path: Path) -> None:
    every, some = tmp_path / "every.mkv", tmp_path / "some.mkv"
    assert ffadcvsr("-i", clip, f"-vf {NEAREST} -an -c:v ffv1", every) == 0
    arguments = ["-i", str(clip), "-vf", f"{NEAREST}:enable='between(t,0.08,0.16)'", "-an", "-c:v", "ffv1", str(some)]
    assert ffadcvsr(*map(Path, arguments)) == 0
    networks = [same(a, b) for a, b in zip(planes(every), planes(some), strict=True)]
    assert networks == [n in {2, 3, 4} for n in range(10)]

"""The output is looked at again: what is missing or late is said in words."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import pytest

from ffmpeg_filter.transcode.pipeline import Outcome
from ffmpeg_filter.transcode.verify import find_faults
from tests.ffmpeg_filter.files import NEAREST, ffadcvsr, ffmpeg
from tests.ffmpeg_filter.planning import FILM, planned

TIMES = [Fraction(number, 25) for number in range(5)]


def clip(path: Path, times: list[Fraction]) -> None:
    with av.open(str(path), "w") as file:
        stream = file.add_stream("ffv1", rate=25)
        stream.width = stream.height = 16
        stream.codec_context.time_base = Fraction(1, 1000)
        for time in times:
            frame = av.VideoFrame(16, 16, "yuv420p")
            frame.pts, frame.time_base = int(time * 1000), Fraction(1, 1000)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))


def found(path: Path, outcome: Outcome, *options: str) -> list[str]:
    return list(find_faults(planned(["-i", "in.mkv", "-vf", "adcvsr", *options, str(path)], FILM), outcome, path))


def test_an_output_with_each_frame_at_its_time_needs_no_words(tmp_path: Path) -> None:
    clip(tmp_path / "out.mkv", TIMES)
    assert found(tmp_path / "out.mkv", Outcome(times=[*TIMES])) == []


def test_a_start_at_another_time_is_the_containers_affair(tmp_path: Path) -> None:
    clip(tmp_path / "out.mkv", TIMES)
    assert found(tmp_path / "out.mkv", Outcome(times=[time + 1 for time in TIMES])) == []


def test_missing_frames_are_counted(tmp_path: Path) -> None:
    clip(tmp_path / "out.mkv", TIMES[:3])
    assert found(tmp_path / "out.mkv", Outcome(times=[*TIMES])) == ["5 frames were passed on, out.mkv has 3"]


def test_a_shifted_frame_is_measured(tmp_path: Path) -> None:
    clip(tmp_path / "out.mkv", [*TIMES[:4], TIMES[4] + Fraction(1, 50)])
    assert found(tmp_path / "out.mkv", Outcome(times=[*TIMES])) == ["timestamps in out.mkv are off by up to 20 ms"]


def test_an_output_that_is_no_video_is_reported(tmp_path: Path) -> None:
    (tmp_path / "out.mkv").write_bytes(b"nothing")
    assert found(tmp_path / "out.mkv", Outcome(times=[*TIMES])) == ["out.mkv cannot be opened to check it"]


def test_an_output_without_a_frame_names_the_options_that_may_have_left_none(tmp_path: Path) -> None:
    (tmp_path / "out.mkv").write_bytes(b"")
    assert found(tmp_path / "out.mkv", Outcome(times=[*TIMES]), "-ss", "1", "-t", "0") == [
        "out.mkv cannot be opened to check it; see whether -ss and -t leave any frame for it"
    ]


def test_a_limit_does_not_explain_frames_that_were_not_passed_on(tmp_path: Path) -> None:
    clip(tmp_path / "out.mkv", TIMES)
    assert found(tmp_path / "out.mkv", Outcome(times=[*TIMES[:3]]), "-t", "9") == [
        "3 frames were passed on, out.mkv has 5"
    ]


@pytest.mark.parametrize("options", [["-t", "1"], ["-frames:v", "3"], ["-r", "10"], ["-shortest"]])
def test_what_the_user_shortened_is_not_counted(tmp_path: Path, options: list[str]) -> None:
    clip(tmp_path / "out.mkv", TIMES[:3])
    assert found(tmp_path / "out.mkv", Outcome(times=[*TIMES]), *options) == []


@pytest.mark.parametrize("form", ["h264", "ogv"])
def test_packets_without_times_are_counted(form: str, tmp_path: Path) -> None:
    codec = {"h264": "libx264", "ogv": "libtheora"}[form]
    path = tmp_path / f"out.{form}"
    ffmpeg("-f lavfi -i testsrc2=s=64x48:r=10:d=0.5 -bf 0 -c:v", codec, path)
    assert found(path, Outcome(times=[Fraction(number, 10) for number in range(5)])) == []
    lost = {"h264": ["6 frames were passed on, out.h264 has 5"], "ogv": []}  # Theora has none for a picture that stays
    assert found(path, Outcome(times=[*TIMES, Fraction(1)])) == lost[form]


def test_of_streams_of_one_size_that_with_most_frames_is_the_video(tmp_path: Path) -> None:
    """As AVIF has them: a still picture, and the film."""
    source = "-f lavfi -i testsrc2=s=64x48:r=25:d=0.2"
    ffmpeg(source, "-map 0 -map 0 -filter:v:0 trim=end_frame=1 -c:v ffv1", tmp_path / "out.mkv")
    assert found(tmp_path / "out.mkv", Outcome(times=[*TIMES])) == []


def test_what_ffmpeg_cannot_read_again_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "out.md5").write_text("MD5=0")
    assert found(tmp_path / "out.md5", Outcome(times=[*TIMES])) == []


def test_of_several_videos_the_upscaled_one_counts_and_covers_do_not(tmp_path: Path) -> None:
    inputs: list[str | Path] = ["-i", tmp_path / "in.mkv", "-i", tmp_path / "large.mkv"]
    ffmpeg("-f lavfi -i testsrc2=s=32x16:r=10:d=0.5 -c:v ffv1", tmp_path / "in.mkv")
    ffmpeg("-f lavfi -i testsrc2=s=320x160:r=25:d=0.4 -c:v ffv1", tmp_path / "large.mkv")
    graph = f"-filter_complex [0:v]{NEAREST}[u] -map [u] -map 1 -c:v:0 ffv1 -c:v:1 copy"
    assert ffadcvsr(*inputs, graph, tmp_path / "graph.mkv") == 0
    assert ffadcvsr(*inputs, f"-map 1 -map 0 -c copy -c:v:1 ffv1 -filter:v:1 {NEAREST}", tmp_path / "map.mkv") == 0
    ffmpeg("-i", tmp_path / "large.mkv", "-frames:v 1", tmp_path / "cover.jpg")
    cover = "-map 0 -map 1 -c copy -disposition:v:1 attached_pic -c:v:0"
    ffmpeg("-i", tmp_path / "in.mkv", "-i", tmp_path / "cover.jpg", cover, "libx264", tmp_path / "covered.mp4")
    for suffix in ("mp4", "mkv"):
        for number, codec in enumerate(("libx264", "png")):
            options = f"-y -map 0 -c copy -c:v:{number} {codec} -filter:v:{number} {NEAREST}"
            assert ffadcvsr("-i", tmp_path / "covered.mp4", options, tmp_path / f"out.{suffix}") == 0


def test_packets_that_a_bitstream_filter_moves_or_drops_are_the_users() -> None:
    for filters in ("setts=ts=2*TS", "null,noise=drop=1"):
        assert not planned(f"-i in.mkv -vf adcvsr -c:v libx264 -bsf:v {filters} out.mkv", FILM).keeps_times
    assert planned("-i in.mkv -vf adcvsr -c:v libx264 -bsf:v dump_extra out.mkv", FILM).keeps_times

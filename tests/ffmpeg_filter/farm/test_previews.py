"""A farm's work watched, and its page: pictures on it are those of the film and of the source, or are not there."""

from __future__ import annotations

import base64
import io
import json
import os
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from ffmpeg_filter.command.argv import parse
from ffmpeg_filter.farm.options import FarmOptions, Title, parse_options, parse_titles
from ffmpeg_filter.farm.previews import samples
from ffmpeg_filter.farm.title import TitleRun
from ffmpeg_filter.transcode.progress import MessageReporter
from tests.browser import content
from tests.ffmpeg_filter.farms import TEMPORAL, farm, farmed, pictures, planned, source, started
from tests.ffmpeg_filter.files import NEAREST, skip_if_it_crashes

JOB = Path("job")
TAGGED = "format=yuv444p,setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709"
type Pixels = NDArray[np.float32]


@pytest.fixture(autouse=True)
def one_thread(in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def test_a_watch_ends_with_the_work_and_leaves_standard_output_empty(capfd: pytest.CaptureFixture[str]) -> None:
    planned()
    capfd.readouterr()
    with started("work", JOB):
        assert farm("status", JOB, "--watch") == 0
    out, err = capfd.readouterr()
    assert out == ""
    assert "job: 30/30 frames, 3/3 chunks, 0 at work" in err
    assert "job: 3/3 chunks, 30/30 frames in " in err
    assert "planning " in err


def test_a_watch_for_programs_is_one_object_a_line_on_standard_output(capfd: pytest.CaptureFixture[str]) -> None:
    planned()
    assert farm("work", JOB) == 0
    assert farm("merge", JOB) == 0
    capfd.readouterr()
    assert farm("status", JOB, "--watch --json") == 0
    out, err = capfd.readouterr()
    progress, summary = map(json.loads, out.splitlines())
    assert err == ""
    assert (progress["event"], progress["frames_done"], progress["merged"]) == ("progress", 30, True)
    assert (summary["event"], summary["frames"], len(summary["workers"])) == ("summary", 30, 1)
    assert summary["planning"] > 0
    assert summary["merging"] > 0


def test_the_page_of_a_job_is_written_where_it_is_wanted(capfd: pytest.CaptureFixture[str]) -> None:
    planned()
    assert farm("report", JOB, "--samples 0") == 0
    assert farm("work", JOB) == 0
    assert farm("report", JOB, "-o page.html --samples 2") == 0
    assert capfd.readouterr().out == ""
    before, after = (content(Path(name).read_text()) for name in ("job/report.html", "page.html"))
    assert (before["samples"], before["lanes"]) == ([], [])
    assert isinstance(after["samples"], list)
    assert len(after["samples"]) == 2
    assert after["notes"] == []


def test_a_page_in_a_missing_folder_is_refused_before_its_samples_are_made(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    planned()
    monkeypatch.setattr("ffmpeg_filter.farm.previews.samples", lambda *_: pytest.fail("samples were made"))
    assert farm("report", JOB, "-o nowhere/page.html") == 64
    assert "page.html is in a folder that does not exist; make it first" in capfd.readouterr().err
    assert not list(Path().glob("**/*.part"))


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("clip.mkv", "-c:v ffv1"),
        ("clip.mp4", "-c:v libx264 -g 10 -bf 3 -b_strategy 0"),
        ("clip.ts", "-c:v libx264 -g 10 -bf 3 -b_strategy 0"),
    ],
)
@pytest.mark.parametrize("encoding", ["-c:v ffv1", "-c:v libx264 -crf 12 -bf 3", "-c:v ffv1 -farm_intermediate ffv1"])
def test_pictures_are_the_very_frames_of_video_and_source(name: str, codec: str, encoding: str) -> None:
    clip = source(Path(name), codec, "-an", pictures=f"testsrc2=s=64x48:r=25:d=1.2,{TAGGED}")
    skip_if_it_crashes(clip)
    job = farmed(JOB, "-i", clip, f"-vf {TEMPORAL}", encoding, "many.mkv")
    pairs, notes = samples(job, 4)
    assert ([item.frame for item in pairs], notes) == ([3, 11, 18, 26], [])
    film, frames = _frames(Path("many.mkv")), _frames(clip, (128, 96))
    for item in pairs:
        assert (item.width, item.height) == (128, 96)
        assert _nearest(item.after, film) == item.frame
        assert _nearest(item.before, frames) == item.frame


def test_what_an_own_filter_has_cut_away_is_cut_away_from_the_source_as_well() -> None:
    clip = source(Path("clip.mkv"), "-c:v ffv1 -an", pictures=f"testsrc2=s=64x48:r=25:d=1.2,{TAGGED}")
    job = farmed(JOB, "-i", clip, f"-vf crop=32:24:8:8,{TEMPORAL} -c:v ffv1 many.mkv")
    pairs, _ = samples(job, 1)
    assert _nearest(pairs[0].before, _frames(Path("many.mkv"))) == pairs[0].frame


@pytest.mark.parametrize("encoding", ["-c:v ffv1", "-c:v libx264 -crf 12", "-c:v libx264rgb -crf 12"])
@pytest.mark.parametrize("colours", ["format=gbrp", "format=yuv444p", "format=yuv444p10le,setparams=range=pc", TAGGED])
def test_both_pictures_have_the_same_colours(colours: str, encoding: str) -> None:
    clip = source(Path("clip.mkv"), "-c:v ffv1 -an", pictures=f"testsrc2=s=64x48:r=25:d=0.2,{colours}")
    job = farmed(JOB, "-i", clip, f"-vf adcvsr=nearest {encoding} many.mkv")
    (sample,), _ = samples(job, 1)
    assert np.abs((_pixels(sample.before) - _pixels(sample.after)).mean((0, 1))).max() < 2


def test_pixels_that_are_moved_behind_the_network_are_not_laid_over_others() -> None:
    clip = source(Path("clip.mkv"), "-c:v ffv1 -an")
    job = farmed(JOB, "-i", clip, f"-vf {TEMPORAL},hflip -c:v ffv1 many.mkv")
    assert samples(job, 2) == ([], ["no pictures: hflip after adcvsr moves pixels"])


def test_missing_damaged_or_plain_frames_are_skipped_with_a_note() -> None:
    flat = "testsrc2=s=64x48:r=25:d=1.2,drawbox=t=fill:c=gray:enable='gte(n,20)'"
    source(Path("clip.mkv"), "-c:v ffv1 -c:a flac", pictures=flat)
    job = planned()
    assert farm("work", JOB, "--chunk 1") == 0
    assert farm("work", JOB, "--chunk 2") == 0
    path = job.chunk_folder / job.done()[1].file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    pairs, notes = samples(job, 3)
    assert pairs == []
    assert notes == [
        "frame 5 is left out: chunk 0 is missing",
        f"frame 15 is left out: {path.name} is damaged",
        "frame 25 is left out: it has no detail to compare",
    ]
    assert path.exists()


def test_without_its_source_a_job_has_a_page_without_pictures() -> None:
    planned()
    assert farm("work", JOB) == 0
    os.truncate("clip.mkv", 999)
    assert farm("report", JOB) == 0
    shown = content((JOB / "report.html").read_text())
    assert shown["samples"] == []
    assert "has changed since it was planned" in str(shown["notes"])


def test_of_a_large_picture_the_middle_is_shown_as_it_is() -> None:
    clip = source(Path("clip.mkv"), "-c:v ffv1 -an", pictures=f"testsrc2=s=640x400:r=25:d=0.08,{TAGGED}")
    job = farmed(JOB, "-i", clip, "-vf adcvsr=nearest:scale=4 -c:v ffv1 many.mkv")
    (sample,), _ = samples(job, 1)
    assert (sample.width, sample.height, sample.note) == (1280, 720, "the middle 1280x720 of 2560x1600")
    film = _frames(Path("many.mkv"))
    assert np.abs(_pixels(sample.after) - film[sample.frame][440:1160, 640:1920]).mean() < 3


def _titled(words: io.StringIO) -> TitleRun:
    """A title that a cluster has worked on and merged, with a page wanted."""
    source(Path("clip.mkv"), "-c:v ffv1 -an")
    title = Title(("-i", "clip.mkv", "-vf", TEMPORAL, "-c:v", "ffv1", "many.mkv"), "many.mkv", overwrite=False)
    wanted = FarmOptions(address="local", report=True, chunk_seconds=Fraction("0.4"))
    making, said = TitleRun(title, wanted), MessageReporter(words)
    assert farm("work", making.plan(said).folder) == 0
    making.merge(said, lambda: None)
    return making


def test_an_output_of_a_cluster_keeps_its_page_when_the_job_is_removed() -> None:
    making = _titled(io.StringIO())
    assert not making.job.folder.exists()
    shown = content(Path("many.mkv.html").read_text())
    assert (shown["facts"][0], len(shown["samples"])) == (["State", "merged"], 4)  # type: ignore[index, arg-type]


def test_a_quiet_title_says_nothing_and_writes_over_a_file_where_it_is_asked_to() -> None:
    source(Path("clip.mkv"), "-c:v ffv1 -an", pictures="testsrc2=s=32x32:r=25:d=0.2,setfield=tff")
    Path("many.mkv").write_text("an older one")
    arguments = ["-v", "error", "-farm", "local", "-y", "-i", "clip.mkv", "-vf", NEAREST, "-c:v", "ffv1", "many.mkv"]
    (title,), wanted, heard = parse_titles(parse(arguments)), parse_options(parse(arguments)), io.StringIO()
    making, said = TitleRun(title, replace(wanted, report=True)), MessageReporter(heard)
    assert farm("work", making.plan(said).folder) == 0
    making.merge(said, lambda: None)
    assert (heard.getvalue(), len(pictures(Path("many.mkv")))) == ("", 5)


def test_a_video_does_not_fail_for_its_page() -> None:
    Path("many.mkv.html").mkdir()
    stream = io.StringIO()
    _titled(stream)
    assert len(pictures(Path("many.mkv"))) == 30
    assert "many.mkv.html is not made: many.mkv.html cannot be written: Is a directory" in stream.getvalue()


def _frames(path: Path, size: tuple[int, int] | None = None) -> list[Pixels]:
    """RGB pictures (H, W, 3), at their own size or enlarged by bicubic."""
    with av.open(str(path), "r") as file:
        given = list(file.decode(video=0))
    large = [frame.reformat(*size, interpolation="BICUBIC") for frame in given] if size else given
    return [frame.to_ndarray(format="rgb24").astype(np.float32) for frame in large]


def _pixels(address: str) -> Pixels:
    kind, coded = address.split(",")
    assert kind == "data:image/webp;base64"
    with av.open(io.BytesIO(base64.b64decode(coded)), "r", format="webp_pipe") as file:
        return next(file.decode(video=0)).to_ndarray(format="rgb24").astype(np.float32)


def _nearest(address: str, frames: list[Pixels]) -> int:
    """The number of the frame that a picture is most like."""
    own = _pixels(address)
    return int(np.argmin([np.abs(own - frame).mean() for frame in frames]))

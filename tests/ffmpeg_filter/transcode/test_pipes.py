"""Whole commands: pipes, pictures in files, and what programs read of them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import av
import pytest

from ffmpeg_filter.media.binary import inspect_binary
from tests.ffmpeg_filter.files import (
    FFMPEG,
    NEAREST,
    PICTURES,
    alike,
    command,
    decoded,
    ffadcvsr,
    ffmpeg,
    surroundings,
    times,
    words_of,
)


def test_from_pipe_to_pipe_the_video_is_that_of_files(clip: Path, out: Path) -> None:
    command_line = command(f"-nostats -i - -an -vf {NEAREST} -c:v ffv1 -f matroska -")
    done = subprocess.run(command_line, input=clip.read_bytes(), env=surroundings(), capture_output=True, check=True)
    out.write_bytes(done.stdout)
    whole = out.with_name("whole.mkv")
    assert ffadcvsr("-i", clip, f"-an -vf {NEAREST} -c:v ffv1", whole) == 0
    assert alike(out, whole)
    assert times(out) == times(whole)


@pytest.mark.parametrize("name", ["pipe:{}", "/dev/fd/{}"])
def test_descriptors_of_the_caller_are_written_to(name: str, clip: Path, out: Path) -> None:
    progress, whole = out.with_name("progress.txt"), out.with_name("whole.mkv")
    with out.open("wb") as video, progress.open("wb") as text:
        for file in (video, text):
            os.set_inheritable(file.fileno(), True)
        options = f"-y -an -vf {NEAREST} -c:v ffv1 -progress {name.format(text.fileno())} -f matroska"
        assert ffadcvsr("-nostdin -i", clip, options, name.format(video.fileno())) == 0
    assert progress.read_text().endswith("progress=end\n")
    assert ffadcvsr("-nostdin -i", clip, f"-an -vf {NEAREST} -c:v ffv1", whole) == 0
    assert alike(out, whole)


def test_pictures_in_files_become_pictures_in_files(tmp_path: Path) -> None:
    ffmpeg(PICTURES, tmp_path / "in%02d.png")
    assert ffadcvsr("-framerate 10 -i", tmp_path / "in%02d.png", f"-vf {NEAREST}", tmp_path / "out%02d.png") == 0
    result = sorted(tmp_path.glob("out*.png"))
    assert [path.name for path in result] == [f"out{n:02}.png" for n in range(1, 11)]
    assert decoded(result[0])[0].width == 128


def test_a_source_filter_may_be_longer_than_a_file_name(out: Path) -> None:
    graph = "testsrc2=s=32x16:r=5:d=0.4" + ",hflip" * 50
    assert ffadcvsr(f"-nostdin -f lavfi -i {graph} -vf {NEAREST} -c:v ffv1", out) == 0


def test_a_still_becomes_a_still(tmp_path: Path) -> None:
    ffmpeg(PICTURES, "-frames:v 1", tmp_path / "in.png")
    assert ffadcvsr("-i", tmp_path / "in.png", f"-vf {NEAREST} -frames:v 1", tmp_path / "out.png") == 0
    assert decoded(tmp_path / "out.png")[0].width == 128


def test_the_report_is_that_of_one_program(clip: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = out.with_name("report.txt")
    monkeypatch.setenv("FFREPORT", f"file={report}:level=32")
    inspect_binary.cache_clear()
    assert ffadcvsr("-nostdin -i", clip, f"-vf {NEAREST} -c:v ffv1", out) == 0
    assert report.read_text().count("Report written to") == 1
    assert "showinfo" not in report.read_text()


def test_progress_is_in_ffmpegs_format(clip: Path, out: Path) -> None:
    command_line = command("-nostats -progress - -i", clip, f"-vf {NEAREST} -an -c:v ffv1", out)
    done = subprocess.run(command_line, env=surroundings(), capture_output=True, text=True, check=True)
    pairs = [line.partition("=")[::2] for line in done.stdout.splitlines()]
    assert pairs[-1] == ("progress", "end")
    assert [value for key, value in pairs if key == "frame"][-1] == "10"
    plain = subprocess.run([FFMPEG, *words_of(["-v error -progress - -i", clip, "-f null -"])],
                           capture_output=True, text=True, check=True).stdout  # fmt: skip
    assert {key for key, _ in pairs} == {line.partition("=")[0] for line in plain.splitlines()}


def test_ffmpegs_own_statistics_are_shown_if_asked_for(
    clip: Path, out: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert ffadcvsr("-stats -i", clip, f"-vf {NEAREST} -an -c:v ffv1", out) == 0
    assert "frame=   10" in capfd.readouterr().err


def test_a_dry_run_prints_both_commands_and_runs_none(clip: Path, out: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert ffadcvsr("-adcvsr_dry_run -i", clip, f"-vf {NEAREST},hflip", out) == 0
    first, middle, second = capfd.readouterr().out.splitlines()
    assert "showinfo" in first
    assert "format=" not in first
    assert max(map(len, (first, second))) < 800
    assert middle == "# adcvsr model=nearest:scale=2"
    assert "hflip" in second
    assert not out.exists()


@pytest.mark.parametrize(("name", "key"), [("out.mkv", "ADCVSR"), ("out.mp4", "comment")])
def test_model_and_settings_can_be_noted_in_the_output(name: str, key: str, clip: Path, tmp_path: Path) -> None:
    out = tmp_path / name
    assert ffadcvsr("-adcvsr_metadata -i", clip, f"-vf {NEAREST} -c:v libx264", out) == 0
    with av.open(str(out)) as file:
        assert file.metadata[key] == "adcvsr model=nearest:scale=2"

"""Side data of the source that the output will lack is named, once, in a warning."""

from __future__ import annotations

from pathlib import Path

import pytest

from ffmpeg_filter.media.binary import find_binary
from tests.ffmpeg_filter.files import NEAREST, decoded, ffadcvsr, ffmpeg
from tests.ffmpeg_filter.stills import profile, still, with_track_profile


def test_a_profile_is_named_where_it_cannot_be_carried(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    still(tmp_path / "in.png", pixels="ya8")
    assert ffadcvsr("-i", tmp_path / "in.png", "-vf", NEAREST, tmp_path / "out.png") == 0
    stderr = capfd.readouterr().err
    assert stderr.count("warning: EXIF metadata and the ICC profile of the source are not carried to this output") == 1


def test_a_profile_that_is_carried_is_not_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    still(tmp_path / "in.png")
    assert ffadcvsr("-i", tmp_path / "in.png", "-vf", NEAREST, tmp_path / "out.png") == 0
    assert "warning" not in capfd.readouterr().err


@pytest.mark.parametrize("output", ["out.mp4", "out.mkv"])
def test_a_profile_of_a_track_is_kept_or_named(
    output: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    ffmpeg("-f lavfi -i testsrc2=s=64x48:r=5:d=0.6 -c:v libx264", tmp_path / "bare.mp4")
    (tmp_path / "in.mp4").write_bytes(with_track_profile((tmp_path / "bare.mp4").read_bytes()))
    ffmpeg("-i", tmp_path / "in.mp4", "-vf scale=128:96 -c:v libx264", tmp_path / f"plain_{output}")
    is_kept_by_plain = profile() in (tmp_path / f"plain_{output}").read_bytes()
    assert is_kept_by_plain is (output == "out.mp4")
    assert ffadcvsr("-i", tmp_path / "in.mp4", "-vf", NEAREST, "-c:v libx264", tmp_path / output) == 0
    is_named = "the output will lack: the ICC profile" in capfd.readouterr().err
    assert is_named is (is_kept_by_plain and profile() not in (tmp_path / output).read_bytes())


def test_a_rotation_that_is_left_to_players_is_kept_or_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    ffmpeg("-f lavfi -i testsrc2=s=64x48:r=5:d=0.6 -c:v libx264", tmp_path / "bare.mp4")
    ffmpeg("-display_rotation 90 -i", tmp_path / "bare.mp4", "-c copy", tmp_path / "in.mp4")
    command: list[str | Path] = ["-i", tmp_path / "in.mp4", "-vf", NEAREST, "-c:v libx264", tmp_path / "out.mp4"]
    assert ffadcvsr("-noautorotate", *command) == 0
    is_named = "the output lacks the display matrix" in capfd.readouterr().err
    assert is_named is (find_binary().version < (58, 2))
    first = decoded(tmp_path / "out.mp4")[0]
    assert (first.width, first.height, first.rotation) == (128, 96, 0 if is_named else 90)
    assert ffadcvsr("-y", *command) == 0
    first = decoded(tmp_path / "out.mp4")[0]
    assert (first.width, first.height, first.rotation) == (96, 128, 0)


def test_without_side_data_there_is_no_warning(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    ffmpeg("-f lavfi -i testsrc2=s=64x48:r=5:d=0.6 -c:v libx264", tmp_path / "in.mkv")
    assert ffadcvsr("-i", tmp_path / "in.mkv", "-vf", NEAREST, "-c:v libx264", tmp_path / "out.mkv") == 0
    assert "side data" not in capfd.readouterr().err

"""The ffmpeg that is run: the one named, else the one on PATH, else the one in the wheel; none that cannot do it."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from ffmpeg_filter.media.binary import Binary, find_binary, inspect_binary, printed
from vsadcvsr.errors import MediaError, UsageError


def program(folder: Path, says: str) -> str:
    path = folder / "ffmpeg"
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_the_variable_names_the_ffmpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = program(tmp_path, "ffmpeg version 7 libavutil      59. 39.100 / 59. 39.100")
    monkeypatch.setenv("ADCVSR_FFMPEG", named)
    assert find_binary() == Binary(named, (59, 39))
    assert find_binary().release == "7"


def test_a_named_one_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADCVSR_FFMPEG", "/nowhere/ffmpeg")
    with pytest.raises(UsageError, match="ADCVSR_FFMPEG is '/nowhere/ffmpeg', which is no program"):
        find_binary()


def test_the_one_on_the_path_comes_before_the_wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ADCVSR_FFMPEG", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "imageio_ffmpeg" in find_binary().path
    assert find_binary().version > (57, 28)
    there = program(tmp_path, "libavutil 60. 8.100")
    assert find_binary().path == there


def test_a_name_on_the_path_a_relative_path_and_a_home_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = program(tmp_path, "libavutil 59. 39.100")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path.parent)
    for name in ("ffmpeg", f"{tmp_path.name}/ffmpeg", f"./{tmp_path.name}/ffmpeg", "~/ffmpeg"):
        monkeypatch.setenv("ADCVSR_FFMPEG", name)
        assert find_binary().path == named


def test_what_cannot_be_run_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "text").write_text("no program")
    for name in (str(tmp_path), str(tmp_path / "text"), "no-such-program-at-all"):
        monkeypatch.setenv("ADCVSR_FFMPEG", name)
        with pytest.raises(UsageError, match="ADCVSR_FFMPEG is"):
            find_binary()


@pytest.mark.parametrize(
    ("says", "message"), [("libavutil 56. 70.100", "is too old .*install FFmpeg 5.1"), ("hello", "is no ffmpeg")]
)
def test_an_old_or_foreign_ffmpeg_is_refused(says: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=message):
        inspect_binary(program(tmp_path, says))


def test_one_that_is_killed_as_it_tells_of_itself_is_an_error(tmp_path: Path) -> None:
    killed = program(tmp_path, "")
    Path(killed).write_text("#!/bin/sh\nkill -9 $$\n")
    with pytest.raises(MediaError, match=r"ffmpeg does not run \(.*SIGKILL.*\); set ADCVSR_FFMPEG"):
        printed(killed, "-protocols")

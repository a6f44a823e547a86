"""Log levels are understood as FFmpeg understands them, and nothing is said below them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ffmpeg_filter.command import loglevel
from tests.ffmpeg_filter.files import NEAREST, ffadcvsr
from vsadcvsr.errors import UsageError


@pytest.mark.parametrize(
    ("arguments", "level"),
    [
        ("", 32), ("-v error", 16), ("-loglevel warning", 24), ("-v 16", 16), ("-v -8", -8), ("-v level+error", 16),
        ("-v repeat+level+verbose", 40), ("-v +level-repeat", 32), ("-v error -v info", 32), ("-v error -v level", 16),
        ("-v level+24", 24), ("-v trace", 56),
    ],
)  # fmt: skip
def test_a_level_is_named_or_numbered_with_flags_before_it(arguments: str, level: int) -> None:
    assert loglevel.level_of(arguments.split()) == level


def test_what_is_no_level_is_refused_with_a_near_one() -> None:
    with pytest.raises(UsageError, match="did you mean 'warning'"):
        loglevel.level_of(["-v", "warnings"])


@pytest.mark.parametrize(
    "arguments", ["-v error", "-loglevel warning", "-v 16", "-v level+error", "-nostats", "-v quiet"]
)
def test_a_quiet_command_says_nothing(arguments: str, clip: Path, out: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert ffadcvsr(arguments, "-i", clip, f"-vf {NEAREST} -c:v ffv1", out) == 0
    assert capfd.readouterr().err == ""


def test_the_smallest_frames_are_no_warning(out: Path, capfd: pytest.CaptureFixture[str]) -> None:
    arguments = f"-v warning -f lavfi -i color=s=1x1:r=1:d=3,format=gray -vf {NEAREST} -c:v ffv1"
    assert ffadcvsr(arguments, out) == 0
    assert capfd.readouterr().err == ""


def test_failures_are_printed_down_to_level_fatal(clip: Path, out: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for level, count in (("quiet", 0), ("panic", 0), ("fatal", 1), ("error", 1)):
        assert ffadcvsr(f"-v {level} -i", clip, f"-vf {NEAREST} -c:v nothing", out) != 0
        assert len(capfd.readouterr().err.splitlines()) == count


def test_warnings_are_printed_down_to_their_level(clip: Path, capfd: pytest.CaptureFixture[str], out: Path) -> None:
    for level, is_said in (("error", False), ("warning", True)):
        arguments = f"-v {level} -f lavfi -i testsrc2=s=64x48:r=25:d=0.2 -vf setfield=tff,{NEAREST} -y"
        assert ffadcvsr(arguments, out) == 0
        assert ("interlaced" in capfd.readouterr().err) is is_said

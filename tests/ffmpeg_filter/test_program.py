"""Commands that go to FFmpeg before anything slow is imported."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys

import pytest

from ffmpeg_filter import cli, program
from ffmpeg_filter.program import is_plain
from tests.ffmpeg_filter.files import command as command_of
from tests.ffmpeg_filter.files import surroundings


@pytest.mark.parametrize("line", ["-version", "-h full", "-i farm.mkv -vf scale=64:-2 -c:a copy -y y4m.mkv"])
def test_a_command_without_adcvsr_is_plain(line: str) -> None:
    assert is_plain(shlex.split(line))


@pytest.mark.parametrize(
    "line",
    [
        "",
        "y4m model=nearest",
        "farm work job",
        "-h",
        "-h filter=adcvsr",
        "-i in.mkv -vf adcvsr out.mkv",
        "-i in.mkv -filter_complex '[0:v]adcvsr=scale=2[v]' -map '[v]' out.mkv",
        "-i in.mkv -adcvsr_dry_run out.mkv",
        "-farm local -i in.mkv out.mkv",
        "-i in.mkv -filter_complex_script graph.txt out.mkv",
        "-i in.mkv -filter_script:v graph.txt out.mkv",
        "-i in.mkv -/filter:v graph.txt out.mkv",
    ],
)
def test_commands_that_may_be_for_us(line: str) -> None:
    assert not is_plain(shlex.split(line))


def test_the_filters_help_comes_with_or_without_ffmpegs_banner(capsys: pytest.CaptureFixture[str]) -> None:
    for question in (["-h", "filter=adcvsr"], ["-hide_banner", "-h", "filter=adcvsr"]):
        assert cli.main(question) == 0
        assert capsys.readouterr().out.startswith("Filter adcvsr")


class _InterruptedImport:
    def __getattr__(self, name: str) -> None:
        raise KeyboardInterrupt


def test_ctrl_c_while_the_program_starts_shows_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ffmpeg_filter.cli", _InterruptedImport())
    monkeypatch.setattr(sys, "argv", ["ffadcvsr", "-i", "in.mkv", "-vf", "adcvsr", "out.mkv"])
    monkeypatch.setattr(program, "limit_memory", lambda: None)
    with pytest.raises(SystemExit) as exit_info:
        program.run()
    assert exit_info.value.code == 255


@pytest.mark.parametrize(("arguments", "words"), [("ffmpeg_filter -h", "usage: ffadcvsr"), ("vsadcvsr models", "fast")])
def test_the_packages_run_as_programs(arguments: str, words: str) -> None:
    command = [sys.executable, "-m", *arguments.split()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr
    assert words in done.stdout


@pytest.mark.parametrize(
    ("arguments", "unbuffered"),
    [
        ("-h filter=adcvsr", "1"),
        ("y4m -h", ""),
        ("farm -h", ""),
        ("-f lavfi -i testsrc=s=16x16 -vf adcvsr -adcvsr_dry_run o.mkv", ""),
    ],
)
def test_a_reader_of_what_is_printed_may_go_away(arguments: str, unbuffered: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        command_of(arguments), stdout=writer, stderr=subprocess.PIPE, timeout=110, check=False,
        env=surroundings(PYTHONUNBUFFERED=unbuffered),
    )  # fmt: skip
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")

"""Of what a failing program says, the error itself is told, and nothing twice."""

from __future__ import annotations

import sys

import pytest

from ffmpeg_filter.command.loglevel import with_level_prefix
from ffmpeg_filter.media.process import ChildProcess, killed
from ffmpeg_filter.media.stderr_log import StderrLog

UNKNOWN = (
    "[libx264 @ 0x55d0] [warning] a warning",
    "[vost#0:0 @ 0x55d0] [fatal] Unknown encoder 'nothing'",
    "[vost#0:0 @ 0x55d0] [error] Error selecting an encoder",
    "[error] Error opening output file out.mkv.",
)


@pytest.fixture
def messages() -> list[str]:
    return []


@pytest.fixture
def speech(messages: list[str]) -> StderrLog:
    return StderrLog(messages.append)


def test_the_first_error_is_the_reason_and_nothing_else_is_printed(speech: StderrLog, messages: list[str]) -> None:
    for line in UNKNOWN:
        speech.add(line)
    assert speech.reason() == "[vost#0:0] Unknown encoder 'nothing'"
    assert messages == []


def test_messages_of_a_process_that_goes_on_are_printed_once_in_order(speech: StderrLog, messages: list[str]) -> None:
    for line in UNKNOWN[:2]:
        speech.add(line)
    speech.flush(100)
    assert messages == []
    for _ in range(2):
        speech.flush(0)
    assert messages == ["[libx264] a warning", "[vost#0:0] Unknown encoder 'nothing'"]
    assert speech.reason() == "it said nothing"


def test_without_an_error_the_last_warning_is_the_reason(speech: StderrLog) -> None:
    for arguments in ("one", "two"):
        speech.add(f"[warning] {arguments}")
    assert speech.reason() == "two"


def test_the_input_that_cannot_be_opened_is_named(speech: StderrLog) -> None:
    speech.add("[in#0 @ 0x1] [error] Error opening input: No such file or directory")
    speech.add("[error] Error opening input file no.mkv.")
    assert speech.reason() == "no.mkv: [in#0] Error opening input: No such file or directory"


@pytest.mark.parametrize(
    ("chain", "rest", "name"),
    [
        ("settb=1/10,scael=2:2", "", "scael"),
        ("settb=1/10,scael=2:2,null", ",null", "scael"),
        ("[a]null,hflip@mine=2\\:2:'a,b'[b]", "[b]", "hflip"),
    ],
)
def test_the_filter_whose_options_cannot_be_read_is_named(chain: str, rest: str, name: str, speech: StderrLog) -> None:
    speech.add("[AVFilterGraph @ 0x1] [error] No option name near '2:2'")
    speech.add(f"[AVFilterGraph @ 0x1] [error] Error parsing a filter description around: {rest}".rstrip())
    speech.add(f"[AVFilterGraph @ 0x1] [error] Error parsing filterchain '{chain}' around: {rest}".rstrip())
    assert speech.reason() == f"[AVFilterGraph] No option name near '2:2' (filter {name!r}, if there is one)"


def test_at_info_level_all_lines_are_printed_at_once(speech: StderrLog, messages: list[str]) -> None:
    for line in ("[verbose] a detail", *UNKNOWN[:2], "out_time=1"):
        speech.add(line)
    assert messages == ["a detail", "[libx264] a warning", "[vost#0:0] Unknown encoder 'nothing'", "out_time=1"]
    assert speech.reason() == "[vost#0:0] Unknown encoder 'nothing'"


@pytest.mark.parametrize("word", ["-v", "-loglevel"])
def test_lines_tell_their_level_whatever_it_is(word: str) -> None:
    assert with_level_prefix([word, "error", "-i", "error"]) == [word, "level+16", "-i", "error"]
    assert with_level_prefix([word, "repeat+level+info"]) == [word, "repeat+level+32"]
    assert with_level_prefix([word, "quiet"]) == [word, "level+16"]


def test_the_half_line_of_an_ended_process_is_not_printed(messages: list[str]) -> None:
    message = "[hevc @ 0x1f] [error] no frame!\n[showinfo@adcvsr @ 0x55ab] [info] "
    argv = [sys.executable, "-c", f"import sys; sys.stderr.write({message!r})"]
    child = ChildProcess("decoder", argv, on_line=lambda _line: False, on_message=messages.append)
    child.wait()
    child.log.flush(0)
    assert messages == ["[hevc] no frame!"]


@pytest.mark.parametrize(("status", "is_crash"), [(-9, False), (-15, False), (-11, True), (-6, True)])
def test_a_program_that_crashed_may_be_another_one(status: int, *, is_crash: bool) -> None:
    message = killed("decoder", status)
    assert message.startswith(f"the decoder was killed by signal {-status}")
    assert ("ADCVSR_FFMPEG" in message) is is_crash

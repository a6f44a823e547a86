"""Of what a failing program says, the error itself is told, and nothing twice."""

from __future__ import annotations

import sys

import pytest

from ffmpeg_filter.command.loglevel import levelled
from ffmpeg_filter.media.process import Child, killed
from ffmpeg_filter.media.stderr_log import Speech

UNKNOWN = (
    "[libx264 @ 0x55d0] [warning] a warning",
    "[vost#0:0 @ 0x55d0] [fatal] Unknown encoder 'nothing'",
    "[vost#0:0 @ 0x55d0] [error] Error selecting an encoder",
    "[error] Error opening output file out.mkv.",
)


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def speech(said: list[str]) -> Speech:
    return Speech(said.append)


def test_the_first_error_is_the_reason_and_nothing_else_is_said(speech: Speech, said: list[str]) -> None:
    for line in UNKNOWN:
        speech.take(line)
    assert speech.reason() == "[vost#0:0] Unknown encoder 'nothing'"
    assert said == []


def test_complaints_that_are_no_end_are_said_once_in_order(speech: Speech, said: list[str]) -> None:
    for line in UNKNOWN[:2]:
        speech.take(line)
    speech.let_out(100)
    assert said == []
    for _ in range(2):
        speech.let_out(0)
    assert said == ["[libx264] a warning", "[vost#0:0] Unknown encoder 'nothing'"]
    assert speech.reason() == "it said nothing"


def test_without_an_error_the_last_warning_is_the_reason(speech: Speech) -> None:
    for words in ("one", "two"):
        speech.take(f"[warning] {words}")
    assert speech.reason() == "two"


def test_the_input_that_cannot_be_opened_is_named(speech: Speech) -> None:
    speech.take("[in#0 @ 0x1] [error] Error opening input: No such file or directory")
    speech.take("[error] Error opening input file no.mkv.")
    assert speech.reason() == "no.mkv: [in#0] Error opening input: No such file or directory"


@pytest.mark.parametrize(
    ("chain", "rest", "name"),
    [
        ("settb=1/10,scael=2:2", "", "scael"),
        ("settb=1/10,scael=2:2,null", ",null", "scael"),
        ("[a]null,hflip@mine=2\\:2:'a,b'[b]", "[b]", "hflip"),
    ],
)
def test_the_filter_whose_options_cannot_be_read_is_named(chain: str, rest: str, name: str, speech: Speech) -> None:
    speech.take("[AVFilterGraph @ 0x1] [error] No option name near '2:2'")
    speech.take(f"[AVFilterGraph @ 0x1] [error] Error parsing a filter description around: {rest}".rstrip())
    speech.take(f"[AVFilterGraph @ 0x1] [error] Error parsing filterchain '{chain}' around: {rest}".rstrip())
    assert speech.reason() == f"[AVFilterGraph] No option name near '2:2' (filter {name!r}, if there is one)"


def test_who_asked_to_read_all_reads_all_at_once(speech: Speech, said: list[str]) -> None:
    for line in ("[verbose] a detail", *UNKNOWN[:2], "out_time=1"):
        speech.take(line)
    assert said == ["a detail", "[libx264] a warning", "[vost#0:0] Unknown encoder 'nothing'", "out_time=1"]
    assert speech.reason() == "[vost#0:0] Unknown encoder 'nothing'"


@pytest.mark.parametrize("word", ["-v", "-loglevel"])
def test_lines_tell_their_level_whatever_it_is(word: str) -> None:
    assert levelled([word, "error", "-i", "error"]) == [word, "level+16", "-i", "error"]
    assert levelled([word, "repeat+level+info"]) == [word, "repeat+level+32"]
    assert levelled([word, "quiet"]) == [word, "level+16"]


def test_the_half_line_of_a_process_that_was_ended_is_not_said(said: list[str]) -> None:
    words = "[hevc @ 0x1f] [error] no frame!\n[showinfo@adcvsr @ 0x55ab] [info] "
    argv = [sys.executable, "-c", f"import sys; sys.stderr.write({words!r})"]
    child = Child("decoder", argv, heard=lambda _line: False, say=said.append)
    child.wait()
    child.speech.let_out(0)
    assert said == ["[hevc] no frame!"]


@pytest.mark.parametrize(("status", "is_crash"), [(-9, False), (-15, False), (-11, True), (-6, True)])
def test_a_program_that_crashed_may_be_another_one(status: int, *, is_crash: bool) -> None:
    words = killed("decoder", status)
    assert words.startswith(f"the decoder was killed by signal {-status}")
    assert ("ADCVSR_FFMPEG" in words) is is_crash

"""Times in a command: read, shifted off the pipe and back, and what an output skips."""

from __future__ import annotations

import shlex
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffmpeg_filter.command import time_syntax
from ffmpeg_filter.command.argv import File, Option
from ffmpeg_filter.media.probe import InputInfo, InputStream
from ffmpeg_filter.transcode.encode_command import StartInfo
from ffmpeg_filter.transcode.frame_writer import TIME_ORIGIN
from tests.ffmpeg_filter.planning import FILM, PICTURE, START, decoder, encoder, planned
from vsadcvsr.errors import UsageError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("1:30.5", Fraction(181, 2)), ("01:00:00", 3600), ("-0.25", Fraction(-1, 4)),
     ("200ms", Fraction(1, 5)), ("3us", Fraction(3, 1_000_000)), (".5", Fraction(1, 2)), ("soon", None), ("", None),
     (None, None)],
)  # fmt: skip
def test_times_are_read_as_ffmpeg_reads_them(text: str | None, seconds: Fraction | None) -> None:
    assert time_syntax.parse_seconds(text) == seconds


@given(st.integers(-(10**12), 10**12))
def test_a_time_comes_back_from_its_words(microseconds: int) -> None:
    time = Fraction(microseconds, 1_000_000)
    assert time_syntax.parse_seconds(time_syntax.format_seconds(time)) == time


def test_an_offset_is_added_to_the_users() -> None:
    file = File((Option("-itsoffset", "0.5"), Option("-re")), "in.ts", is_input=True)
    assert time_syntax.delayed(file, Fraction(1, 4)).args() == ["-itsoffset", "0.750000", "-re", "-i", "in.ts"]
    assert time_syntax.delayed(file, Fraction(-1, 2)).args() == ["-re", "-i", "in.ts"]
    assert time_syntax.delayed(file, Fraction(0)) is file


def test_times_are_what_the_first_command_says_whatever_they_begin_with() -> None:
    arguments = "-itsoffset -0.25 -i in.mkv -i b.mkv -vf adcvsr -map 0:v -map 1:a out.mkv"
    split = planned(arguments, FILM, FILM)
    assert "-itsoffset -0.25 -i in.mkv" in shlex.join(split.decoder_args)
    assert "-nostats -seek_timestamp 1 -c:v rawvideo" in shlex.join(split.encoder_args(START))
    assert split.stream_info(Fraction(1, 90000), None, Fraction(1)).origin == TIME_ORIGIN
    moved = shlex.join(split.encoder_args(StartInfo(origin=TIME_ORIGIN)))
    assert f"-itsoffset -{TIME_ORIGIN}.000000 -seek_timestamp 1" in moved


def test_an_input_that_is_alone_is_not_moved_unless_it_begins_before_zero() -> None:
    split = planned("-i in.mkv -vf adcvsr out.mkv", PICTURE)
    assert [split.stream_info(Fraction(1), None, Fraction(begin)).origin for begin in (0, 5, -1)] == [0, 0, TIME_ORIGIN]


def test_a_beginning_at_zero_is_not_taken_off_twice() -> None:
    split = planned("-copyts -start_at_zero -i in.mkv -vf adcvsr out.mkv", FILM)
    arguments = split.encoder_args(StartInfo(origin=TIME_ORIGIN, start_time=Fraction(3, 2)))
    assert arguments[arguments.index("-itsoffset") + 1] == "1.500000"


@pytest.mark.parametrize(("value", "version"), [("-1", (57, 28)), ("demux", (58, 29))])
def test_the_time_base_of_the_source_is_named(value: str, version: tuple[int, int]) -> None:
    film = InputInfo((InputStream(index=0, kind="video", time_base=Fraction(1, 12800)),))
    for specifier in ("", ":v", ":v:0", ":0"):
        row = f"-i in.mkv -vf adcvsr -enc_time_base{specifier} {value} out.mkv"
        words = planned(row, film, version=version).encoder_args(START)
        assert words[words.index(f"-enc_time_base{specifier}") + 1] == value
        assert words[words.index("-enc_time_base:v:0", -3) + 1] == "1/12800"
    row = f"-i in.mkv -vf adcvsr -enc_time_base:a {value} out.mkv"
    assert "-enc_time_base:v:0" not in planned(row, film, version=version).encoder_args(START)


def test_a_time_base_that_an_old_ffmpeg_has_no_name_for_is_refused() -> None:
    with pytest.raises(UsageError, match="-enc_time_base demux needs FFmpeg 6"):
        planned("-i in.mkv -vf adcvsr -enc_time_base demux out.mkv", FILM, version=(58, 2))


@pytest.mark.parametrize(
    ("options", "filters"),
    [("-ss 1:00 -t 5 out.mkv", "null,trim=start=60000000us,"), ("-ss 0 out.mkv", "null,"), ("-t 5 out.mkv", "null,"),
     ("-ss 60 a.mkv b.mkv", "null,")],
)  # fmt: skip
def test_what_the_output_skips_is_not_made(options: str, filters: str) -> None:
    assert f"-filter:v {filters}showinfo" in decoder(f"-i in.mkv -vf adcvsr -an -sn {options}")


def test_the_output_still_says_what_it_skips() -> None:
    assert encoder("-i in.mkv -vf adcvsr -an -sn -ss 60 out.mkv").endswith(" -an -sn -ss 60 out.adcvsr-part.mkv")


@pytest.mark.parametrize("graph", ["adcvsr,fps=10", "adcvsr,tmix", "adcvsr=enable='gt(n,5)'"])
def test_what_comes_later_may_look_back(graph: str) -> None:
    assert "trim" not in decoder(["-i", "in.mkv", "-vf", graph, "-ss", "60", "out.mkv"])


def test_channels_of_an_input_are_renumbered() -> None:
    assert "-map_channel 1.1.0 " in encoder("-i in.mkv -vf adcvsr -map 0:v -map_channel 0.1.0 out.mkv")


def test_attachments_are_written_once() -> None:
    arguments = "-dump_attachment:t font.ttf -i in.mkv -vf adcvsr -an -sn out.mkv"
    assert "-dump_attachment" not in decoder(arguments)
    assert encoder(arguments).startswith("-dump_attachment:t font.ttf -i in.mkv ")

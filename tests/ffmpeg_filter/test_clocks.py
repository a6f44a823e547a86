"""Times in a command: read, shifted off the pipe and back, and what an output skips."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffmpeg_filter import clocks
from ffmpeg_filter.argv import File, Option
from ffmpeg_filter.plan import Start
from tests.ffmpeg_filter.planning import FILM, START, decoder, encoder, planned


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("1:30.5", Fraction(181, 2)), ("01:00:00", 3600), ("-0.25", Fraction(-1, 4)),
     ("200ms", Fraction(1, 5)), ("3us", Fraction(3, 1_000_000)), (".5", Fraction(1, 2)), ("soon", None), ("", None),
     (None, None)],
)  # fmt: skip
def test_times_are_read_as_ffmpeg_reads_them(text: str | None, seconds: Fraction | None) -> None:
    assert clocks.seconds(text) == seconds


@given(st.integers(-(10**12), 10**12))
def test_a_time_comes_back_from_its_words(microseconds: int) -> None:
    time = Fraction(microseconds, 1_000_000)
    assert clocks.seconds(clocks.text(time)) == time


def test_an_offset_is_added_to_the_users() -> None:
    file = File((Option("-itsoffset", "0.5"), Option("-re")), "in.ts", is_input=True)
    assert clocks.later(file, Fraction(1, 4)).words() == ["-itsoffset", "0.750000", "-re", "-i", "in.ts"]
    assert clocks.later(file, Fraction(-1, 2)).words() == ["-re", "-i", "in.ts"]
    assert clocks.later(file, Fraction(0)) is file


def test_times_before_zero_are_kept_off_the_pipe() -> None:
    words = "-itsoffset -0.25 -i in.mkv -i b.mkv -vf adcvsr -map 0:v -map 1:a out.mkv"
    made = planned(words, FILM, FILM)
    assert "-itsoffset" not in made.decoder
    assert made.encoder(Start((), (), Fraction(0), START.tick))[5:9] == ["-itsoffset", "-0.250000", "-f", "nut"]
    assert made.encoder(START)[6] == "-0.227000"


def test_in_a_graph_all_inputs_are_kept_off_it_alike() -> None:
    words = "-itsoffset -1 -i a -itsoffset 2 -i b -filter_complex [0:v][1:v]overlay,adcvsr[u] -map [u] out.mkv"
    made = planned(words, FILM, FILM)
    assert made.decoder[5:10] == ["-i", "a", "-itsoffset", "3.000000", "-i"]
    assert made.encoder(START)[6] == "-0.977000"


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


def test_the_clock_of_a_graphs_pictures_is_not_that_of_the_sound() -> None:
    made = planned("-i in.mkv -filter_complex [0:v]adcvsr[u] -map [u] -map 0:a out.mkv", FILM).encoder(START)
    assert [word for word in made if word.startswith(("-fps_mode", "-enc_time"))] == ["-fps_mode:v", "-enc_time_base:v"]


def test_channels_of_an_input_are_renumbered() -> None:
    assert "-map_channel 1.1.0 " in encoder("-i in.mkv -vf adcvsr -map 0:v -map_channel 0.1.0 out.mkv")


def test_attachments_are_written_once() -> None:
    words = "-dump_attachment:t font.ttf -i in.mkv -vf adcvsr -an -sn out.mkv"
    assert "-dump_attachment" not in decoder(words)
    assert encoder(words).startswith("-dump_attachment:t font.ttf -i in.mkv ")

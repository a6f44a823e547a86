"""What both commands must read of an input so that they agree on where it begins."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ffmpeg_filter.media.probe import InputInfo
from tests.ffmpeg_filter.planning import FILM, START, planned

TRANSPORT = replace(FILM, has_discontinuities=True)


def null_outputs(arguments: str, *inputs: InputInfo) -> tuple[str, str]:
    """The null outputs of the decode command, and of the encode command."""
    split = planned(arguments, *inputs)
    return _null_output(split.decoder_args), _null_output(split.encoder_args(START))


def _null_output(arguments: list[str]) -> str:
    text = " ".join(arguments)
    return text.rpartition(" pipe:1 " if "pipe:1" in arguments else ".mkv ")[2] if text.endswith(" -f null -") else ""


def test_clocks_that_begin_with_what_is_read_begin_with_the_same() -> None:
    assert null_outputs("-i in.ts -vf adcvsr -map 0:v -map 0:a out.mkv", TRANSPORT) == (
        "-map 0:a -c copy -f null -",
        "-map 1:0 -c copy -f null -",
    )


@pytest.mark.parametrize("seek", ["-ss 60", "-sseof -60"])
def test_an_input_is_sought_by_its_pictures_in_both(seek: str) -> None:
    first, second = null_outputs(f"{seek} -i in.mkv -vf adcvsr -map 0:v -map 0:a -t 5 out.mkv", FILM)
    assert first == ""
    assert second == "-map 1:0 -t 5 -c copy -f null -"


def test_streams_that_a_negative_map_takes_out_are_not_read() -> None:
    maps = "-map 0 -map -0:a -map -0:s"
    assert null_outputs(f"-stream_loop 2 -i in.mkv -vf adcvsr {maps} out.mkv", FILM) == ("", "")
    first, _ = null_outputs("-stream_loop 2 -i in.mkv -vf adcvsr -map 0 -map -0:a out.mkv", FILM)
    assert first.startswith("-map 0:2 -c")


def test_sound_that_goes_through_a_graph_counts() -> None:
    arguments = "-i in.ts -filter_complex [0:v]adcvsr[u];[0:a]volume=2[a] -map [u] -map [a] out.mkv"
    assert null_outputs(arguments, TRANSPORT) == ("-map 0:a -c copy -f null -", "-map 1:v -c copy -f null -")


@pytest.mark.parametrize(
    ("arguments", "first", "second"),
    [
        ("-stream_loop 1 -i in.mkv -vf adcvsr -sn -c:a copy out.mkv", "-map 0:1 -c copy", "-map 1:0 -c copy"),
        ("-stream_loop 1 -i in.mkv -vf adcvsr -sn out.mkv", "-map 0:1 -c:v copy -c:s copy", "-map 1:0 -c copy"),
        ("-stream_loop -1 -i in.mkv -vf adcvsr -sn -c copy -c:v ffv1 -t 9 out.mkv", "-map 0:1 -t 9 -c copy",
         "-map 1:0 -t 9 -c copy"),
        ("-stream_loop -1 -t 9 -i in.mkv -vf adcvsr -map 0:v -map 0:a -c:a copy out.mkv", "-map 0:a -c copy",
         "-map 1:0 -c copy"),
        ("-stream_loop -1 -i in.mkv -vf adcvsr -map 0:v -map 0:a -c:a copy -shortest out.mkv", "-map 0:a -c copy",
         "-shortest -map 0:v:0 -map 1:a -map 1:0 -c copy"),
    ],
)  # fmt: skip
def test_a_loop_is_as_long_as_all_streams_that_are_read(arguments: str, first: str, second: str) -> None:
    assert null_outputs(arguments, FILM) == (f"{first} -f null -", f"{second} -f null -")


@pytest.mark.parametrize(
    ("arguments", "inputs"),
    [
        ("-i in.mkv -vf adcvsr out.mkv", [FILM]),
        ("-i in.ts -vf adcvsr -map 0:v out.mkv", [TRANSPORT]),
        ("-ss 5 -i in.mkv -vf adcvsr -an -sn out.mkv", [FILM]),
        ("-stream_loop -1 -i in.ts -vf adcvsr out.mkv", [TRANSPORT]),
        ("-stream_loop -1 -i in.mkv -vf trim=end=3,adcvsr -shortest out.mkv", [FILM]),
        ("-stream_loop -1 -i in.mkv -vf adcvsr -af atrim=end=3 -shortest out.mkv", [FILM]),
        ("-stream_loop 1 -i in.mkv -vf adcvsr -an -sn out.mkv", [FILM]),
        ("-stream_loop 0 -i in.mkv -vf adcvsr out.mkv", [FILM]),
        ("-i in.mkv -stream_loop -1 -i a.mkv -filter_complex [0:v]adcvsr[u] -map [u] -map 1:a -shortest out.mkv",
         [FILM, FILM]),
        ("-i in.mkv -i b.ts -vf adcvsr -map 0:v -map 1:a out.mkv", [FILM, TRANSPORT]),
    ],
)  # fmt: skip
def test_a_null_output_is_left_out_where_nothing_needs_it(arguments: str, inputs: list[InputInfo]) -> None:
    assert null_outputs(arguments, *inputs) == ("", "")

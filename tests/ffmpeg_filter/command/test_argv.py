"""Command lines: what belongs to which file, and the same words back."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffmpeg_filter.command.argv import FLAGS, Option, parse

_WORDS = st.one_of(
    st.sampled_from(
        ["-i", "-", "--", "-y", "-an", "-vf", "-c:v", "-map", "-ss", "-crf", "out.mkv", "-adcvsr_dry_run", ""]
    ),
    st.text(max_size=5),
    st.text(max_size=5).map("-".__add__),
)


@given(st.lists(_WORDS, max_size=12))
def test_any_words_come_back_as_they_were(expected: list[str]) -> None:
    assert parse(expected).args() == expected


def test_options_belong_to_the_next_file() -> None:
    command = parse(shlex.split("-ss 3 -i a.mkv -r 25 -i b.mkv -c:a copy out.mkv -an more.mp4"))
    assert [(file.url, [option.token for option in file.options]) for file in command.inputs] == [
        ("a.mkv", ["-ss"]),
        ("b.mkv", ["-r"]),
    ]
    assert [(file.url, [option.token for option in file.options]) for file in command.outputs] == [
        ("out.mkv", ["-c:a"]),
        ("more.mp4", ["-an"]),
    ]


def test_a_loopback_decoder_is_no_output_and_has_its_own_options() -> None:
    args = shlex.split("-i a.mkv -c:v ffv1 out.mkv -threads 1 -dec 0:0 -lavfi [dec:0]hflip[h] -map [h] more.mkv")
    command = parse(args)
    assert [file.url for file in command.outputs] == ["out.mkv", "more.mkv"]
    assert [option.token for option in command.outputs[1].options] == ["-lavfi", "-map"]
    assert command.args() == args


def test_an_unknown_option_takes_a_value() -> None:
    command = parse(["-i", "a", "-brand-new", "-3", "out"])
    assert command.outputs[0].options == (Option("-brand-new", "-3"),)


@pytest.mark.parametrize("flag", ["-y", "-an", "-nostats", "-shortest", "-copyts", "-noautorotate", "-hide_banner"])
def test_a_flag_takes_no_value(flag: str) -> None:
    assert parse([flag, "out"]).outputs[0].options == (Option(flag),)


@pytest.mark.parametrize("word", ["-vsync", "-fps_mode", "-filter_threads", "-progress", "-loglevel", "-map", "-t"])
def test_what_takes_a_value_is_no_flag(word: str) -> None:
    """FFmpeg's own help shows the first three without one."""
    assert word.removeprefix("-") not in FLAGS


def test_a_single_dash_is_a_file() -> None:
    command = parse(["-i", "-", "-f", "matroska", "-"])
    assert [file.url for file in command.files] == ["-", "-"]


def test_after_two_dashes_comes_a_file_whatever_its_name() -> None:
    command = parse(["-i", "a", "-an", "--", "-odd.mkv"])
    assert command.outputs[0].url == "-odd.mkv"


@pytest.mark.parametrize(
    ("word", "key"),
    [("-vf", "filter:v"), ("-filter:v:0", "filter:v:0"), ("-vcodec", "c:v"), ("-codec:v:1", "c:v:1"), ("-codec", "c"),
     ("-lavfi", "filter_complex"), ("-v", "loglevel"), ("-crf", "crf"), ("-vbsf", "bsf:v"), ("-dframes", "frames:d")],
)  # fmt: skip
def test_aliases_of_an_option_have_one_key(word: str, key: str) -> None:
    assert Option(word, "x").key == key


def test_the_last_of_several_values_counts() -> None:
    output = parse(shlex.split("-vcodec mpeg4 -c:v libx264 out.mkv")).outputs[0]
    assert output.last("c:v") == "libx264"
    assert output.last("c:a") is None


def test_global_options_are_found_wherever_they_stand() -> None:
    command = parse(shlex.split("-loglevel error -i a -y out -v info -progress -"))
    assert [option.token for option in command.globals()] == ["-loglevel", "-y", "-v", "-progress"]
    assert command.value("loglevel") == "info"
    assert command.has("y")
    assert not command.has("n")


def test_a_command_that_breaks_off_is_kept() -> None:
    assert parse(["-i"]).trailing == (Option("-i"),)
    assert parse(["-c:v"]).trailing == (Option("-c:v"),)


@pytest.mark.parametrize("flag", ["force_fps", "copyinkf", "qphist", "autorotate"])
def test_flags_of_any_release_take_no_value(flag: str) -> None:
    assert parse([f"-{flag}", "out.mkv"]).outputs[0].options == (Option(f"-{flag}"),)


def test_flags_that_once_had_a_value_may_still_have_one() -> None:
    [file] = parse(["-autorotate", "0", "-i", "in.mkv"]).inputs
    assert file.options == (Option("-autorotate", "0"),)
    assert "drop_changed" not in FLAGS

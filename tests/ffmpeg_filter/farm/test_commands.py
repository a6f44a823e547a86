"""The two commands of a run, as a farm changes them."""

from __future__ import annotations

import shlex
from fractions import Fraction

import pytest

from ffmpeg_filter.farm import commands
from tests.ffmpeg_filter.planning import FILM, START, planned

COMMAND = "-i a.mkv -vf adcvsr,hflip -c:v libx264 -crf 18 -c:a copy -movflags +faststart out.mp4"


def decoder(arguments: str) -> list[str]:
    return planned(arguments, FILM).decoder_args


def encoder(arguments: str = COMMAND) -> list[str]:
    return planned(arguments, FILM).encoder_args(START)


def test_a_decoder_that_is_sent_elsewhere_keeps_the_sources_times() -> None:
    command_line = shlex.join(
        commands.seeking_command(decoder("-ss 3 -t 9 -itsoffset 1 -hwaccel auto -i a -vf adcvsr o.mkv"), Fraction(5, 2))
    )
    assert command_line.startswith("-copyts ")
    assert " -hwaccel auto -noaccurate_seek -seek_timestamp 1 -ss 2.500000 -i a -map 0:0 " in command_line
    assert "-itsoffset" not in command_line
    assert " -t " not in command_line


@pytest.mark.parametrize(("options", "level"), [("", "warning"), ("-v error", "error"), ("-loglevel info", "info")])
def test_a_chunk_is_encoded_with_the_log_level_of_its_command(options: str, level: str) -> None:
    command_line = commands.chunk_command(encoder(f"{options} {COMMAND}"), "libx264", "chunk.mkv", Fraction(1, 25))
    assert (command_line.count("-loglevel"), command_line[command_line.index("-loglevel") + 1]) == (1, level)


def test_times_that_are_kept_anyway_are_not_kept_twice() -> None:
    assert commands.seeking_command(decoder("-copyts -i a -vf adcvsr o.mkv"), Fraction(1)).count("-copyts") == 1


def test_the_first_frame_alone_is_decoded_to_compare_times() -> None:
    command_line = shlex.join(commands.first_frame_command(decoder("-ss 3 -i a -vf adcvsr o.mkv")))
    assert " -ss 3 -i a " in command_line
    assert command_line.endswith("-frames:v 1 pipe:1")


def test_a_chunk_has_video_and_no_other_streams() -> None:
    command_line = shlex.join(commands.chunk_command(encoder(), "libx264", "7.mkv", Fraction(1, 1000)))
    assert command_line.endswith("-crf 18 -threads 4 -c:v libx264 -fflags +bitexact -f matroska -y 7.mkv")
    assert "hflip" in command_line
    assert command_line.count("-i ") == 1
    assert all(word not in command_line for word in ("a.mkv", "-c:a", "movflags", "itsoffset", "out.mp4"))


def test_an_encoder_is_pinned_unless_the_user_has_done_so() -> None:
    pinned = encoder(COMMAND.replace("-crf", "-threads 1 -crf"))
    command_line = commands.chunk_command(pinned, "libx264", "7.mkv", Fraction(1, 1000))
    assert command_line.count("-threads") == 1
    assert command_line[command_line.index("-threads") + 1] == "1"


def test_lists_of_parameters_are_joined_and_the_users_win() -> None:
    listed = COMMAND.replace("libx264", "libx265 -x265-params frame-threads=1")
    command_line = commands.chunk_command(encoder(listed), "libx265", "7.mkv", Fraction(1, 1000))
    assert command_line[command_line.index("-x265-params") + 1] == "frame-threads=2:frame-threads=1"


def test_the_merge_copies_pictures_and_does_all_else_as_it_was_written() -> None:
    command_line = shlex.join(commands.muxing_command(encoder(), "film.mp4", Fraction(1, 4), Fraction(16, 9)))
    assert " -itsoffset 0.250000 -i film.mp4 -i a.mkv " in command_line
    assert "-c:a copy -movflags +faststart -aspect:v:0 16:9 -c:v:0 copy out.adcvsr-part.mp4" in command_line
    assert all(word not in command_line for word in ("-crf", "libx264", "hflip", "pipe:0", "-fps_mode"))


@pytest.mark.parametrize(
    ("options", "has_final_times", "is_shifted"),
    [("", True, True), ("-copyts", True, False), ("-copyts", False, True), ("-copyts -start_at_zero", True, True)],
)
def test_the_merge_moves_video_that_does_not_have_its_final_times(
    options: str, has_final_times: bool, is_shifted: bool
) -> None:
    arguments = encoder(f"{options} {COMMAND}")
    command_line = commands.muxing_command(arguments, "film.mkv", Fraction(1, 4), None, has_final_times=has_final_times)
    assert ("-itsoffset" in command_line) == is_shifted


def test_a_second_pass_has_a_first_before_it() -> None:
    arguments = encoder(COMMAND.replace("-crf 18", "-b:v 1M -pass 2"))
    first, second = (shlex.join(item) for item in commands.encoder_passes(arguments, "notes"))
    assert "-pass 1" in first
    assert "-pass 2" in second
    assert first.replace("-pass 1", "-pass 2") == second
    assert "-passlogfile notes" in first


def test_notes_of_passes_are_kept_where_the_user_wants_them() -> None:
    arguments = encoder(COMMAND.replace("-crf 18", "-b:v 1M -pass 2 -passlogfile mine"))
    assert all("notes" not in item for item in commands.encoder_passes(arguments, "notes"))


def test_a_command_of_one_pass_is_left_alone() -> None:
    assert commands.encoder_passes(encoder(), "notes") == [encoder()]

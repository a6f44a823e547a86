"""What becomes of maps, metadata, timing, pipes and names of outputs, and what is refused."""

from __future__ import annotations

import shlex
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffmpeg_filter.command.argv import parse
from ffmpeg_filter.media.probe import InputInfo, InputStream
from ffmpeg_filter.transcode.encode_command import StartInfo
from ffmpeg_filter.transcode.split import split_command
from tests.ffmpeg_filter.planning import FILM, SHOWN, START, UNKNOWN, decoder, encoder, planned
from vsadcvsr.errors import UsageError


@pytest.mark.parametrize(
    ("maps", "expected"),
    [
        ("-map 0 -map -0:s", "-map 0:v:0 -map 1:1 -map 1:2 -map -1:s"),
        ("-map 0:v -map 0:a", "-map 0:v:0 -map 1:a"),
        ("-map 0:v -map 0:s?", "-map 0:v:0 -map '1:s?'"),
        ("", "-map 0:v:0 -map 1:1 -map 1:2"),
    ],
)
def test_maps_name_the_pipe_and_the_input_behind_it(maps: str, expected: str) -> None:
    assert encoder(f"-i in.mkv -vf adcvsr {maps} out.mkv").endswith(f" -map_metadata 1 {expected} out.adcvsr-part.mkv")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("-map_metadata -1 -map_chapters -1", "-map 0:v:0 -map_metadata -1 -map_chapters -1"),
        ("-map_metadata 0", "# -map 0:v:0 -map_metadata 1"),
        ("-map_metadata 0:s:0", "-map 0:v:0 -map_metadata 1:s:0"),
        ("-map_metadata:g -1", "# -map 0:v:0 -map_metadata:g -1"),
        ("-map_metadata:c -1", "# -map 0:v:0 -map_metadata:c -1"),
        ("-map_metadata:s:v 0", "-map 0:v:0 -map_metadata:s:v 1"),
        ("-map_metadata:s:v 0:s:v", "-map_metadata 1 -map 0:v:0 -map_metadata:s:v 1:s:v"),
    ],
)  # fmt: skip
def test_metadata_is_that_of_the_source_unless_the_user_says_else(options: str, expected: str) -> None:
    arguments = f"-i in.mkv -vf adcvsr -map 0:v {options} out.mkv"
    assert encoder(arguments) == f"-i in.mkv -filter:v:0 null {expected} out.adcvsr-part.mkv"


def test_a_pipe_comes_in_and_a_pipe_goes_out() -> None:
    arguments = "-f matroska -i - -vf adcvsr -an -f matroska -"
    assert "-nostdin" not in planned(arguments, UNKNOWN).decoder_args
    assert planned(arguments, UNKNOWN).reads_stdin
    assert decoder(arguments, UNKNOWN) == f"-f matroska -i - -map 0:v:0 -filter:v null,{SHOWN}"
    assert encoder(arguments, UNKNOWN) == "-filter:v:0 null -map 0:v:0 -an -f matroska -"


@pytest.mark.parametrize(
    "arguments",
    ["-i - -vf adcvsr out.mkv", "-i - -vf adcvsr -map 0 out.mkv", "-i - -vf adcvsr -map 0:v -map 0:a out.mkv",
     "-i - -filter_complex [0:v]adcvsr out.mkv", "-i pipe:0 -vf adcvsr -an a.mkv -vn b.mkv"],
)  # fmt: skip
def test_audio_of_a_pipe_is_refused_in_one_line(arguments: str) -> None:
    with pytest.raises(UsageError, match=r"cannot be read twice; leave its other streams out \(-an"):
        planned(arguments, UNKNOWN)


def test_a_global_option_next_to_a_pipe_is_kept() -> None:
    assert encoder("-y -progress p.txt -i - -vf adcvsr -an out.mkv", UNKNOWN).startswith("-y -progress p.txt ")


def test_of_several_outputs_the_second_is_ours() -> None:
    arguments = "-i in.mkv -c copy copy.mkv -vf adcvsr -map 0:v out.mkv"
    assert encoder(arguments) == (
        "-i in.mkv -map_metadata 1 -map 1:0 -map 1:1 -map 1:2 -c copy copy.adcvsr-part.mkv -filter:v:0 null # "
        "-map_metadata 1 -map 0:v:0 out.adcvsr-part.mkv"
    )
    assert planned(arguments, FILM).output.url == "out.mkv"


def test_a_graph_belongs_to_the_output_that_takes_its_pictures() -> None:
    arguments = "-i in.mkv -filter_complex '[0:v]adcvsr[u]' -map 0:a sound.mka -map [u] -c:v libx265 out.mkv"
    assert planned(arguments, FILM).output.url == "out.mkv"
    assert planned(arguments, FILM).codec == "libx265"
    assert encoder(arguments).endswith(
        "-map_metadata 1 -map 1:a sound.adcvsr-part.mka -map_metadata 1 -map '[u]' -c:v libx265 out.adcvsr-part.mkv"
    )


def test_a_filter_of_another_stream_stays() -> None:
    two = InputInfo((*FILM.streams[:1], InputStream(index=1, kind="video")))
    arguments = encoder("-i in.mkv -map 0 -filter:v:0 adcvsr -filter:v:1 hflip -af volume=2 out.mkv", two)
    assert arguments == (
        "-i in.mkv -filter:v:0 null # -map_metadata 1 -map 0:v:0 -map 1:1 -filter:v:1 hflip -af volume=2 "
        "out.adcvsr-part.mkv"
    )


def test_an_input_is_synchronized_with_the_same_one() -> None:
    arguments = "-i in.mkv -isync 0 -i sound.mkv -map 0:v -map 1:a -vf adcvsr out.mkv"
    assert encoder(arguments, FILM, FILM).startswith("-i in.mkv -isync 1 -i sound.mkv ")


@pytest.mark.parametrize("option", ["-vsync 0", "-vsync vfr", "-fps_mode cfr"])
def test_timing_options_of_the_user_are_passed_once(option: str) -> None:
    name = option.split(maxsplit=1)[0]
    arguments = (
        f"-i in.mkv -vf adcvsr {option} out.mkv" if name == "-fps_mode" else f"{option} -i in.mkv -vf adcvsr out.mkv"
    )
    encoder_args = planned(arguments, FILM).encoder_args(START)
    assert [word for word in encoder_args if word.startswith(("-vsync", "-fps_mode", "-enc_time_base"))] == [name]
    assert not planned(arguments, FILM).keeps_times
    assert "-vsync" not in planned(arguments, FILM).decoder_args


@pytest.mark.parametrize(
    ("arguments", "keeps"),
    [("-vf adcvsr out.mkv", True), ("-vf adcvsr,fps=30 out.mkv", False), ("-vf fps=30,adcvsr out.mkv", True),
     ("-vf adcvsr -r 30 out.mkv", False), ("-vf adcvsr -c:v mpeg4 out.mkv", False), ("-vf adcvsr out.avi", False),
     ("-vf adcvsr out.gif", False), ("-vf adcvsr -f yuv4mpegpipe -", False), ("-vf adcvsr -f mpegts o", False),
     ("-vf adcvsr -c:v libx264 out.ts", True)],
)  # fmt: skip
def test_timestamps_are_kept_where_they_can_be(arguments: str, *, keeps: bool) -> None:
    split = planned(f"-i in.mkv {arguments}", FILM)
    assert split.keeps_times is keeps
    assert "-enc_time_base" not in shlex.join(split.encoder_args(START))


def test_the_video_and_not_its_cover_is_filtered() -> None:
    film = InputInfo((InputStream(index=0, kind="video", is_cover=True), InputStream(index=1, kind="video")))
    arguments = planned("-i in.mkv -vf adcvsr -map 0 out.mkv", film).encoder_args(START)
    assert arguments[arguments.index("-filter:v:1") + 1] == "null"


def test_with_copyts_nothing_is_shifted() -> None:
    split = planned("-copyts -i in.mkv -vf adcvsr out.mkv", FILM)
    assert "-copyts" in split.decoder_args
    assert "-itsoffset" not in split.encoder_args(START)


def test_where_clocks_begin_at_zero_ffmpeg_itself_removes_the_origin() -> None:
    split = planned("-copyts -start_at_zero -i in.mkv -vf adcvsr out.mkv", FILM)
    assert "-itsoffset" not in split.encoder_args(StartInfo(origin=1 << 20, start_time=Fraction(0)))
    late = split.encoder_args(StartInfo(origin=1 << 20, start_time=Fraction(1, 2)))
    assert late[late.index("-itsoffset") + 1] == "0.500000"


def test_words_that_only_we_know_are_left_out() -> None:
    split = planned("-adcvsr_on_corrupt fail -i in.mkv -vf adcvsr -adcvsr_metadata out.mkv -adcvsr_dry_run", FILM)
    assert not [word for word in split.decoder_args + split.encoder_args(START) if word.startswith("-adcvsr")]


def test_the_log_level_of_the_command_is_kept() -> None:
    arguments = planned("-hide_banner -v error -stats -i in.mkv -vf adcvsr out.mkv", FILM).encoder_args(START)
    assert arguments.count("-hide_banner") == 1
    assert "warning" not in arguments
    assert "-nostats" not in arguments


def test_dispositions_that_the_pipe_lacks_are_said() -> None:
    cover = replace(FILM.streams[0], disposition=0x400, is_cover=True)
    assert "-disposition:v:0 1024 " in encoder("-i in.flac -map 0 -vf adcvsr out.flac", InputInfo((cover,)))
    plain = replace(FILM.streams[0], disposition=0x41)
    assert "-disposition" not in encoder("-i in.mkv -map 0 -vf adcvsr out.mkv", InputInfo((plain,)))


def test_a_codec_for_the_video_alone_is_taken() -> None:
    assert planned("-i in.mkv -vf adcvsr -c copy -c:v libx264 out.mkv", FILM).codec == "libx264"
    assert planned("-i in.mkv -vf adcvsr -c:v:0 libx265 -c:v:1 copy out.mkv", FILM).codec == "libx265"
    assert planned("-i in.mkv -vf adcvsr -vcodec ffv1 out.mkv", FILM).codec == "ffv1"
    assert planned("-i in.mkv -vf adcvsr -c copy -c:0 ffv1 out.mkv", FILM).codec == "ffv1"
    assert planned("-i in.mkv -map 0:a -map 0:v -c copy -c:1 ffv1 -filter:1 adcvsr out.mkv", FILM).codec == "ffv1"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("-i in.mkv -vf adcvsr -c copy out.mkv", "-c:v copy"),
        ("-i in.mkv -vf adcvsr -c:v libx264 -c:v copy out.mkv", "-c:v copy"),
        ("-i in.mkv -vf adcvsr,adcvsr out.mkv", "2 times in one graph"),
        ("-i in.mkv -vf adcvsr a.mkv -vf adcvsr b.mkv", "2 filter options"),
        ("-i in.mkv -filter_complex [0:v]adcvsr[u] -map [u] a.mkv -vf adcvsr b.mkv", "2 filter options"),
        ("-i in.mkv -af adcvsr out.mkv", "on audio"),
        ("-i in.mkv -filter:a:0 adcvsr out.mkv", "on audio"),
        ("-i in.mkv -filter_complex [0:a]adcvsr out.mkv", "on audio"),
        ("-i in.mkv -filter_complex [x]adcvsr[x] out.mkv", "loop"),
        ("-i in.mkv -filter_complex 'split[a][b];[a]adcvsr[c];[b][c]hstack' out.mkv", "go elsewhere, too"),
        ("-i in.mkv -filter_complex hflip[x] -filter_complex [x]adcvsr out.mkv", r"needs \[x\], which its graph"),
        ("-vf adcvsr out.mkv", "has no input"),
        ("-i in.mkv -filter_complex adcvsr", "has no output"),
        ("-isync 0 -i in.mkv -vf adcvsr out.mkv", "-isync of in.mkv, whose frames go to adcvsr, is not supported"),
        ("-i in.mkv -vf adcvsr=scael=2 out.mkv", "did you mean 'scale'"),
        ("-i in.mkv -vf adcvsr -map 1:v out.mkv", "-map 1:v refers to input 1, but the only input is 0; change the"),
        ("-i in.mkv -filter_complex [9:v]adcvsr out.mkv", r"\[9:v\] refers to input 9, but the only input is 0"),
        ("-i in.mkv -filter_complex [1]adcvsr out.mkv", r"\[1\] refers to input 1, but the only input is 0"),
        ("-i in.mkv -vf adcvsr -map 0:v -map_metadata 4 out.mkv", "-map_metadata refers to input 4, but the only"),
        ("-i in.mkv -filter_complex '[0:v]adcvsr[u];[u][7:v]overlay' out.mkv", "refers to input 7, but the only input"),
    ],
)  # fmt: skip
def test_impossible_commands_are_refused_in_one_line(arguments: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        planned(arguments, FILM)


def test_tags_that_ffmpeg_does_not_copy_are_removed_unless_the_user_copies_or_sets_them() -> None:
    film = replace(FILM, uncopied_tags=("creation_time",))
    assert encoder("-i in.mkv -vf adcvsr -an -sn -metadata title=T out.mkv", film) == (
        "-i in.mkv -filter:v:0 null # -map_metadata 1 -metadata creation_time= -map 0:v:0 -an -sn -metadata title=T "
        "out.adcvsr-part.mkv"
    )
    assert "creation_time" not in encoder("-i in.mkv -vf adcvsr -map_metadata 0 out.mkv", film)
    assert encoder("-i in.mkv -vf adcvsr -metadata creation_time=1 out.mkv", film).endswith("=1 out.adcvsr-part.mkv")


def test_a_number_may_be_the_label_of_a_filter() -> None:
    assert planned("-i in.mkv -filter_complex [0:v]hflip[7];[7]adcvsr out.mkv", FILM).source == 0


@pytest.mark.parametrize(
    "arguments",
    ["-i in.mkv -vf scale=2:2 out.mkv", "-i adcvsr.mkv out.mkv", "-i in.mkv -vf drawtext=text=adcvsr a.mkv"],
)
def test_a_command_without_adcvsr_is_none_of_ours(arguments: str) -> None:
    assert split_command(parse(shlex.split(arguments)), [FILM]) is None


@pytest.mark.parametrize(
    ("url", "part"),
    [("out.mkv", "out.adcvsr-part.mkv"), ("file:a/out.mp4", "a/out.adcvsr-part.mp4"), ("-", None),
     ("rtmp://host/live", None), ("o%d.png", None), ("out.m3u8", None), ("/dev/null", None), ("pipe:1", None)],
)  # fmt: skip
def test_a_file_has_another_name_until_it_is_whole(url: str, part: str | None) -> None:
    split = planned(["-i", "in.mkv", "-vf", "adcvsr", url], FILM)
    assert split.temporary_output == part
    assert split.encoder_args(START)[-1] == (part or url)


def test_a_device_is_written_to_as_it_is(tmp_path: Path) -> None:
    assert planned(["-i", "in.mkv", "-vf", "adcvsr", "-f", "nut", str(tmp_path)], FILM).temporary_output is None


_UNKNOWN_WORDS = st.lists(
    st.tuples(st.from_regex(r"-zz[a-z]{1,4}(:v)?", fullmatch=True), st.text(min_size=1, max_size=5)), max_size=4
)


@given(_UNKNOWN_WORDS)
def test_options_that_we_do_not_know_stay_in_order(pairs: list[tuple[str, str]]) -> None:
    options = [word for pair in pairs for word in pair]
    arguments = planned(["-i", "in.mkv", "-vf", "adcvsr", "-an", *options, "out.mkv"], FILM).encoder_args(START)
    assert arguments[arguments.index("-an") + 1 : -1] == options

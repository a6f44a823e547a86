"""Words in, words out: an ffmpeg command with adcvsr as two without."""

from __future__ import annotations

import shlex
from dataclasses import replace

import pytest

from ffmpeg_filter.command.filter_options import FilterOptions
from ffmpeg_filter.media.probe import InputInfo
from ffmpeg_filter.transcode.encode_command import StartInfo
from tests.ffmpeg_filter.planning import FILM, PICTURE, SHOWN, START, decoder, decoding, encoder, planned


def test_a_simple_graph_is_cut_at_adcvsr() -> None:
    arguments = (
        '-y -i in.mkv -vf "bwdif,crop=8:8,adcvsr=model=fast:scale=2,format=yuv420p10le" -map 0 -c:v libx265 -crf 18 '
        "-c:a copy -c:s copy out.mkv"
    )
    assert decoder(arguments) == f"-i in.mkv -map 0:0 -filter:v bwdif,crop=8:8,{SHOWN}"
    assert encoder(arguments) == (
        "-y -i in.mkv -filter:v:0 format=yuv420p10le # -map_metadata 1 -map 0:v:0 -map 1:1 -map 1:2 -c:v libx265 "
        "-crf 18 -c:a copy -c:s copy out.adcvsr-part.mkv"
    )
    assert planned(arguments, FILM).filter_options == FilterOptions(model="fast", scale=2)


def test_an_input_that_could_not_be_probed_is_warned_of() -> None:
    [words] = planned("-i in.mkv -i list.txt -vf adcvsr out.mkv", FILM, InputInfo(fault="Not permitted")).warnings
    assert words.startswith("list.txt could not be probed (Not permitted): its streams are chosen by guess")
    assert not planned("-i in.mkv -i - -vf adcvsr -map 0 out.mkv", FILM, InputInfo()).warnings


def test_a_complex_graph_with_an_overlay_is_cut_at_adcvsr() -> None:
    arguments = (
        '-i a.mp4 -i logo.png -filter_complex "[0:v]adcvsr[u];[u][1:v]overlay=20:20[v]" -map "[v]" -map 0:a out.mp4'
    )
    assert decoder(arguments, FILM, PICTURE) == (
        f"-i a.mp4 -i logo.png -filter_complex '[0:v]null,{SHOWN}[adcvsr]' -map '[adcvsr]'"
    )
    assert encoder(arguments, FILM, PICTURE) == (
        "-i a.mp4 -i logo.png -filter_complex '[0:v]null[u];[u][2:v]overlay=20:20[v]' -map_metadata 1 -map '[v]' "
        "-map 1:a out.adcvsr-part.mp4"
    )


def test_an_overlay_before_stays_before() -> None:
    arguments = "-i a -i b -lavfi '[0:v][1:v]overlay[o];[o]adcvsr[v]' -map [v] -map 0:a out.mkv"
    assert f"'[0:v][1:v]overlay[o];[o]null,{SHOWN}[adcvsr]'" in decoder(arguments, FILM, PICTURE)
    assert "-filter_complex '[0:v]null[v]' -map_metadata 1 -map '[v]' -map 1:a" in encoder(arguments, FILM, PICTURE)


@pytest.mark.parametrize(
    ("graph", "before", "after"),
    [
        ("adcvsr", f"null,{SHOWN}", "null"),
        ("adcvsr,hflip", f"null,{SHOWN}", "hflip"),
        ("hflip,adcvsr", f"hflip,{SHOWN}", "null"),
        ("hflip,adcvsr=fast,vflip", f"hflip,{SHOWN}", "vflip"),
        ("sws_flags=lanczos;scale=8:8,adcvsr,setsar=1", f"sws_flags=lanczos;scale=8:8,{SHOWN}",
         "sws_flags=lanczos;setsar=1"),
        (r"drawtext=text='a\:b\, c',adcvsr,drawtext=text=it\\\'s", rf"drawtext=text='a\:b\, c',{SHOWN}",
         r"drawtext=text=it\\\'s"),
    ],
)  # fmt: skip
def test_the_filter_is_cut_out_wherever_it_stands(graph: str, before: str, after: str) -> None:
    arguments = ["-i", "in.mkv", "-vf", graph, "out.mkv"]
    assert decoding(arguments, FILM)[decoding(arguments, FILM).index("-filter:v") + 1] == before
    encoder_args = planned(arguments, FILM).encoder_args(START)
    assert encoder_args[encoder_args.index("-filter:v:0") + 1] == after


def test_both_levels_of_escaping_reach_the_options() -> None:
    for text in (
        r"adcvsr=model=C\\:/a b.onnx:enable=between(t\,1\,2)",
        "adcvsr=model='C\\:/a b.onnx':enable='between(t,1,2)'",
    ):
        for words in (["-vf", text], ["-filter_complex", f"[0:v]{text}[v]", "-map", "[v]"]):
            split = planned(["-i", "in", *words, "out.mkv"], FILM)
            assert split.filter_options == FilterOptions(model="C:/a b.onnx", enable="between(t,1,2)")


def test_what_the_pipe_lost_is_put_back_first() -> None:
    start = StartInfo(["setsar=1/1", "setparams=range=tv"], ["-x265-params", "hdr10=1"])
    arguments = "-i in.mkv -vf adcvsr,hflip -an -sn -c:v libx265 out.mkv"
    assert encoder(arguments, start=start) == (
        "-i in.mkv -filter:v:0 setsar=1/1,setparams=range=tv,hflip # -x265-params hdr10=1 -map_metadata 1 "
        "-map 0:v:0 -an -sn -c:v libx265 out.adcvsr-part.mkv"
    )
    arguments = "-i in.mkv -filter_complex '[0:v]adcvsr[u]' -map [u] out.mkv"
    assert "-filter_complex '[0:v]setsar=1/1,setparams=range=tv,null[u]'" in encoder(arguments, start=start)


@pytest.mark.parametrize("word", ["-x265-params", "-svtav1-params", "-x265-params:v"])
def test_lists_of_parameters_are_joined_ours_first(word: str) -> None:
    start = StartInfo((), [word.removesuffix(":v"), "hdr10=1:a=2"])
    arguments = planned(f"-i in.mkv -vf adcvsr -c:v libx265 {word} aq-mode=3 out.mkv", FILM).encoder_args(start)
    assert arguments[arguments.index(word) + 1] == "hdr10=1:a=2:aq-mode=3"
    assert "aq-mode=3" not in arguments


def test_the_users_own_option_wins_over_ours() -> None:
    start = StartInfo((), ["-chroma_sample_location", "left"])
    arguments = planned("-i in.mkv -vf adcvsr -chroma_sample_location top out.mkv", FILM).encoder_args(start)
    assert arguments.index("left") < arguments.index("top")


@pytest.mark.parametrize("options", ["-ss 1:02.5 -t 10", "-to 5", "-itsoffset 0.5", "-r 24", "-stream_loop 2", "-re"])
def test_input_options_are_in_both_commands(options: str) -> None:
    message = f"{options} -i in.mkv -vf adcvsr -an -sn out.mkv"
    assert decoder(message).startswith(f"{options} -i in.mkv ")
    assert encoder(message).startswith(f"{options} -i in.mkv ")


@pytest.mark.parametrize("options", ["-t 5", "-to 7", "-frames:v 10", "-shortest", "-brand-new-option -3"])
def test_output_options_stay_in_the_encode_command(options: str) -> None:
    arguments = f"-i in.mkv -vf adcvsr -an -sn {options} out.mkv"
    assert decoder(arguments) == f"-i in.mkv -map 0:0 -filter:v null,{SHOWN}"
    assert encoder(arguments).endswith(f" -an -sn {options} out.adcvsr-part.mkv")


def test_only_the_input_of_the_pictures_is_decoded() -> None:
    arguments = "-ss 1 -i a.mkv -ss 2 -i b.mkv -vf adcvsr -map 1:v -map 0:a -map_metadata 1 -map_chapters 0 out.mkv"
    assert decoder(arguments, FILM, FILM).startswith("-ss 2 -i b.mkv -map 0:0 ")
    assert encoder(arguments, FILM, FILM) == (
        "-ss 1 -i a.mkv -ss 2 -i b.mkv -filter:v:0 null # -map 0:v:0 -map 1:a -map_metadata 2 -map_chapters 1 "
        "out.adcvsr-part.mkv"
    )
    assert planned(arguments, FILM, FILM).source == 1


def test_image_sequences_go_in_and_out() -> None:
    arguments = "-framerate 25 -start_number 3 -i in%03d.png -vf adcvsr=scale=2 out%03d.png"
    assert decoder(arguments, PICTURE).startswith("-framerate 25 -start_number 3 -i in%03d.png -map 0:0")
    assert encoder(arguments, PICTURE).endswith("-filter:v:0 null -map_metadata 1 -map 0:v:0 out%03d.png")
    assert planned(arguments, PICTURE).temporary_output is None


def test_a_label_that_is_a_number_is_no_input_if_a_filter_makes_it() -> None:
    arguments = "-i a -filter_complex '[0:v]adcvsr[1];[1][0:v]hstack[2]' -map [2] out.mkv"
    assert "'[0:v]null[1];[1][1:v]hstack[2]'" in encoder(arguments)


def test_other_graphs_are_renumbered() -> None:
    arguments = "-filter_complex [0:v]adcvsr[u] -i a -filter_complex [0:a]volume=2[s] -map [u] -map [s] out.mkv"
    assert decoder(arguments) == f"-i a -filter_complex '[0:v]null,{SHOWN}[adcvsr]' -map '[adcvsr]'"
    assert encoder(arguments) == (
        "-i a -filter_complex '[0:v]null[u]' -map_metadata 1 -filter_complex '[1:a]volume=2[s]' -map '[u]' "
        "-map '[s]' out.adcvsr-part.mkv"
    )
    arguments = "-i a -filter_complex [0:a]volume=2[s] -map 0:v -vf adcvsr -map [s] out.mkv"
    assert "-filter_complex '[1:a]volume=2[s]' -map 0:v:0 -map '[s]'" in encoder(arguments)


def test_where_a_clock_begins_with_what_is_read_both_commands_read_the_same() -> None:
    broadcast = replace(FILM, has_discontinuities=True)
    split = planned("-i a.ts -vf adcvsr -map 0:v -map 0:a -t 9 out.mkv", broadcast)
    assert shlex.join(split.decoder_args).endswith("-f rawvideo pipe:1 -map 0:a -t 9 -c copy -f null -")
    assert shlex.join(split.encoder_args(START)).endswith("out.adcvsr-part.mkv -map 1:0 -t 9 -c copy -f null -")
    graph = planned("-i a.ts -filter_complex [0:v]adcvsr[u] -map [u] -map 0:a out.mkv", broadcast)
    assert shlex.join(graph.decoder_args).endswith("-f rawvideo pipe:1 -map 0:a -c copy -f null -")
    assert shlex.join(graph.encoder_args(START)).endswith("-map 1:v -c copy -f null -")

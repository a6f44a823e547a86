"""Which streams go where: `-map`, and FFmpeg's own choice, as the second command has them."""

from __future__ import annotations

import shlex
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffmpeg_filter.command.argv import File, parse
from ffmpeg_filter.media.probe import InputInfo, InputStream
from ffmpeg_filter.transcode.stream_map import (
    UPSCALED_STREAM,
    InputMap,
    MainStream,
    MapTranslator,
    VideoPlace,
    check_pipes,
    default_maps,
    main_stream_of,
)
from vsadcvsr.errors import UsageError

VIDEO = InputStream(index=0, kind="video", pixels=100)
FILM = InputInfo(
    (
        VIDEO,
        InputStream(index=1, kind="audio", channels=2),
        InputStream(index=2, kind="audio", channels=6),
        InputStream(index=3, kind="subtitle", codec="subrip"),
        InputStream(index=4, kind="subtitle", codec="hdmv_pgs_subtitle"),
        InputStream(index=5, kind="attachment"),
    )
)
ANGLES = InputInfo(
    (VIDEO, InputStream(index=1, kind="video", pixels=400), InputStream(index=2, kind="audio", channels=1))
)
COVERED = InputInfo(
    (InputStream(index=0, kind="video", is_cover=True, pixels=9999), InputStream(index=1, kind="video", pixels=9))
)
PIPE = InputInfo()
ONCE = InputMap((None,))


def output(arguments: str) -> File:
    return parse(shlex.split(arguments)).outputs[0]


def found(arguments: str, *inputs: InputInfo) -> MainStream:
    out = output(arguments)
    return main_stream_of(next(item for item in out.options if item.name == "filter"), out, inputs)


def maps(arguments: str, *inputs: InputInfo, numbers: InputMap | None = None) -> list[str]:
    out = output(arguments)
    ours = main_stream_of(out.options[0], out, inputs) if out.options[0].name == "filter" else None
    result = MapTranslator(ours, inputs, numbers or InputMap(tuple(range(1, len(inputs) + 1))))
    return [item for option in out.options if option.name == "map" for item in result.translate(option.value or "")]


def test_without_maps_the_largest_video_is_ours() -> None:
    assert found("-vf adcvsr out.mkv", ANGLES) == MainStream(0, ANGLES.streams[1])
    assert found("-vf adcvsr out.mkv", FILM, ANGLES).input_number == 1
    assert found("-vf adcvsr out.mkv", FILM, FILM).input_number == 0


def test_a_cover_is_not_the_main_stream() -> None:
    assert found("-vf adcvsr out.mkv", COVERED) == MainStream(0, COVERED.streams[1])
    place = VideoPlace(1, is_cover=False, position_in_kind=0)
    second = MainStream(0, COVERED.streams[1], position=1, index=1, place=place)
    assert found("-vf adcvsr -map 0 out.mkv", COVERED) == second


def test_of_several_video_streams_the_filter_must_name_one() -> None:
    with pytest.raises(UsageError, match=r"2 video streams.*-filter:v:0"):
        found("-vf adcvsr -map 0 out.mkv", ANGLES)
    place = VideoPlace(1, is_cover=False, position_in_kind=1)
    second = MainStream(0, ANGLES.streams[1], position=1, index=1, place=place)
    assert found("-filter:v:1 adcvsr -map 0 out.mkv", ANGLES) == second
    assert found("-filter:1 adcvsr -map 0 out.mkv", ANGLES) == second
    first = MainStream(0, ANGLES.streams[1], place=VideoPlace(0, is_cover=False, position_in_kind=0))
    assert found("-filter:v:0 adcvsr -map 0:v:1 -map 0:v:0 out.mkv", ANGLES) == first


def test_a_negative_map_takes_the_others_out() -> None:
    assert found("-vf adcvsr -map 0 -map -0:v:0 out.mkv", ANGLES) == MainStream(0, ANGLES.streams[1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("-vf adcvsr -map 0:a out.mkv", "no video stream"),
        ("-vf adcvsr -vn out.mkv", "-vn"),
        ("-filter:v:1 adcvsr out.mkv", "filter:v:1 refers to video stream 1, but the output has 0 to 0"),
    ],
)
def test_an_output_without_that_video_is_refused(arguments: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        found(arguments, FILM)


def test_disabled_streams_are_not_selected() -> None:
    silent = InputInfo(tuple(replace(stream, is_disabled=stream.kind == "audio") for stream in FILM.streams))
    blind = InputInfo((replace(VIDEO, is_disabled=True), *FILM.streams[1:]))
    assert maps("-vf adcvsr -map 0 -map 0:a? out.mkv", silent) == ["0:v:0", "1:3", "1:4", "1:5", "1:a?"]
    assert list(default_maps(output("out.mkv"), MainStream(0, VIDEO), [silent], InputMap((1,)))) == ["0:v:0", "1:3"]
    assert found("-vf adcvsr out.mkv", blind, ANGLES) == MainStream(1, ANGLES.streams[1])
    with pytest.raises(UsageError, match=r"no video stream from -map 0:v: -vn or -discard disables it; remove that"):
        found("-vf adcvsr -map 0:v out.mkv", blind)


def test_inputs_without_video_are_refused() -> None:
    with pytest.raises(UsageError, match="inputs without video"):
        found("-vf adcvsr out.mkv", InputInfo((InputStream(index=0, kind="audio"),)))


@pytest.mark.parametrize(
    ("arguments", "values"),
    [
        ("-vf adcvsr -map 0 out.mkv", "0:v:0 1:1 1:2 1:3 1:4 1:5"),
        ("-vf adcvsr -map 0:v -map 0:a out.mkv", "0:v:0 1:a"),
        ("-vf adcvsr -map 0:v:0 -map 0:a:1 out.mkv", "0:v:0 1:a:1"),
        ("-vf adcvsr -map 0:V -map 0:s? out.mkv", "0:v:0 1:s?"),
        ("-vf adcvsr -map 0:0 -map 0:2 out.mkv", "0:v:0 1:2"),
        ("-vf adcvsr -map 0 -map -0:s out.mkv", "0:v:0 1:1 1:2 1:3 1:4 1:5 -1:s"),
        ("-vf adcvsr -map 0:v -map 0:m:language:ger? out.mkv", "0:v:0 1:m:language:ger?"),
        ("-filter:v:0 adcvsr -map 0:v -map 0:v out.mkv", "0:v:0 1:0"),
        ("-filter:v:1 adcvsr -map 0:v -map 0:v out.mkv", "1:0 0:v:0"),
        ("-map [v] -map 0:v -map 0 out.mkv", "[v] 1:v 1"),
    ],
)
def test_maps_are_renumbered(arguments: str, values: str) -> None:
    assert maps(arguments, FILM) == values.split()


def test_maps_of_other_inputs_are_renumbered() -> None:
    assert maps("-vf adcvsr -map 1:v -map 0:a -map 1:a out.mkv", FILM, ANGLES.__class__(ANGLES.streams[1:])) == [
        UPSCALED_STREAM, "1:a", "2:a",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("-vf adcvsr -map 0:v -map -0:v:0 -map 0:v out.mkv", "removes the stream of adcvsr"),
        ("-vf adcvsr -map 0:v -map 3:a out.mkv", "-map 3:a refers to input 3, but the only input is 0; change the"),
    ],
)
def test_maps_that_cannot_be_are_refused(arguments: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        maps(arguments, FILM)


def test_a_pipe_gives_its_video_alone() -> None:
    assert maps("-vf adcvsr -map 0:v out.mkv", PIPE, numbers=ONCE) == [UPSCALED_STREAM]
    for arguments in ("-vf adcvsr -map 0 out.mkv", "-vf adcvsr -map 0:v -map 0:a? out.mkv"):
        with pytest.raises(UsageError, match=r"cannot be read twice; .*-map 0:v"):
            maps(arguments, PIPE, numbers=ONCE)


def test_of_a_file_that_cannot_be_looked_into_the_rest_is_taken_as_it_is() -> None:
    assert maps("-vf adcvsr -map 0 out.mkv", PIPE) == [UPSCALED_STREAM, "1", "-1:v:0"]


@pytest.mark.parametrize(
    ("arguments", "values"),
    [
        ("out.mkv", "0:v:0 1:2 1:3"),
        ("out.mp4", "0:v:0 1:2"),
        ("-c:s mov_text out.mp4", "0:v:0 1:2 1:3"),
        ("-c copy out.mp4", "0:v:0 1:2"),
        ("out.ts", "0:v:0 1:2"),
        ("-f matroska -", "0:v:0 1:2 1:3"),
        ("-an out.mkv", "0:v:0 1:3"),
        ("-an -sn out.mkv", "0:v:0"),
        ("out%03d.png", "0:v:0"),
        ("-f yuv4mpegpipe -", "0:v:0"),
        ("out.y4m", "0:v:0"),
    ],
)
def test_without_maps_the_choice_is_ffmpegs(arguments: str, values: str) -> None:
    assert list(default_maps(output(arguments), MainStream(0, VIDEO), [FILM], InputMap((1,)))) == values.split()


@pytest.mark.parametrize(
    ("arguments", "values"),
    [("out.mkv", "1:0 1:2 1:3"), ("-vn out.mka", "1:2"), ("out.wav", "1:2"), ("out.srt", "1:3"), ("a.png", "1:0")],
)
def test_other_outputs_are_made_of_the_source(arguments: str, values: str) -> None:
    assert list(default_maps(output(arguments), None, [FILM], InputMap((1,)))) == values.split()


def test_a_default_stream_goes_before_a_fuller_one() -> None:
    film = InputInfo((VIDEO, *FILM.streams[1:3], InputStream(index=3, kind="audio", channels=1, is_default=True)))
    assert list(default_maps(output("out.mp4"), MainStream(0, VIDEO), [film], InputMap((1,)))) == [
        UPSCALED_STREAM,
        "1:3",
    ]


def test_a_default_stream_goes_before_those_of_its_own_input_only() -> None:
    small = InputInfo((replace(VIDEO, pixels=50, is_default=True), replace(FILM.streams[1], is_default=True)))
    for inputs, video, audio in (((FILM, small), 0, "1:2"), ((small, FILM), 1, "2:2"), ((small, small), 0, "1:1")):
        main_stream = found("-vf adcvsr out.mkv", *inputs)
        assert main_stream.input_number == video
        values = list(default_maps(output("-sn out.mkv"), main_stream, inputs, InputMap((1, 2))))
        assert values == [UPSCALED_STREAM, audio]


def test_audio_from_a_pipe_is_refused_unless_it_is_not_wanted() -> None:
    ours = MainStream(0, None)
    for arguments in ("-an out.mkv", "out.png"):
        assert list(default_maps(output(arguments), ours, [PIPE], ONCE)) == [UPSCALED_STREAM]
        check_pipes(output(arguments), [PIPE], ONCE)
    with pytest.raises(UsageError, match=r"audio needs input 0.*-an"):
        list(default_maps(output("out.mkv"), ours, [PIPE], ONCE))
    with pytest.raises(UsageError, match="audio needs input 0"):
        check_pipes(output("out.mkv"), [PIPE], ONCE)


def test_audio_of_what_cannot_be_looked_into_is_taken_if_there_is_any() -> None:
    assert list(default_maps(output("out.mkv"), MainStream(0, None), [PIPE], InputMap((1,)))) == [
        UPSCALED_STREAM,
        "1:a:0?",
    ]


_STREAMS = st.lists(st.sampled_from(["video", "audio", "subtitle"]), min_size=1, max_size=6)


@given(_STREAMS)
def test_a_map_of_everything_keeps_every_stream_in_its_place(kinds: list[str]) -> None:
    film = InputInfo(tuple(InputStream(index=index, kind=kind) for index, kind in enumerate(kinds)))
    videos = [stream for stream in film.streams if stream.kind == "video"]
    for place, video in enumerate(videos):
        result = maps(f"-filter:v:{place} adcvsr -map 0 out.mkv", film)
        assert result == [UPSCALED_STREAM if stream is video else f"1:{stream.index}" for stream in film.streams]

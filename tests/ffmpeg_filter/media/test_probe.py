"""What is known of inputs before anything is run."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from ffmpeg_filter.command import urls
from ffmpeg_filter.command.argv import parse
from ffmpeg_filter.media.probe import STREAM_RANKS, InputInfo, InputStream, probe
from tests.ffmpeg_filter.files import ffmpeg


def probed(*arguments: str) -> InputInfo:
    return probe(parse([*arguments]).inputs[0])


def test_a_pipe_is_not_looked_into() -> None:
    assert probed("-i", "-") == InputInfo()
    assert probed("-f", "matroska", "-i", "pipe:0") == InputInfo()


@pytest.mark.parametrize("form", ["yuv4mpegpipe", "rawvideo", "image2pipe", "png_pipe", "h264"])
def test_a_pipe_of_a_format_that_is_video_alone_is_known(form: str) -> None:
    [stream] = probed("-f", form, "-i", "-").streams
    assert (stream.index, stream.kind) == (0, "video")


def test_what_cannot_be_opened_is_not_known(tmp_path: Path) -> None:
    assert probed("-i", str(tmp_path / "none.mkv")) == InputInfo()
    (tmp_path / "bad.mkv").write_bytes(b"nothing")
    assert probed("-i", str(tmp_path / "bad.mkv")) == InputInfo(fault="Invalid data found when processing input")


def test_a_device_or_graph_that_cannot_be_opened_is_no_fault() -> None:
    assert probed("-f", "lavfi", "-i", "nothing_of_that_name") == InputInfo()
    assert probed("-f", "dshow", "-i", "video=camera") == InputInfo()


def test_options_of_demuxers_are_heeded_and_other_ones_ignored(clip: Path, tmp_path: Path) -> None:
    script = tmp_path / "list.txt"
    script.write_text(f"file '{clip}'\n")
    form = ("-f", "concat", "-i", str(script))
    assert probed(*form).fault == "Operation not permitted"
    others = ("-safe", "0", "-threads", "2", "-c:v", "ffv1", "-t", "1", "-itsoffset", "2", "-no_option", "x")
    assert [stream.kind for stream in probed(*others, *form).streams] == ["video", "audio"]


def test_raw_video_has_the_size_and_rate_of_the_options_of_the_program(tmp_path: Path) -> None:
    (tmp_path / "raw.yuv").write_bytes(bytes(8 * 6 * 3))
    [stream] = probed(
        "-f", "rawvideo", "-s", "8x6", "-pix_fmt", "rgb24", "-r", "10", "-i", str(tmp_path / "raw.yuv")
    ).streams
    assert (stream.pixels, stream.base_rate) == (48, Fraction(10))


def test_a_video_stream_has_its_size_and_rate() -> None:
    [stream] = probed("-f", "lavfi", "-i", "testsrc2=s=32x16:r=30000/1001:d=1").streams
    assert (stream.kind, stream.pixels, str(stream.rate)) == ("video", 32 * 16, "30000/1001")


def test_streams_of_a_transport_stream_have_ids_and_programs(tmp_path: Path) -> None:
    path = tmp_path / "programs.ts"
    source = "-f lavfi -i testsrc2=s=32x32:r=5:d=0.4 -f lavfi -i testsrc2=s=16x16:r=5:d=0.4 -f lavfi -i sine=d=0.4"
    programs = "-program program_num=4:st=0 -program title=Two:program_num=7:st=1:st=2"
    ffmpeg(source, "-map 0 -map 1 -map 2 -c:v mpeg2video", programs, path)
    streams = {stream.kind + str(stream.pixels): stream for stream in probed("-i", str(path)).streams}
    assert {name: stream.id for name, stream in streams.items()} == {"video1024": 256, "video256": 257, "audio0": 258}
    assert {name: [*stream.programs] for name, stream in streams.items()} == {
        "video1024": [4], "video256": [7], "audio0": [7],
    }  # fmt: skip


def test_streams_of_immersive_audio_have_groups(tmp_path: Path) -> None:
    path = tmp_path / "groups.mp4"
    sound, element = "-f lavfi -i sine=d=0.2:r=48000,aformat=channel_layouts=stereo", "layer=ch_layout=stereo"
    mix = "annotations=en-us=x,submix=parameter_id=1:parameter_rate=48000"
    ffmpeg(
        sound, "-f lavfi -i testsrc2=s=32x32:r=5:d=0.2 -map 0 -map 1 -c:a libopus -c:v mpeg4 -streamid 0:0",
        f"-stream_group type=iamf_audio_element:id=7:st=0:audio_element_type=channel,{element}",
        f"-stream_group type=iamf_mix_presentation:id=9:stg=0:{mix}|element=stg=0:parameter_id=1:annotations=en-us=x"
        "|layout=sound_system=stereo", path,
    )  # fmt: skip
    sound_groups = {(0, 7), (1, 9)}
    assert [(stream.kind, {*stream.groups}) for stream in probed("-i", str(path)).streams] == [
        ("audio", sound_groups), ("video", set()),
    ]  # fmt: skip


def test_ffmpeg_prefers_defaults_to_size_and_size_to_covers() -> None:
    streams = [
        InputStream(index=0, kind="video", is_cover=True, pixels=10**6),
        InputStream(index=1, kind="video", pixels=200),
        InputStream(index=2, kind="video", pixels=100, is_default=True),
    ]
    assert sorted(streams, key=STREAM_RANKS["video"]) == streams
    assert InputInfo(tuple(streams)).best_video() is streams[2]
    assert InputInfo().best_video() is None


@pytest.mark.parametrize(("url", "is_one"), [("-", True), ("pipe:", True), ("fd:3", True), ("a-", False)])
def test_pipes_are_distinguished_from_files(url: str, *, is_one: bool) -> None:
    assert urls.is_pipe(url) is is_one

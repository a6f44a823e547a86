"""What may be encoded chunk by chunk, and where a decoder may begin."""

from __future__ import annotations

import shlex

import pytest

from ffmpeg_filter.command.argv import parse
from ffmpeg_filter.farm.chunk_encoding import ChunkEncoding, choose_encoding, preroll_frames
from ffmpeg_filter.transcode.split import split_command
from tests.ffmpeg_filter.planning import FILM
from vsadcvsr.errors import UsageError


def encoding(arguments: str, intermediate: str | None = None) -> ChunkEncoding:
    command = parse(shlex.split(arguments))
    split = split_command(command, [FILM] * len(command.inputs))
    assert split is not None
    return choose_encoding(command, split, [FILM] * len(command.inputs), intermediate)


def frames_before(arguments: str) -> int | None:
    command = parse(shlex.split(arguments))
    split = split_command(command, [FILM] * len(command.inputs))
    assert split is not None
    return preroll_frames(command, split)


@pytest.mark.parametrize(
    "arguments",
    [
        "-i a -vf adcvsr -c:v libx264 -crf 18 -preset slow -c:a copy out.mkv",
        "-i a -vf adcvsr -c:v libx264 -x264-params bframes=3:ref=4 -pix_fmt yuv420p -g 50 out.mp4",
        "-i a -vf bwdif,adcvsr,scale=w=iw:h=-2,format=yuv420p10le -c:v libx265 -x265-params crf=20 -tag:v hvc1 out.mov",
        "-i a -vf adcvsr -c:v ffv1 -map 0 -c:a aac -b:a 128k -c:s copy -metadata title=t -disposition:a:0 0 out.mkv",
        "-y -nostdin -i a -vf adcvsr -c:v prores_ks -profile:v 3 -an -movflags +faststart out.mov",
        "-i a -vf adcvsr,zscale=t=linear,tonemap=hable,zscale=t=bt709 -c:v libsvtav1 -preset 8 -crf 30 out.mp4",
        "-i a -vf fps=30,adcvsr -c copy -c:v libx264 out.mkv",
        "-i a -i a -map 0:v -map 1:a -map 1:2? -vf adcvsr -c:v libx264 out.mkv",
    ],
)
def test_constant_quality_is_encoded_chunk_by_chunk(arguments: str) -> None:
    assert encoding(arguments) == ChunkEncoding("direct")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ("-i a -vf adcvsr -c:v libx264 -b:v 5M out.mkv", "-b:v 5M must see the whole video"),
        ("-i a -vf adcvsr -c:v libx264 -crf 18 -maxrate 5M -bufsize 10M out.mkv", "-maxrate 5M"),
        ("-i a -vf adcvsr -c:v libx264 -b:v 5M -pass 2 out.mkv", "-b:v 5M"),
        ("-i a -vf adcvsr -c:v libx265 -x265-params crf=20:vbv-maxrate=9000 out.mkv", "vbv-maxrate in -x265-params"),
        ("-i a -vf adcvsr -c:v libx265 -x265-params bitrate=900 out.mkv", "bitrate in -x265-params"),
        ("-i a -vf adcvsr -c:v libx264 -x264opts threads=2 out.mkv", "threads in -x264opts"),
        ("-i a -vf adcvsr -c:v libsvtav1 -svtav1-params rc=1:tbr=900 out.mkv", "rc in -svtav1-params"),
        ("-i a -vf adcvsr -c:v libx265 -x265-params dhdr10-info=a.json out.mkv", "dhdr10-info in -x265-params"),
        ("-i a -vf adcvsr -c:v libx265 -x265-params crf=20:dolby-vision-rpu=a.bin out.mkv", "dolby-vision-rpu in"),
        ("-i a -vf adcvsr -c:v libsvtav1 -svtav1-params fgs-table=a.tbl out.mkv", "fgs-table in -svtav1-params"),
        ("-i a -vf adcvsr -c:v libvpx-vp9 out.mkv", "encoder libvpx-vp9 is none of"),
        ("-i a -vf adcvsr out.mkv", "encoder by default is none of"),
        ("-i a -vf adcvsr -c:v libx264 out.ts", "out.ts is no file of"),
        ("-i a -vf adcvsr -c:v ffv1 out.mp4", "out.mp4 is no file of matroska"),
        ("-i a -vf adcvsr -c:v libx264 -f matroska -", "- is no file of"),
        ("-i a -vf adcvsr,fps=10 -c:v libx264 out.mkv", "timestamps are changed"),
        ("-i a -vf adcvsr -r 10 -c:v libx264 out.mkv", "timestamps are changed"),
        ("-i a -vf adcvsr,hqdn3d -c:v libx264 out.mkv", "hqdn3d may depend on other frames"),
        ("-i a -vf adcvsr,noise=alls=9:allf=t -c:v libx264 out.mkv", "noise may depend"),
        ("-i a -vf adcvsr,crop=32:32:n:0 -c:v libx264 out.mkv", "crop may depend on other frames or on time"),
        ("-i a -vf adcvsr,crop=32:32:x='10*t' -c:v libx264 out.mkv", "crop may depend"),
        ("-i a -vf adcvsr,drawtext=text=%{pts} -c:v libx264 out.mkv", "drawtext may depend"),
        ("-i a -filter_complex [0:v]adcvsr[v] -map [v] -c:v libx264 out.mkv", "-filter_complex may look"),
        ("-i a -vf adcvsr -c:v libx264 out.mkv -map 0:a out.wav", "there are several outputs"),
        ("-i a -vf adcvsr -c:v libx264 -t 10 out.mkv", "-t may need"),
        ("-i a -vf adcvsr -c:v libx264 -shortest out.mkv", "-shortest may need"),
        ("-i a -vf adcvsr -c:v libx264 -force_key_frames 1,2 out.mkv", "-force_key_frames may need"),
        ("-i a -i a -map 0:v -map 1:v -filter:v:0 adcvsr -c:v libx264 out.mkv", "there are several video streams"),
        ("-i a -i a -map 0:V -map 1:V -filter:v:0 adcvsr -c:v libx264 out.mkv", "there are several video streams"),
        ("-i a -i a -map 0:v:0 -map 1:v:0 -filter:v:0 adcvsr -c:v ffv1 out.mkv", "there are several video streams"),
        ("-i a -i a -map 0 -map 1:disp:default -filter:v:0 adcvsr -c:v ffv1 out.mkv", "there are several video"),
    ],
)
def test_options_that_need_the_whole_video_are_encoded_at_the_merge(arguments: str, why: str) -> None:
    result = encoding(arguments)
    assert result.mode == "lossless"
    assert why in result.reason


def test_chunks_without_loss_can_be_asked_for() -> None:
    assert encoding("-i a -vf adcvsr -c:v libx264 out.mkv", "ffv1").mode == "lossless"


def test_to_refuse_chunks_without_loss_is_an_error_where_they_are_needed() -> None:
    assert encoding("-i a -vf adcvsr -c:v libx264 out.mkv", "none").mode == "direct"
    with pytest.raises(UsageError, match=r"cannot be encoded separately: -b:v 5M must see the whole video"):
        encoding("-i a -vf adcvsr -c:v libx264 -b:v 5M out.mkv", "none")


def test_other_ways_to_keep_chunks_are_refused() -> None:
    with pytest.raises(UsageError, match=r"auto, ffv1 .*, none"):
        encoding("-i a -vf adcvsr -c:v libx264 out.mkv", "png")


@pytest.mark.parametrize(
    ("arguments", "frames"),
    [
        ("-i a -vf adcvsr out.mkv", 0),
        ("-ss 5 -i a -vf scale=640:-2,format=yuv420p,adcvsr out.mkv", 0),
        ("-i a -vf bwdif=mode=1,crop=64:32,adcvsr out.mkv", 8),
        ("-i a -vf fps=30,adcvsr out.mkv", None),
        ("-i a -vf hqdn3d,adcvsr out.mkv", None),
        ("-i a -vf crop=32:32:n:0,adcvsr out.mkv", None),
        ("-i a -filter_complex [0:v]adcvsr[v] -map [v] out.mkv", None),
        ("-stream_loop 2 -i a -vf adcvsr out.mkv", None),
        ("-i a -vf adcvsr -ss 5 out.mkv", 0),
    ],
)
def test_a_decoder_begins_where_filters_let_it(arguments: str, frames: int | None) -> None:
    assert frames_before(arguments) == frames

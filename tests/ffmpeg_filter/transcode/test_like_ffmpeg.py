"""Times, durations, rates, dispositions and numbers of packets are those that FFmpeg alone would write."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from ffmpeg_filter.media import binary
from tests.ffmpeg_filter.files import captioned, ffmpeg
from tests.ffmpeg_filter.likeness import both, program

V = "-f lavfi -i testsrc2=s=64x48:r=10"
X264 = "-c:v libx264 -preset ultrafast"
MPEG4 = "-c:v mpeg4 -sc_threshold 1000000000"
X = "-c:v libx264 -bf 0 -preset ultrafast"


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small clips: of constant and variable rate, with and without sound, interlaced, animations, stills."""
    at = tmp_path_factory.mktemp("inputs")
    ffmpeg(f"{V}:d=1 -f lavfi -i sine=d=1 {X264} -c:a aac", at / "base.mkv")
    ffmpeg(f"-f lavfi -i testsrc2=s=64x48:r=24000/1001:d=0.5 {X264}", at / "n.mp4")
    ffmpeg(f"-f lavfi -i testsrc2=s=64x48:r=60000/1001:d=0.2 {X264}", at / "fast.mp4")
    ffmpeg(f"-f lavfi -i testsrc2=s=64x48:r=1000:d=0.02 {X}", at / "faster.mp4")
    ffmpeg(f"{V}:d=4 -c:v libx264 -g 20", at / "key.mkv")
    ffmpeg(f"{V}:d=1 {X264}", at / "mono.ts")
    ffmpeg("-itsoffset 0.023 -f lavfi -i testsrc2=s=64x48:r=25:d=0.4 -c:v ffv1", at / "late.mkv")
    ffmpeg("-f lavfi -i color=gray:s=64x48:r=10:d=0.5 -c:v ffv1", at / "still.mkv")
    ffmpeg(f"{V}:d=2 -itsoffset 0.5 -f lavfi -i sine=d=1 -map 1 -map 0 {X264} -c:a mp2", at / "av.ts")
    ffmpeg("-f lavfi -i testsrc2=s=64x48:r=50:d=0.24 -vf interlace,setfield=tff -c:v mpeg2video -flags +ildct+ilme",
           at / "il.ts")  # fmt: skip
    ffmpeg("-i", at / "base.mkv", "-c copy -disposition:v original+default+hearing_impaired", at / "disp.mkv")
    ffmpeg(f"{V}:d=0.5 -f lavfi -i sine=d=0.7 {X264} -c:a flac", at / "audio.mkv")
    ffmpeg(f"{V}:d=0.7 -f lavfi -i sine=d=0.5 {X264} -c:a flac", at / "video.mkv")
    ffmpeg(f"{V}:d=1 -pix_fmt yuv420p", at / "clip.y4m")
    ffmpeg(f"{V}:d=1 -c:v mpeg4 -bf 2", at / "b.avi")
    ffmpeg("-f lavfi -i testsrc2=s=32x24:r=5:d=1.2", at / "g%02d.png")
    _variable(at / "last.mp4")
    ffmpeg(f"{V}:d=1 -c:v libx264 -bf 0 -video_track_timescale 1000", at / "even.mp4")
    (at / "same.mp4").write_bytes(_with_equal_times((at / "even.mp4").read_bytes()))
    _animations(at)
    captioned(at / "cc.ts")
    captioned(at / "ad.ts", frames=40, first=30)
    ffmpeg(f"-f lavfi -i testsrc2=s=96x80:r=10:d=1 {X264} -output_ts_offset 1", at / "larger.ts")
    (at / "sizes.ts").write_bytes((at / "mono.ts").read_bytes() + (at / "larger.ts").read_bytes())
    (at / "ads.ffconcat").write_text("ffconcat version 1.0\nfile mono.ts\nfile ad.ts\n")
    ffmpeg(f"{V}:d=1 {X264} -g 3 -x264-params frame-packing=3", at / "packed.mkv")
    (at / "cut.ffconcat").write_text(
        "ffconcat version 1.0\nfile key.mkv\noutpoint 0.5\nfile key.mkv\ninpoint 2.3\nduration 0.7\n"
    )
    (at / "stills.ffconcat").write_text(
        "ffconcat version 1.0\nfile g01.png\nduration 0.5\nfile g02.png\nduration 1.25\nfile g03.png\nduration 2\n"
    )
    return at


def _variable(path: Path) -> None:
    """Four frames at 0, 0.5, 0.6 and 2 seconds, the last of which stands for three."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=10, options={"bf": "0"})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for time, duration in ((0, 500), (500, 100), (600, 1400), (2000, 3000)):
            frame = av.VideoFrame.from_ndarray(np.full((72, 64), time // 10 % 255, np.uint8), "yuv420p")
            frame.pts, frame.duration, frame.time_base = time, duration, Fraction(1, 1000)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))


def _with_equal_times(data: bytes) -> bytes:
    """An MP4 of ten frames with another table of times, in which two have a duration of zero."""
    changed = bytearray(data)
    at = changed.find(b"stts")
    size = struct.unpack(">I", changed[at - 4 : at])[0]
    table = b"stts" + struct.pack(">II6I", 0, 3, 3, 100, 2, 0, 5, 100)
    grown = len(table) + 4 - size
    changed[at - 4 : at - 4 + size] = struct.pack(">I", len(table) + 4) + table
    for name in (b"stbl", b"minf", b"mdia", b"trak", b"moov"):
        begin = changed.find(name) - 4
        changed[begin : begin + 4] = struct.pack(">I", struct.unpack(">I", changed[begin : begin + 4])[0] + grown)
    return bytes(changed)


def _animations(at: Path) -> None:
    """A GIF and an APNG with delays of 100, 500, 50, 200 and 1500 milliseconds."""
    (at / "delays.ffconcat").write_text(
        "ffconcat version 1.0\n" + "".join(
            f"file g{number:02}.png\nduration {delay}\n"
            for number, delay in enumerate((0.1, 0.5, 0.05, 0.2, 1.5), 1)
        )
    )  # fmt: skip
    for name in ("a.gif", "a.apng"):
        ffmpeg("-i", at / "delays.ffconcat", "-fps_mode passthrough -enc_time_base 1/100 -plays 0", at / name)


ROWS = [
    # plain containers and encoders
    f"-i @base.mkv -vf N {X} OUT.mkv",
    f"-i @base.mkv -vf N {X264} OUT.mp4",
    f"-i @base.mkv -vf N {X} -an OUT.ts",
    "-i @base.mkv -vf N -c:v libvpx -deadline realtime -an OUT.webm",
    f"-i @base.mkv -vf N {MPEG4} OUT.avi",
    f"-i @base.mkv -vf N {MPEG4} OUT.mkv",
    "-i @base.mkv -vf N OUT.y4m",
    "-i @base.mkv -vf N -f framecrc -c:v rawvideo -an -t 0 OUT.crc",
    f"-i @n.mp4 -vf N {X} OUT.mp4",
    f"-i @fast.mp4 -vf N {X} OUT.mp4 {X} -vf null OUT2.mp4",
    f"-i @fast.mp4 -vf scale=320:240,N {X} OUT.mp4",
    f"-i @faster.mp4 -vf N {X} OUT.mp4 {X} -vf null OUT2.mkv",
    f"-ss 0.0105 -i @faster.mp4 -vf N {X} OUT.mkv",
    f"-i @b.avi -vf N {X} OUT.mp4",
    f"-i @av.ts -vf N {X} -c:a copy OUT.mkv",
    f"-i @mono.ts -vf N {X} OUT.mp4",
    # other containers: rates that FFmpeg makes even, pictures that are equal, two streams of one size
    "-i @base.mkv -vf N -c:v libtheora -an OUT.ogv",
    "-i @late.mkv -vf N -an OUT.m2v",
    "-i @still.mkv -vf N -c:v libtheora OUT.ogg",
    "-i @still.mkv -vf N OUT.webp",
    "-i @base.mkv -vf N -c:v libaom-av1 -cpu-used 8 -an OUT.avif",
    "-i @base.mkv -vf N -c:v libvpx -deadline realtime OUT.ivf",
    f"-i @base.mkv -vf N {X264} OUT.264",
    "-i @base.mkv -vf N -c:a aac OUT.flv",
    "-i @base.mkv -vf N -an OUT.wmv",
    f"-i @last.mp4 -vf N {X} OUT.3gp",
    "-i @base.mkv -vf N -an OUT.vob",
    # variable rates, equal and backward times, times before zero
    f"-i @last.mp4 -vf N {MPEG4} OUT.avi",
    f"-i @last.mp4 -vf N {MPEG4} OUT.mkv",
    "-i @last.mp4 -vf N OUT.y4m",
    f"-i @last.mp4 -vf N {X} OUT.mp4",
    f"-i @last.mp4 -vf N {X} OUT.mkv",
    f"-i @last.mp4 -vf N {X} -r 10 OUT.mp4",
    f"-i @same.mp4 -vf N {X} OUT.mp4",
    f"-i @same.mp4 -vf N {X} -fps_mode passthrough OUT.mkv",
    f"-i @cut.ffconcat -vf N {X} OUT.mkv",
    f"-i @key.mkv -vf setpts=floor(PTS*TB*5)/5/TB,N {X} OUT.mkv",
    f"-i @key.mkv -vf setpts=PTS-0.35/TB,N {X} OUT.mkv",
    f"-i @key.mkv -vf setpts=4/TB-PTS,N {X} OUT.mkv",
    f"-noaccurate_seek -ss 1 -i @key.mkv -vf N {X} OUT.mkv",
    # closed captions, frame packing and key frames of the source
    f"-i @packed.mkv -vf N {X} -g 3 OUT.mkv",
    f"-i @packed.mkv -vf N {X} -g 3 OUT.ts",
    f"-i @packed.mkv -filter_complex [0:v]N[v] -map [v] {X} -g 3 OUT.mp4",
    f"-i @cc.ts -vf N {X} OUT.mkv",
    f"-i @cc.ts -vf N {X264} -bf 2 OUT.mp4",
    f"-i @ad.ts -vf N {X} OUT.mkv",
    f"-i @ads.ffconcat -vf N {X} OUT.ts",
    f"-i @cc.ts -vf format=nv12,N {X} OUT.ts",
    f"-i @cc.ts -vf format=yuv422p10,N {X} OUT.mkv",
    f"-i @cc.ts -i @base.mkv -map 0:v -map 1:a -vf N -filter:a volume=0.5 {X} -c:a aac OUT.mkv",
    "-i @base.mkv -i @cc.ts -map 0:v -c:v:0 copy -map 1:v -filter:v:1 N -c:v:1 libx264 -preset ultrafast OUT.mkv",
    f"-i @cc.ts -vf N,framestep=2 {X} OUT.ts",
    f"-i @cc.ts -filter_complex [0:v]hflip,N[v] -map [v] {X} OUT.mkv",
    f"-i @cc.ts -filter_complex [0:v]N,split[a][b] -map [a] {X} OUT.mkv -map [b] {X} -r 5 OUT2.mkv",
    f"-ss 0.35 -i @cc.ts -vf N {X} -t 0.5 OUT.mkv",
    f"-ss 0.38 -i @cc.ts -vf N {X} -t 0.5 OUT.mp4",
    f"-i @cc.ts -vf setpts=PTS-0.2/TB,N {X} -metadata:s:v language=eng OUT.mkv",
    f"-i @key.mkv -vf N {X} -g 1000 -force_key_frames source OUT.mkv",
    f"-i @key.mkv -vf setpts=PTS,N,framestep=2 {X} -g 1000 -force_key_frames source OUT.mkv",
    f"-i @disp.mkv -vf N {X} -force_key_frames source OUT.mkv",
    f"-i @same.mp4 -vf N {X} -force_key_frames source OUT.mp4",
    f"-i @last.mp4 -vf N {MPEG4} -force_key_frames source OUT.avi",
    # a size that changes, pixels of an odd shape
    f"-i @sizes.ts -vf N {X} -g 1000 -force_key_frames source OUT.mkv",
    f"-i @sizes.ts -filter_complex [0:v]N[v] -map [v] {X} -g 1000 -force_key_frames source OUT.mkv",
    f"-i @base.mkv -vf setsar=322/363:max=400,N {X} OUT.mkv",
    # animations, stills, sequences
    "-i @a.gif -vf N OUT.gif",
    "-i @a.gif -vf N OUT.apng",
    "-i @a.apng -vf N OUT.apng",
    f"-i @a.gif -vf N {X} OUT.mkv",
    f"-i @a.gif -vf N {X} -pix_fmt yuv420p OUT.mp4",
    "-framerate 5 -pattern_type glob -i @g*.png -vf N -pix_fmt yuv444p OUT.y4m",
    f"-framerate 5 -i @g%02d.png -vf N {X} OUT.mp4",
    f"-r 7 -i @g%02d.png -vf N {X} OUT.mkv",
    "-i @g01.png -vf N OUT.png",
    "-i @base.mkv -vf N -update 1 OUT.png",
    f"-loop 1 -t 1 -i @g01.png -vf N {X} OUT.mp4",
    f"-f concat -safe 0 -i @stills.ffconcat -vf N {X} OUT.mp4",
    f"-f concat -safe 0 -i @stills.ffconcat -vf N {X} -r 10 OUT.mkv",
    "-i @clip.y4m -vf N OUT.y4m",
    # filters before that change times or rates
    f"-i @il.ts -vf bwdif,N {X} OUT.mkv",
    f"-i @il.ts -vf bwdif=1,N,setpts=PTS {X} OUT.mkv",
    f"-i @fast.mp4 -vf bwdif=1,N {X} OUT.mp4",
    f"-i @base.mkv -vf fps=20,N {X} OUT.mkv",
    f"-i @base.mkv -vf framestep=2,N {X} OUT.mp4",
    f"-i @base.mkv -vf framestep=3,N {MPEG4} OUT.avi",
    f"-i @base.mkv -vf decimate,N {X} OUT.mkv",
    f"-i @base.mkv -vf setpts=PTS,N {X} OUT.mkv",
    f"-i @base.mkv -vf setpts=2*PTS,N {X} OUT.mp4",
    f"-i @last.mp4 -vf setpts=2*PTS,N {X} OUT.mkv",
    "-i @a.gif -vf setpts=PTS,N OUT.gif",
    f"-i @base.mkv -vf settb=1/1000,N {X} OUT.mp4",
    f"-i @base.mkv -vf setpts=PTS,N,fps=10 {X} OUT.mkv",
    f"-i @mono.ts -vf untile=2x1,N {X} OUT.264",
    f"-i @base.mkv -vf tpad=stop=5,N {X} OUT.mkv",
    f"-i @base.mkv -vf loop=1:3:2,N {X} OUT.mp4",
    f"-i @base.mkv -vf select='not(mod(n\\,3))',N {X} OUT.mkv",
    f"-i @base.mkv -vf trim=0.3:0.8,N {X} OUT.mp4",
    f"-i @base.mkv -vf reverse,N {X} OUT.mkv",
    f"-i @base.mkv -vf minterpolate=15,N {X} OUT.mkv",
    f"-i @last.mp4 -vf fps=10,N {X} OUT.mkv",
    f"-i @n.mp4 -filter_complex [0:v][0:v]concat,N[v] -map [v] {X} OUT.mkv",
    f"-i @base.mkv -i @audio.mkv -lavfi [0][0:a][1:v][1:a]concat=a=1[v][a];[v]N[u] -map [u] -map [a] {X} OUT.mkv",
    f"-ss 0.3 -i @key.mkv -filter_complex [0:v]split[a][b];[a]N[u];[b]scale=iw*2:-1[s];[u][s]hstack {X} OUT.mkv",
    f"-i @disp.mkv -vf split[a][b];[b]N[u];[a]scale=iw*2:-1[s];[s][u]hstack {X} -metadata:s:v language=eng OUT.mkv",
    f"-ss 0.3 -i @last.mp4 -vf hflip,split[a],N[u];[a]scale=iw*2:-1[s];[u][s]hstack[v] {X} OUT.mp4",
    f"-i @cc.ts -vf split[a][b];[b]N[u];[a]scale=iw*2:-1[s];[u][s]hstack {X} OUT.ts",
    "-i @a.gif -vf split[a][b];[a]palettegen[p];[b]N[u];[u][p]paletteuse OUT.gif",
    f"-i @base.mkv -filter_complex [0:v]interleave=1,N[v] -map [v] {X} OUT.mkv",
    # and behind
    f"-i @last.mp4 -vf N,fps=10 {X} OUT.mkv",
    f"-i @last.mp4 -vf N,tpad=stop=3 {X} OUT.mkv",
    f"-i @base.mkv -vf N,setpts=0.5*PTS {X} OUT.mp4",
    f"-i @base.mkv -vf N,framestep=2 {X} OUT.mp4",
    f"-i @base.mkv -vf N,minterpolate=15 {X} OUT.mkv",
    f"-i @base.mkv -filter_complex [0:v]N,split[a][b] -map [a] {X} OUT.mkv -map [b] {X} -r 5 OUT2.mkv",
    # and beside -dec, which decodes an output again, from FFmpeg 7 on
    f"-i @base.mkv -map 0:v -c:v mpeg4 -vf N OUT.avi -dec 0:0 -lavfi [dec:0]hflip[h] -map [h] -map 0:a {X} OUT2.mkv",
    *[
        f"-t 0.5 -i @key.mkv -i @mono.ts -filter_complex [0:v]N[u];[u][1:v]overlay=5:5{ending}[v] -map [v] {X} OUT.mp4"
        for ending in ("", ":shortest=1")
    ],
    f"-i @key.mkv -i @mono.ts -filter_complex [0:v]N[u];[u][1:v]overlay=5:5:shortest=1[v] -map [v] {X} OUT.mp4",
    # options of inputs
    f"-r 20 -i @base.mkv -vf N {X} OUT.mkv",
    f"-an -i @base.mkv -vf N {X} OUT.mkv",
    f"-vn -i @base.mkv -discard:a all -i @audio.mkv -vf N {X} OUT.mkv",
    f"-stream_loop 2 -i @base.mkv -vf N {X} -an OUT.mkv",
    *[
        f"-stream_loop 2 -i @{name}.mkv -vf N {X} -c:a {codec} OUT.mkv"
        for name in ("audio", "video")
        for codec in ("copy", "flac")
    ],
    f"-stream_loop -1 -i @audio.mkv -vf N {X} -c:a copy -t 1.8 OUT.mkv",
    f"-stream_loop -1 -i @audio.mkv -i @base.mkv -map 0 -map 1:a -vf N {X} -c:a copy -shortest OUT.mkv",
    f"-copyts -ss 0.35 -i @base.mkv -vf N {X} OUT.mkv",
    f"-copyts -start_at_zero -i @base.mkv -vf N {X} OUT.mkv",
    f"-copyts -start_at_zero -ss 0.35 -i @base.mkv -vf N {X} OUT.mkv",
    f"-ss 0.35 -i @base.mkv -vf N {X} OUT.mkv",
    f"-sseof -0.55 -i @base.mkv -vf N {X} OUT.mkv",
    f"-copyts -start_at_zero -sseof -0.55 -i @base.mkv -vf N {X} -c:a flac OUT.mkv",
    f"-ss 0.2 -to 0.7 -i @base.mkv -vf N {X} OUT.mkv",
    f"-t 0.5 -i @base.mkv -vf N {X} OUT.avi",
    f"-itsoffset 0.7 -i @base.mkv -vf N {X} OUT.mkv",
    f"-itsoffset 0.7 -i @mono.ts -vf N {MPEG4} OUT.avi",
    f"-itsscale 1.5 -i @base.mkv -vf N {X} -an OUT.mkv",
    # and of outputs
    *[f"-i @last.mp4 -vf N {X} -fps_mode {mode} OUT.mkv" for mode in ("cfr", "vfr", "passthrough")],
    f"-i @last.mp4 -vf N {X} -enc_time_base 1/1000 OUT.mp4",
    f"-i @base.mkv -vf N {X} -c:a flac -enc_time_base demux OUT.mkv",
    f"-i @n.mp4 -filter_complex [0:v]hflip,N[v] -map [v] {X} -enc_time_base demux OUT.mp4",
    f"-i @base.mkv -vf N {X} -video_track_timescale 90000 OUT.mp4",
    f"-i @base.mkv -vf N {X} -an -ss 0.35 -t 0.4 OUT.mkv",
    f"-i @base.mkv -vf N {X} -r 25 OUT.mkv",
    f"-i @base.mkv -vf N {X} -an -frames:v 3 OUT.mkv",
    f"-i @base.mkv -vf N {X} -force_key_frames expr:gte(t,n_forced*0.3) OUT.mkv",
    f"-i @base.mkv -vf N {X} -force_key_frames 0.2,0.55 OUT.mkv",
    f"-i @key.mkv -i @base.mkv -map 0:v -map 1:a -vf N {X} -shortest OUT.mkv",
    "-i @base.mkv -vf N -c:v mjpeg -threads 1 -q 2 -an -fs 9k OUT.mkv",  # threads: varying length
    f"-i @base.mkv -vf N {X} -g 3 -f hls -hls_time 0.3 OUT.m3u8",
    f"-i @base.mkv -vf N {X} -g 3 -f segment -segment_time 0.3 OUT%02d.mkv",
    f"-i @base.mkv -map 0 -vf N {X} -c:a aac -flags +global_header -f tee OUT.mkv|OUT2.mp4",
    f"-i @disp.mkv -vf N {X} OUT.mkv",
]  # fmt: skip
"""Commands, in which `N` is the filter, `@` the folder of inputs, and `OUT` begins the names of outputs."""
_SPLIT_LATE = f"-ss 0.3 -i @last.mp4 -vf hflip,split[a],N[u];[a]scale=iw*2:-1[s];[u][s]hstack[v] {X} OUT.mp4"
_LONGER_SOUND = f"-stream_loop -1 -i @audio.mkv -i @base.mkv -map 0 -map 1:a -vf N {X} -c:a copy -shortest OUT.mkv"
KNOWN = {("5.1", _SPLIT_LATE), ("7", _SPLIT_LATE), ("5.1", _LONGER_SOUND)}
"""Releases and commands that are not alike: split videos begin late, and copied sound ends elsewhere."""


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("release", ["5.1", "7", "9"])
def test_packets_are_those_of_ffmpeg(
    release: str,
    row: str,
    inputs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    if (release, row) in KNOWN:
        request.applymarker(pytest.mark.xfail(strict=True))
    monkeypatch.setenv(binary.ENVIRONMENT_VARIABLE, program(release))
    plain, ours = both(program(release), row, inputs, tmp_path)
    assert ours == plain

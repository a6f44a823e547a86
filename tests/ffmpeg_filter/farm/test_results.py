"""A farm's film is the film of one machine: the same pictures at the same times, and the same beside them."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from ffmpeg_filter.farm.job_context import ffmpeg_build
from ffmpeg_filter.media.binary import find_binary
from ffmpeg_filter.transcode.stream_side_data import ROTATION_OPTION
from tests.ffmpeg_filter.farms import TEMPORAL, farm, farmed, hashes, pictures, recipe, source
from tests.ffmpeg_filter.files import FFMPEG, copied, decoded, ffadcvsr, ffmpeg, streams, times
from vsadcvsr.farm.store.job import Job

pytestmark = pytest.mark.usefixtures("in_tmp_path")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures that go back and forth in time (B), and a sound."""
    return source(tmp_path_factory.mktemp("clip") / "clip.mp4", "-c:v libx264 -g 20 -bf 3 -b_strategy 0 -c:a aac")


def both(command: list[str | Path], suffix: str = ".mkv") -> tuple[Path, Path, Job]:
    """The output of one machine, and that of a farm."""
    single, chunked = Path(f"one{suffix}"), Path(f"many{suffix}")
    assert ffadcvsr(*command, single) == 0
    return single, chunked, farmed(Path("job"), *command, chunked)


def test_the_pictures_without_loss_are_those_of_one_machine(clip: Path) -> None:
    single, chunked, job = both(["-i", clip, f"-vf {TEMPORAL} -c:v ffv1 -c:a copy"])
    assert recipe(job.folder)["mode"] == "direct"
    assert len(job.chunks) == 3
    assert hashes(chunked) == hashes(single)
    assert copied(chunked) == copied(single)


def test_chunks_read_as_many_frames_more_as_the_network_looks_at(clip: Path) -> None:
    assert farm("plan", Path("job"), "--chunk-seconds 0.4 -- -i", clip, f"-vf {TEMPORAL} -c:v ffv1 many.mkv") == 0
    assert [(chunk.first, chunk.last) for chunk in Job.read(Path("job")).chunks] == [(0, 12), (8, 22), (18, 30)]


def test_encoded_as_one_video_the_very_packets_are_those_of_one_machine(clip: Path) -> None:
    command: list[str | Path] = [
        "-i",
        clip,
        f"-vf {TEMPORAL} -c:v libx264 -threads 1 -crf 30 -c:a copy -farm_intermediate ffv1",
    ]
    single, chunked, job = both(command, ".mp4")
    assert recipe(job.folder)["mode"] == "lossless"
    assert copied(chunked, "v") == copied(single, "v")
    assert copied(chunked) == copied(single)


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".mov"])
def test_chunks_of_x264_are_joined_at_the_times_of_one_machine(clip: Path, suffix: str) -> None:
    single, chunked, job = both(["-i", clip, f"-vf {TEMPORAL} -c:v libx264 -crf 25 -bf 3 -c:a copy"], suffix)
    assert recipe(job.folder)["mode"] == "direct"
    assert times(chunked) == times(single)
    assert copied(chunked) == copied(single)
    assert _decoding_rises(chunked)


def test_chunks_of_x265_in_10_bit_are_joined_at_the_times_of_one_machine(clip: Path) -> None:
    more = "-c:v libx265 -crf 30 -preset ultrafast -x265-params log-level=error:bframes=3:open-gop=1 -tag:v hvc1 -an"
    single, chunked, _ = both(["-i", clip, f"-vf {TEMPORAL},format=yuv420p10le", more], ".mp4")
    assert times(chunked) == times(single)
    assert len(pictures(chunked)) == 30
    assert _decoding_rises(chunked)


@pytest.mark.parametrize(("profile", "tag"), [("0", "apco"), ("2", "apcn"), ("4", "ap4h")])
def test_prores_has_the_tag_of_its_profile(clip: Path, profile: str, tag: str) -> None:
    single, chunked, job = both(["-i", clip, f"-vf {TEMPORAL} -c:v prores_ks -profile:v {profile}"], ".mov")
    assert recipe(job.folder)["mode"] == "direct"
    assert [_tag(path) for path in (single, chunked)] == [tag, tag]
    assert hashes(chunked) == hashes(single)


def _tag(path: Path) -> str:
    with av.open(str(path)) as file:
        return file.streams.video[0].codec_context.codec_tag


def test_each_chunk_of_x264_decodes_to_what_encoding_it_alone_gives(clip: Path) -> None:
    quality = "-c:v libx264 -crf 25 -threads 4"
    ffadcvsr("-i", clip, f"-vf {TEMPORAL} -c:v ffv1 -an exact.mkv")
    job = farmed(Path("job"), "-i", clip, f"-vf {TEMPORAL} {quality} -an many.mkv")
    alone: list[str] = []
    for chunk in job.chunks:
        cut = f"trim=start_frame={chunk.begin}:end_frame={chunk.end},setpts=PTS-STARTPTS"
        ffmpeg(f"-i exact.mkv -vf {cut} {quality} -fps_mode passthrough -enc_time_base 1/12800 alone.mkv")
        alone += pictures(Path("alone.mkv"))
    assert pictures(Path("many.mkv")) == alone


LIBAVUTIL_OF_6 = 58


@pytest.mark.parametrize(("kept", "suffix"), [("-copyts", ".mp4"), ("-copyts -start_at_zero", ".mkv")])
def test_times_that_are_kept_are_those_of_one_machine(clip: Path, kept: str, suffix: str) -> None:
    ffmpeg("-itsoffset 0.5 -i", clip, "-i", clip, "-map 0:v -map 1:a -c copy late.mp4")
    single, chunked, job = both([kept, "-i late.mp4", f"-vf {TEMPORAL} -c:v libx264 -c:a copy"], suffix)
    is_old = find_binary().version[0] < LIBAVUTIL_OF_6 and suffix == ".mp4"
    assert recipe(job.folder)["mode"] == ("lossless" if is_old else "direct")  # FFmpeg 5.1 fails the plan's trial
    assert times(single)[0] >= 0.5
    assert times(chunked) == times(single)


def test_the_report_of_ffmpeg_is_that_of_the_merge(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = Path("report.txt")
    monkeypatch.setenv("FFREPORT", f"file={report}:level=32")
    ffmpeg_build.cache_clear()
    assert farm("plan", Path("job"), "-- -i", clip, f"-vf {TEMPORAL} -c:v libx264 -an many.mkv") == 0
    assert farm("work", Path("job")) == 0
    assert not report.exists()
    assert farm("merge", Path("job")) == 0
    assert "many.adcvsr-part.mkv" in report.read_text()


def test_what_looks_at_other_frames_is_done_at_the_merge(clip: Path) -> None:
    single, chunked, job = both(["-i", clip, f"-vf {TEMPORAL},tmix=frames=3,fps=10 -c:v ffv1 -c:a copy -shortest"])
    assert "timestamps are changed" in str(recipe(job.folder)["reason"])
    assert hashes(chunked) == hashes(single)
    assert copied(chunked) == copied(single)


def test_two_passes_are_made_of_the_same_pictures(clip: Path) -> None:
    rate = f"-vf {TEMPORAL} -c:v libx264 -threads 1 -b:v 100k -an"
    assert ffadcvsr("-i", clip, rate, "-pass 1 first.mkv") == 0
    assert ffadcvsr("-i", clip, rate, "-pass 2 one.mkv") == 0
    farmed(Path("job"), "-i", clip, rate, "-pass 2 many.mkv")
    assert copied(Path("many.mkv"), "v") == copied(Path("one.mkv"), "v")


def test_the_first_of_two_passes_is_not_a_job_of_its_own(clip: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert farm("plan", Path("job"), "-- -i", clip, f"-vf {TEMPORAL} -c:v libx264 -b:v 9k -pass 1 -f null -") == 64
    assert "-pass 1 cannot be used on a farm; give -pass 2" in capfd.readouterr().err


def test_a_graph_of_several_inputs_is_farmed_too(clip: Path) -> None:
    graph = f"[0:v]{TEMPORAL}[u];[u][1:v]overlay=4:4[v]"
    ffmpeg("-f lavfi -i color=red:s=16x16 -frames:v 1 logo.png")
    single, chunked, _ = both(
        ["-i", clip, "-i logo.png -filter_complex", graph, "-map [v] -map 0:a -c:v ffv1 -c:a copy"]
    )
    assert hashes(chunked) == hashes(single)
    assert copied(chunked) == copied(single)


def test_subtitles_chapters_attachments_and_tags_are_the_sources(clip: Path) -> None:
    Path("words.srt").write_text("1\n00:00:00,100 --> 00:00:01,000\nhello\n")
    Path("tags.txt").write_text(";FFMETADATA1\ntitle=a film\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=900\ntitle=one\n")
    add = "-i words.srt -i tags.txt -map 0 -map 1 -map_metadata 2 -map_chapters 2 -attach words.srt"
    ffmpeg("-i", clip, add, "-metadata:s:t mimetype=text/plain -metadata:s:a language=deu -c copy -c:s srt full.mkv")
    single, chunked, _ = both([f"-i full.mkv -map 0 -vf {TEMPORAL} -c copy -c:v libx264"])
    assert streams(chunked) == streams(single)
    assert len(streams(single)) == 4
    assert _described(chunked) == _described(single)
    assert copied(chunked, "s") == copied(single, "s")


def test_the_shape_and_the_colours_of_pictures_are_kept(clip: Path) -> None:
    tagged = "setsar=4/3,setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709"
    single, chunked, _ = both(["-i", clip, f"-vf {tagged},{TEMPORAL} -c:v ffv1 -an"])
    assert _shown(chunked) == _shown(single)
    assert _shown(single)[0] == "4/3"
    assert _shown(single)[2] == 1


@pytest.mark.parametrize("encoder", ["libx264", "libx264 -b:v 90k"])
def test_a_rotation_that_is_left_to_players_is_kept(
    clip: Path, encoder: str, capfd: pytest.CaptureFixture[str]
) -> None:
    if find_binary().version < ROTATION_OPTION:
        pytest.skip("this FFmpeg has no option that states a rotation")
    ffmpeg("-display_rotation 90 -i", clip, "-c copy turned.mp4")
    _, chunked, _ = both(["-noautorotate", "-i", Path("turned.mp4"), f"-vf {TEMPORAL} -c:v {encoder}"], ".mp4")
    frames = decoded(chunked)
    assert {(frame.width, frame.height, frame.rotation) for frame in frames} == {(128, 96, 90)}
    assert "display matrix" not in capfd.readouterr().err


def test_a_video_of_one_frame_is_farmed(clip: Path) -> None:
    ffmpeg("-i", clip, "-frames:v 1 -an still.mkv")
    single, chunked, job = both([f"-i still.mkv -vf {TEMPORAL} -c:v libx264"])
    assert len(job.chunks) == 1
    assert times(chunked) == times(single)


def test_the_plain_upscale_elsewhere_is_counted_from_the_beginning_of_the_video(clip: Path) -> None:
    single, chunked, _ = both(
        ["-i", clip, "-vf", r"adcvsr=model=nearest:scale=2:enable='between(n\,15\,35)'", "-c:v ffv1 -an"]
    )
    assert hashes(chunked) == hashes(single)


@pytest.mark.parametrize(("model", "warm_up"), [("fast", 2), ("base", 2)])
def test_the_shipped_networks_make_the_same_bits_in_chunks(clip: Path, model: str, warm_up: int) -> None:
    single, chunked, job = both(["-i", clip, f"-vf adcvsr={model}:scale=2:backend=ort:threads=1 -c:v ffv1 -an"])
    assert job.chunks[1].begin - job.chunks[1].first == warm_up
    assert hashes(chunked) == hashes(single)


def _decoding_rises(path: Path) -> bool:
    with av.open(str(path)) as file:
        packets = [packet for packet in file.demux(video=0) if packet.size]
    dts = [packet.dts for packet in packets if packet.dts is not None]
    in_time = all(packet.dts <= packet.pts for packet in packets if packet.dts is not None and packet.pts is not None)
    return in_time and sorted(set(dts)) == dts


def _described(path: Path) -> tuple[object, ...]:
    with av.open(str(path)) as file:
        tags = [{name: tag for name, tag in stream.metadata.items() if name != "ENCODER"} for stream in file.streams]
        return file.metadata, file.chapters(), tags, [int(stream.disposition) for stream in file.streams]


def _shown(path: Path) -> tuple[object, ...]:
    with av.open(str(path)) as file:
        stream, context = file.streams.video[0], file.streams.video[0].codec_context
        return (
            str(stream.sample_aspect_ratio), context.color_range, context.colorspace, context.color_primaries,
            context.color_trc, str(stream.average_rate),
        )  # fmt: skip


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
@pytest.mark.parametrize("rate", ["10", "30000/1001"])
def test_chunks_of_x264_state_rates_and_durations_as_one_machine_does(rate: str, suffix: str) -> None:
    """Also those in the bitstream: an encoder that counts in the ticks of the source notes another rate."""
    pictures = f"testsrc2=s=64x48:r={rate}:d=1.2"
    clip = source(Path("clip.mp4"), "-c:v libx264 -c:a aac", pictures=pictures)
    single, chunked, job = both(["-i", clip, "-vf adcvsr=model=nearest:scale=2 -c:v libx264 -c:a copy"], suffix)
    assert recipe(job.folder)["mode"] == "direct"
    assert len(job.chunks) > 1
    assert facts(chunked) == facts(single)


def facts(path: Path) -> list[str]:
    """Of the first video stream its clock and rates, and of each frame its time and duration."""
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        head = [f"{stream.time_base} {stream.average_rate} {stream.base_rate} {stream.codec_context.framerate}"]
        packets = [f"{packet.pts} {packet.duration}" for packet in file.demux(stream) if packet.size]
    return head + sorted(packets)


@pytest.mark.parametrize("encoder", ["libx264 -bf 3 -b_strategy 0", "libx265 -x265-params log-level=error:b-adapt=0"])
def test_frames_at_uneven_times_are_decoded_when_one_machine_decodes_them(
    encoder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADCVSR_FFMPEG", FFMPEG)  # older ones fill the gaps of an MP4
    uneven = "testsrc2=s=64x48:r=25:d=1.2,select=not(eq(mod(n\\,5)\\,1))"
    clip = source(Path("clip.mkv"), "-c:v ffv1 -an -fps_mode vfr", pictures=uneven)
    single, chunked, job = both(["-i", clip, f"-vf {TEMPORAL} -c:v {encoder}"], ".mp4")
    assert recipe(job.folder)["mode"] == "direct"
    assert _decoded_at(chunked) == _decoded_at(single)


def _decoded_at(path: Path) -> list[int | None]:
    with av.open(str(path)) as file:
        return [packet.dts for packet in file.demux(video=0) if packet.size]

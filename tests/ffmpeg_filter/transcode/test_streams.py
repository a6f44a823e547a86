"""Whole commands: colour, pixel formats and other streams come through."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests.ffmpeg_filter.files import (
    NEAREST,
    PICTURES,
    SOUND,
    alike,
    copied,
    decoded,
    ffadcvsr,
    ffmpeg,
    planes,
    streams,
)

TAGS = ("color_range", "color_primaries", "color_trc", "colorspace")


@pytest.mark.parametrize(
    ("format", "tags"),
    [
        ("yuv420p", "range=pc:color_primaries=bt709:color_trc=bt709:colorspace=bt709"),
        ("yuv422p", "range=tv:color_primaries=smpte170m:color_trc=smpte170m:colorspace=smpte170m"),
        ("yuv420p10le", "range=tv:color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc"),
        ("yuv420p", ""),
    ],
)
@pytest.mark.parametrize("codec", ["libx264", "ffv1"])
def test_colour_tags_and_depth_come_through(format: str, tags: str, codec: str, out: Path, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mkv"
    params = f",setparams={tags}" if tags else ""
    ffmpeg("-f lavfi -i", f"testsrc2=s=64x48:r=25:d=0.12,format={format}{params}", "-c:v ffv1", clip)
    assert ffadcvsr("-i", clip, f"-vf {NEAREST} -c:v", codec, out) == 0
    with av.open(str(clip)) as before, av.open(str(out)) as after:
        actual, wanted = after.streams.video[0].codec_context, before.streams.video[0].codec_context
        assert actual.pix_fmt == wanted.pix_fmt == format
        expected = [getattr(wanted, tag) for tag in TAGS]
        assert [getattr(actual, tag) for tag in TAGS] in (expected, [expected[0] or 1, *expected[1:3], expected[3]])


def test_a_frame_that_names_no_matrix_gets_no_other_pixels(out: Path, clip: Path, tmp_path: Path) -> None:
    named = tmp_path / "named.mkv"
    assert ffadcvsr("-i", clip, f"-vf {NEAREST} -an -c:v ffv1", out) == 0
    assert ffadcvsr("-i", clip, f"-vf setparams=colorspace=smpte170m,{NEAREST} -an -c:v ffv1", named) == 0
    assert alike(out, named)


def test_ten_bits_are_not_eight_in_between(out: Path, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mkv"
    ffmpeg("-f lavfi -i", "gradients=s=64x48:d=0.04:r=25,format=yuv420p10le", "-c:v ffv1", clip)
    assert ffadcvsr("-i", clip, f"-vf {NEAREST} -c:v ffv1", out) == 0
    assert len(np.unique(planes(out)[0][0] % 4)) == 4


@pytest.mark.parametrize(
    ("format", "codec"),
    [("yuva420p", "ffv1"), ("gray", "ffv1"), ("gray10le", "ffv1"), ("gbrp10le", "ffv1"), ("bgra", "ffv1"),
     ("rgb24", "png"), ("rgba64be", "png"), ("yuv444p12le", "ffv1"), ("yuv410p", "ffv1")],
)  # fmt: skip
def test_pixel_formats_are_kept(format: str, codec: str, out: Path, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mkv"
    ffmpeg("-f lavfi -i testsrc2=s=64x48:r=25:d=0.08", f"-pix_fmt {format} -c:v {codec}", clip)
    assert ffadcvsr("-i", clip, f"-vf {NEAREST} -c:v {codec}", out) == 0
    assert [frame.format.name for frame in decoded(out)] == [format] * 2
    assert decoded(out)[0].width == 128


@pytest.mark.parametrize("codec", ["libx264 -crf 10", "libx264rgb -crf 10", "ffv1", "ffv1 -pix_fmt yuv444p"])
def test_rgb_pictures_keep_their_colours_whatever_an_encoder_makes_of_them(
    codec: str, out: Path, tmp_path: Path
) -> None:
    clip = tmp_path / "clip.mkv"
    ffmpeg("-f lavfi -i testsrc2=s=64x48:r=25:d=0.08,format=gbrp -c:v ffv1", clip)
    assert ffadcvsr("-i", clip, f"-vf {NEAREST} -c:v {codec}", out) == 0
    first, second = (decoded(path)[0].to_ndarray(format="rgb24").mean((0, 1)) for path in (clip, out))
    assert np.abs(first - second).max() < 1


def test_alpha_is_enlarged_plainly(out: Path, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mkv"
    half = "color=red:s=64x48:r=25:d=0.08,format=yuva420p,geq=lum=100:cb=100:cr=100:a=255*gt(X\\,31)"
    ffmpeg("-f lavfi -i", half, "-c:v ffv1", clip)
    assert ffadcvsr("-i", clip, f"-vf {NEAREST} -c:v ffv1", out) == 0
    alpha = planes(out)[0][3]
    assert (alpha[:, :56] == 0).all()
    assert (alpha[:, 72:] == 255).all()


def test_the_shape_of_pixels_is_kept(out: Path, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mkv"
    ffmpeg(PICTURES, "-vf setsar=16/15 -c:v ffv1", clip)
    assert ffadcvsr("-i", clip, f"-vf {NEAREST} -c:v ffv1", out) == 0
    with av.open(str(out)) as file:
        assert file.streams.video[0].sample_aspect_ratio == Fraction(16, 15)


@pytest.fixture
def rich(tmp_path: Path) -> Path:
    """A file with two sounds, subtitles, chapters, an attachment and words on all of them."""
    texts, chapters, font = tmp_path / "t.srt", tmp_path / "chapters.txt", tmp_path / "font.ttf"
    texts.write_text("1\n00:00:00,000 --> 00:00:00,200\nhello\n")
    chapters.write_text(
        ";FFMETADATA1\ntitle=Film\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=200\ntitle=One\n"
        "[CHAPTER]\nTIMEBASE=1/1000\nSTART=200\nEND=400\ntitle=Two\n"
    )
    font.write_bytes(b"glyphs")
    path = tmp_path / "rich.mkv"
    ffmpeg(PICTURES, SOUND, "-f lavfi -i sine=200:d=0.4 -i", texts, "-i", chapters,
           "-map 0 -map 1 -map 2 -map 3 -map_metadata 4 -c:v ffv1 -c:a flac -c:s srt -metadata:s:a:1 language=jpn",
           "-metadata:s:v:0 title=Picture -disposition:a:1 default+comment -attach", font,
           "-metadata:s:t mimetype=font/ttf", path)  # fmt: skip
    return path


def test_everything_else_in_a_file_comes_along(rich: Path, out: Path) -> None:
    assert ffadcvsr("-i", rich, f"-vf {NEAREST} -map 0 -c copy -c:v ffv1", out) == 0
    assert streams(out) == streams(rich)
    assert streams(out) == ["video ffv1", "audio flac", "audio flac", "subtitle srt", "attachment"]
    assert copied(out) == copied(rich) != ""
    assert copied(out, "s") == copied(rich, "s") != ""
    with av.open(str(rich)) as before, av.open(str(out)) as after:
        assert after.chapters() == before.chapters()
        assert len(after.chapters()) == 2
        assert after.metadata["title"] == "Film"
        for first, second in zip(before.streams, after.streams, strict=True):
            assert second.disposition == first.disposition
            tags = {"title", "language", "filename", "mimetype"} & set(first.metadata)
            assert {name: second.metadata.get(name) for name in tags} == {name: first.metadata[name] for name in tags}

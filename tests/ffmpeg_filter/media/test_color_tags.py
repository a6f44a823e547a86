"""What the pipe loses is put back in the words of the encoder."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from ffmpeg_filter.media import color_tags
from ffmpeg_filter.media.showinfo import FrameInfo, Mastering

OLD, NEW = (59, 8), (61, 1)
PLAIN = FrameInfo(
    pts=0, duration=1, time_base=Fraction(1, 25), format="yuv420p", width=64, height=48, sar=Fraction(4, 3), field="P",
    location="topleft", range="tv", matrix="bt709", primaries="bt709", transfer="bt709",
)  # fmt: skip
DISPLAY = Mastering((0.68, 0.32), (0.265, 0.69), (0.15, 0.06), (0.3127, 0.329), 0.0001, 1000)
HDR10 = replace(PLAIN, transfer="smpte2084", mastering=DISPLAY, content_light=(1000, 400))


def test_colour_and_shape_are_put_back_by_filters() -> None:
    assert color_tags.filters(PLAIN, NEW) == [
        "setsar=4/3",
        "setparams=range=tv:colorspace=bt709:color_primaries=bt709:color_trc=bt709:chroma_location=topleft",
    ]


def test_the_shape_of_pixels_is_not_rounded() -> None:
    """FFmpeg's setsar would make 55/62 of it."""
    assert color_tags.filters(replace(PLAIN, sar=Fraction(322, 363)), NEW)[0] == "setsar=322/363:max=363"


@pytest.mark.parametrize(("field", "filters"), [("T", ["setfield=tff"]), ("B", ["setfield=bff"]), ("P", [])])
def test_interlaced_frames_are_marked_as_such(field: str, filters: list[str]) -> None:
    assert color_tags.filters(replace(PLAIN, field=field), NEW)[2:] == filters


def test_what_is_unknown_is_not_claimed() -> None:
    bare = replace(PLAIN, sar=None, location=None, range=None, matrix=None, primaries=None, transfer=None)
    assert color_tags.filters(bare, NEW) == []


def test_of_rgb_neither_matrix_nor_range_is_claimed_for_an_encoder_may_make_yuv_of_it() -> None:
    rgb = replace(PLAIN, format="gbrp", sar=None, location=None, range="pc", matrix="gbr")
    assert color_tags.filters(rgb, NEW) == ["setparams=color_primaries=bt709:color_trc=bt709"]


def test_older_releases_take_the_chroma_location_as_an_option() -> None:
    assert "chroma" not in color_tags.filters(PLAIN, OLD)[1]
    assert color_tags.encoder_options(PLAIN, "libx264", OLD) == ["-chroma_sample_location", "topleft"]
    assert color_tags.encoder_options(PLAIN, "libx264", NEW) == []


def test_hdr10_metadata_are_written_in_each_encoders_steps() -> None:
    assert color_tags.encoder_options(HDR10, "libx265", NEW) == [
        "-x265-params",
        (
            "hdr10=1:repeat-headers=1:master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)"
            "L(10000000,1):max-cll=1000,400"
        ),
    ]
    (_, svt) = color_tags.encoder_options(HDR10, "libsvtav1", NEW)
    assert svt == (
        "mastering-display=G(0.265,0.69)B(0.15,0.06)R(0.68,0.32)WP(0.3127,0.329)L(1000,0.0001):content-light=1000,400"
    )


def test_encoders_that_take_hdr10_metadata_from_frames_need_no_options() -> None:
    assert color_tags.encoder_options(HDR10, "libx265", NEW, is_graded=True) == []
    assert "-x265-params" in color_tags.encoder_options(HDR10, "libx265", (57, 28), is_graded=True)


@pytest.mark.parametrize(("codec", "is_lost"), [("libx264", True), ("libx265", False)])
def test_lost_metadata_is_warned_of(codec: str, is_lost: bool) -> None:
    assert len(color_tags.lost_metadata(HDR10)) == 1
    assert color_tags.lost_metadata(PLAIN) == []
    assert bool(color_tags.lost_grading(HDR10, codec)) is is_lost
    assert not color_tags.lost_grading(PLAIN, codec)

"""Frame properties: kept, and obeyed, frame by frame."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import vapoursynth as vs

from tests.plugin.clips import means, moving
from tests.restoring import write_pair
from vsadcvsr.plugin.formats import matrix_for

COLOURS = {
    "_Matrix": 9, "_Range": 1, "_Primaries": 9, "_Transfer": 16, "_ChromaLocation": 2, "_FieldBased": 0,
    "_SARNum": 64, "_SARDen": 45, "_AbsoluteTime": 1.5, "_PictType": "B", "_SceneChangePrev": 0, "_SceneChangeNext": 1,
    "_ColorSpace": 9, "mine": [1, 2, 3],
}  # fmt: skip


OURS = {
    "AdcVSRModel": "nearest", "AdcVSRScale": 4, "AdcVSRBackend": "nearest/cpu/fp32", "AdcVSRDenoise": 0.0,
    "AdcVSRSteady": 0.0, "AdcVSRSharpen": 0.0,
}  # fmt: skip


def flat(matrix: int, full: int, length: int = 3) -> vs.VideoNode:
    """One colour, described as told."""
    clip = vs.core.std.BlankClip(width=16, height=16, format=vs.YUV420P8, length=length, color=[110, 90, 160])
    return clip.std.SetFrameProps(_Matrix=matrix, _Range=full)


def test_every_property_of_the_source_is_kept() -> None:
    clip = moving(length=3).std.SetFrameProps(**COLOURS)
    upscaled = vs.core.adcvsr.Upscale(clip, model="nearest")
    assert dict(upscaled.get_frame(2).props) == {**clip.get_frame(2).props, **OURS}


def test_a_clip_without_properties_gets_the_matrix_that_was_used_and_no_other() -> None:
    clip = vs.core.std.BlankClip(width=16, height=16, format=vs.YUV420P8, length=1)
    upscaled = vs.core.adcvsr.Upscale(clip, model="nearest")
    assert dict(upscaled.get_frame(0).props) == {**clip.get_frame(0).props, **OURS, "_Matrix": 6}


def test_a_frame_says_what_made_it_last() -> None:
    twice = vs.core.adcvsr.Upscale(
        vs.core.adcvsr.Upscale(moving(length=1), model="fast", device="cpu"), model="nearest"
    )
    assert OURS.items() <= dict(twice.get_frame(0).props).items()
    fast = vs.core.adcvsr.Upscale(moving(length=1), backend="ort", device="cpu").get_frame(0).props
    assert (fast["AdcVSRModel"], fast["AdcVSRBackend"]) == ("fast", "ort/cpu/fp32")


def test_a_frame_says_how_far_it_was_restored(tmp_path: Path) -> None:
    model = write_pair(tmp_path)
    output = vs.core.adcvsr.Upscale(moving(length=1), model=str(model), denoise=0.25, device="cpu").get_frame(0)
    assert (output.props["AdcVSRModel"], output.props["AdcVSRDenoise"]) == ("tiny", 0.25)


def test_a_frame_says_how_steady_it_was_made() -> None:
    output = vs.core.adcvsr.Upscale(moving(length=1), model="nearest", steady=0.5).get_frame(0)
    assert output.props["AdcVSRSteady"] == 0.5


def test_a_frame_says_how_far_it_was_sharpened() -> None:
    output = vs.core.adcvsr.Upscale(moving(length=1), model="nearest", sharpen=0.5).get_frame(0)
    assert output.props["AdcVSRSharpen"] == 0.5


@pytest.mark.parametrize("matrix", [1, 4, 5, 6, 7, 8, 9])
@pytest.mark.parametrize("full", [0, 1])
def test_colours_come_back_in_every_matrix_and_range(matrix: int, full: int) -> None:
    upscaled = vs.core.adcvsr.Upscale(flat(matrix, full), model="nearest")
    assert [round(255 * value) for value in means(upscaled.get_frame(0))] == [110, 90, 160]


def test_descriptions_may_change_inside_a_clip() -> None:
    kinds = [(1, 0), (6, 1), (9, 0), (1, 1)]
    clip = vs.core.std.Splice([flat(*kind, length=1) for kind in kinds])
    upscaled = vs.core.adcvsr.Upscale(clip, model="nearest")
    for n, (matrix, full) in enumerate(kinds):
        with upscaled.get_frame(n) as frame:
            assert (frame.props["_Matrix"], frame.props["_Range"]) == (matrix, full)
            assert [round(255 * value) for value in means(frame)] == [110, 90, 160]


@pytest.mark.parametrize(("height", "matrix"), [(480, 6), (270, 6), (288, 5), (576, 5), (720, 1), (1080, 1), (2160, 1)])
def test_the_height_decides_where_there_is_no_matrix(height: int, matrix: int) -> None:
    assert matrix_for(height, None) == matrix


def rgb_mean(clip: vs.VideoNode) -> list[float]:
    return means(clip.get_frame(0))


@pytest.mark.parametrize("missing", [None, 0, 2])
def test_the_matrix_argument_is_for_frames_that_have_none(missing: int | None) -> None:
    bare = flat(1, 0).std.RemoveFrameProps("_Matrix")
    clip = bare if missing is None else bare.std.SetFrameProps(_Matrix=missing)
    upscaled = vs.core.adcvsr.Upscale(clip, model="nearest", matrix=9, format=vs.RGBS)
    known = vs.core.adcvsr.Upscale(flat(9, 0), model="nearest", matrix=1, format=vs.RGBS)
    assert rgb_mean(upscaled) == rgb_mean(known)


def test_the_colour_space_that_mpv_writes_is_read() -> None:
    clip = flat(1, 0).std.RemoveFrameProps("_Matrix").std.SetFrameProps(_ColorSpace=9)
    upscaled = vs.core.adcvsr.Upscale(clip, model="nearest", format=vs.RGBS)
    assert rgb_mean(upscaled) == rgb_mean(vs.core.adcvsr.Upscale(flat(9, 0), model="nearest", format=vs.RGBS))


def test_the_pixel_aspect_follows_a_change_of_shape() -> None:
    clip = moving(width=24, height=16, length=1).std.SetFrameProps(_SARNum=4, _SARDen=3)
    upscaled = vs.core.adcvsr.Upscale(clip, model="nearest", width=64, height=32)
    props = upscaled.get_frame(0).props
    assert props["_SARNum"] * 64 * 3 * 16 == props["_SARDen"] * 32 * 4 * 24


def test_interlaced_frames_are_refused_in_one_line() -> None:
    upscaled = vs.core.adcvsr.Upscale(moving(length=1).std.SetFieldBased(2), model="nearest")
    with pytest.raises(vs.Error, match=r"^Upscale: frame 0 is interlaced .* deinterlace first"):
        upscaled.get_frame(0)


UNFIT: list[tuple[dict[str, int], str]] = [
    ({"_Matrix": 3}, "_Matrix 3, allowed: 1, 4 to 10, 12 to 14"),
    ({"_Transfer": 3}, "_Transfer 3, allowed: 1, 2, 4 to 18"),
    ({"_Primaries": 13}, "_Primaries 13, allowed: 1, 2, 4 to 12 or 22"),
    ({"_ChromaLocation": 6}, "_ChromaLocation 6, allowed: 0 to 5"),
    ({"_Range": 2}, "_Range 2, allowed: 0 (limited) or 1 (full)"),
    ({"_Matrix": 10}, "_Matrix 10 and _Transfer 2, but that matrix needs _Transfer 1, 6, 7, 14 or 15"),
    ({"_Matrix": 10, "_Transfer": 16}, "_Matrix 10 and _Transfer 16, but that matrix needs"),
    ({"_Matrix": 12}, "_Matrix 12 and _Primaries 2, but that matrix needs _Primaries 1,"),
    ({"_Matrix": 13, "_Primaries": 9}, "_Matrix 13 and _Transfer 2, but that matrix needs _Transfer 1,"),
    ({"_Matrix": 14, "_Transfer": 16}, "_Matrix 14 and _Primaries 2, but that matrix needs _Primaries 9"),
    ({"_Matrix": 14, "_Primaries": 9}, "_Matrix 14 and _Transfer 2, but that matrix needs _Transfer 16 or 18"),
]


@pytest.mark.parametrize(("properties", "words"), UNFIT)
@pytest.mark.parametrize("format", [vs.YUV420P8, vs.GRAY8])
def test_colours_that_cannot_be_converted_are_refused_in_one_line(
    properties: dict[str, int], words: str, format: int
) -> None:
    clip = moving(format, length=1, matrix=1).std.SetFrameProps(**properties)
    with pytest.raises(vs.Error, match=rf"^Upscale: frame 0 has {re.escape(words)}.*; call std\.[^\n]+$"):
        vs.core.adcvsr.Upscale(clip, model="nearest").get_frame(0)


UNFIT_RGB: list[tuple[dict[str, int], int, str]] = [
    ({"_Matrix": 9}, 1, "is RGB and has _Matrix 9, allowed: 0"),
    ({"_Transfer": 3}, 1, "has _Transfer 3, allowed: 1, 2, 4 to 18"),
    ({}, 10, "has _Transfer 2, but matrix 10 of the output needs _Transfer 1, 6, 7, 14 or 15"),
    ({"_Primaries": 9}, 14, "has _Transfer 2, but matrix 14 of the output needs _Transfer 16 or 18"),
]


@pytest.mark.parametrize(("properties", "matrix", "words"), UNFIT_RGB)
@pytest.mark.parametrize("out", [vs.YUV420P8, vs.GRAY16])
def test_rgb_that_cannot_be_converted_to_the_outputs_matrix_is_refused_in_one_line(
    properties: dict[str, int], matrix: int, words: str, out: int
) -> None:
    clip = moving(vs.RGB24, length=1).std.SetFrameProps(**properties)
    with pytest.raises(vs.Error, match=rf"^Upscale: frame 0 {re.escape(words)}.*; call std\.[^\n]+$"):
        vs.core.adcvsr.Upscale(clip, model="nearest", format=out, matrix=matrix).get_frame(0)


def test_rgb_with_a_matrix_of_yuv_is_refused_without_a_conversion_too() -> None:
    clip = moving(vs.RGB24, length=1).std.SetFrameProps(_Matrix=1)
    with pytest.raises(vs.Error, match=r"^Upscale: frame 0 is RGB and has _Matrix 1, allowed: 0; call std\."):
        vs.core.adcvsr.Upscale(clip, model="nearest").get_frame(0)


def test_rgb_that_stays_rgb_may_have_any_transfer_and_primaries() -> None:
    clip = moving(vs.RGB24, length=1).std.SetFrameProps(_Matrix=2, _Transfer=3, _Primaries=13)
    with vs.core.adcvsr.Upscale(clip, model="nearest", matrix=10).get_frame(0) as frame:
        assert (frame.props["_Transfer"], frame.props["_Primaries"]) == (3, 13)


@pytest.mark.parametrize(("matrix", "transfers", "primaries"), [
    (1, (1, 2, *range(4, 19)), (1, 2, *range(4, 13), 22)), (10, (1, 6, 7, 14, 15), (2, 9)),
    (12, (2, 16), (1, *range(4, 10), 11, 12, 22)), (13, (1, *range(4, 8), *range(9, 19)), (9,)), (14, (16, 18), (9,)),
])  # fmt: skip
def test_colours_that_can_be_converted_are_not_refused(
    matrix: int, transfers: tuple[int, ...], primaries: tuple[int, ...]
) -> None:
    clip = moving(vs.YUV444P8, length=1, matrix=1)
    for transfer in transfers:
        for primary in primaries:
            tagged = clip.std.SetFrameProps(_Matrix=matrix, _Transfer=transfer, _Primaries=primary)
            with vs.core.adcvsr.Upscale(tagged, model="nearest", scale=1).get_frame(0) as frame:
                assert frame.props["_Matrix"] == matrix
            rgb = tagged.resize.Bicubic(format=vs.RGBS)
            back = vs.core.adcvsr.Upscale(rgb, model="nearest", scale=1, format=vs.YUV444P8, matrix=matrix)
            with back.get_frame(0) as frame:
                assert frame.props["_Matrix"] == matrix


def test_the_first_value_counts_where_a_property_has_two() -> None:
    """As after `SetFrameProps(_Range=1, _ColorRange=0)`: the second is the former name of the first."""
    clip = vs.core.std.BlankClip(width=16, height=16, format=vs.YUV420P8, length=1, color=[255, 128, 128])
    with vs.core.adcvsr.Upscale(clip.std.SetFrameProps(_Range=[1, 1]), model="nearest").get_frame(0) as frame:
        assert next(iter(frame))[0, 0] == 255


def test_a_chroma_location_below_zero_is_none() -> None:
    clip = moving(length=1).std.SetFrameProps(_ChromaLocation=-1)
    vs.core.adcvsr.Upscale(clip, model="nearest").get_frame(0).close()

"""Every format goes in and comes out as it was."""

from __future__ import annotations

from pathlib import Path

import pytest
import vapoursynth as vs

from tests.backends.tiny import FACTS, write_onnx
from tests.plugin.clips import digests, means, moving, planes
from vsadcvsr.spec import SCALES

FORMATS = [
    vs.YUV420P8, vs.YUV422P8, vs.YUV444P8, vs.YUV410P8, vs.YUV411P8, vs.YUV440P8, vs.YUV420P9, vs.YUV420P10,
    vs.YUV422P12, vs.YUV444P14, vs.YUV420P16, vs.YUV420PH, vs.YUV444PS, vs.RGB24, vs.RGB30, vs.RGB48, vs.RGBH, vs.RGBS,
    vs.GRAY8, vs.GRAY10, vs.GRAY16, vs.GRAYH, vs.GRAYS,
]  # fmt: skip


@pytest.mark.parametrize("format", FORMATS, ids=lambda format: vs.PresetVideoFormat(format).name)
def test_a_clip_keeps_its_format_and_its_mean_colour(format: int) -> None:
    clip = moving(format, length=2)
    upscaled = vs.core.adcvsr.Upscale(clip, model="nearest")
    assert (upscaled.format.id, upscaled.width, upscaled.height, len(upscaled)) == (format, 96, 64, 2)
    plain = clip.resize.Bicubic(96, 64)
    with upscaled.get_frame(1) as ours, plain.get_frame(1) as theirs:
        assert means(ours) == pytest.approx(means(theirs), abs=1 / 255)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("format", FORMATS, ids=lambda format: vs.PresetVideoFormat(format).name)
def test_a_network_of_any_scale_keeps_the_format_and_the_mean_colour(format: int, scale: int) -> None:
    clip = moving(format, length=6).std.SetFrameProps(_ChromaLocation=1)
    upscaled = vs.core.adcvsr.Upscale(clip, model="nearest-temporal-scales", scale=scale)
    size = (24 * scale, 16 * scale)
    assert (upscaled.format.id, upscaled.width, upscaled.height, len(upscaled)) == (format, *size, 6)
    whole = vs.core.adcvsr.Upscale(clip, model="nearest-scales", scale=scale)
    plain = clip.resize.Bicubic(*size)
    with whole.get_frame(1) as ours, plain.get_frame(1) as theirs:
        assert ours.props["AdcVSRScale"] == scale
        assert means(ours) == pytest.approx(means(theirs), abs=1 / 255)
    linear = digests(upscaled, range(6))
    again = vs.core.adcvsr.Upscale(clip, model="nearest-temporal-scales", scale=scale)
    assert digests(again, (5, 1, 2, 0)) == {n: linear[n] for n in (5, 1, 2, 0)}


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("size", [(7, 5), (1, 1), (1, 9), (33, 3)])
def test_odd_sizes_are_taken(size: tuple[int, int], scale: int) -> None:
    clip = moving(vs.RGB24, *size, length=1)
    upscaled = vs.core.adcvsr.Upscale(clip, model="nearest-scales", scale=scale)
    assert (upscaled.width, upscaled.height) == (scale * size[0], scale * size[1])
    with upscaled.get_frame(0) as ours, clip.get_frame(0) as source:
        for big, small in zip(planes(ours), planes(source), strict=True):
            assert (big[::scale, ::scale] == small).all()


def test_a_clip_of_one_frame_is_a_clip() -> None:
    upscaled = vs.core.adcvsr.Upscale(moving(length=1), model="nearest")
    assert len(upscaled) == 1
    assert upscaled.get_frame(0).width == 96


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_scale_gives_the_size(scale: int) -> None:
    clip = moving(length=1)
    upscaled = vs.core.adcvsr.Upscale(clip, model="nearest", scale=scale)
    assert (upscaled.width, upscaled.height) == (24 * scale, 16 * scale)
    with upscaled.get_frame(0) as ours, clip.get_frame(0) as source:
        assert means(ours) == pytest.approx(means(source), abs=1.5 / 255)


@pytest.mark.parametrize(
    ("model", "arguments", "network", "size"),
    [
        ("nearest", {}, 4, (96, 64)),
        ("nearest", {"scale": 3}, 4, (72, 48)),
        ("nearest-scales", {}, 4, (96, 64)),
        ("nearest-scales", {"scale": 3}, 3, (72, 48)),
        ("nearest-scales", {"scale": 1}, 1, (24, 16)),
        ("nearest-scales", {"width": 48}, 2, (48, 32)),
        ("nearest-scales", {"width": 50, "height": 32}, 3, (50, 32)),
        ("nearest-scales", {"height": 20}, 2, (30, 20)),
        ("nearest-scales", {"width": 12}, 1, (12, 8)),
        ("nearest-scales", {"width": 200, "height": 100}, 4, (200, 100)),
    ],
)
def test_a_network_of_the_scale_runs_or_of_the_next_larger_and_frames_say_which(
    model: str, arguments: dict[str, int], network: int, size: tuple[int, int]
) -> None:
    upscaled = vs.core.adcvsr.Upscale(moving(length=1), model=model, **arguments)
    with upscaled.get_frame(0) as frame:
        assert frame.props["AdcVSRScale"] == network
        assert (frame.width, frame.height) == size


def test_a_resize_after_the_network_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        vs.core.adcvsr.Upscale(moving(length=1), model="nearest", scale=4)
        assert "resized" not in caplog.text
        vs.core.adcvsr.Upscale(moving(length=1), model="nearest", scale=3)
    assert "model 'nearest' upscales by 4 here; its output is resized to 72x48" in caplog.text


@pytest.mark.parametrize("scale", [1, 2, 3])
def test_a_scale_above_the_models_is_refused_and_its_own_is_the_default(scale: int, tmp_path: Path) -> None:
    model = str(write_onnx(tmp_path / "own.onnx", {**FACTS, "scale": scale}, scale=scale))
    assert vs.core.adcvsr.Upscale(moving(length=1), model=model, device="cpu").width == 24 * scale
    allowed = {1: "1", 2: "1 or 2", 3: "1, 2 or 3"}[scale]
    words = f"Upscale: scale is 4, allowed: {allowed} for model 'tiny'; width and height give any other size"
    with pytest.raises(vs.Error, match=f"^{words}$"):
        vs.core.adcvsr.Upscale(moving(length=1), model=model, scale=4)


@pytest.mark.parametrize(
    ("sides", "size"), [({"width": 60}, (60, 40)), ({"height": 40}, (60, 40)), ({"width": 50, "height": 30}, (50, 30))]
)
def test_width_and_height_give_the_size_and_one_alone_keeps_the_aspect(
    sides: dict[str, int], size: tuple[int, int]
) -> None:
    upscaled = vs.core.adcvsr.Upscale(moving(length=1), model="nearest", **sides)
    assert (upscaled.width, upscaled.height) == size
    assert (upscaled.get_frame(0).width, upscaled.get_frame(0).height) == size


def test_a_side_that_the_aspect_makes_too_long_is_refused() -> None:
    clip = vs.core.std.BlankClip(width=2, height=2000, length=1)
    words = "Upscale: height is 6000000, allowed: 1 to 65536; it keeps the aspect ratio; give both sides"
    with pytest.raises(vs.Error, match=f"^{words}$"):
        vs.core.adcvsr.Upscale(clip, model="nearest", width=6000)


@pytest.mark.parametrize("source", [vs.YUV420P8, vs.RGB24, vs.GRAY8])
@pytest.mark.parametrize("out", [vs.YUV444P16, vs.RGB48, vs.GRAY16])
def test_another_format_can_be_asked_for(source: int, out: int) -> None:
    clip = moving(source, length=1)
    upscaled = vs.core.adcvsr.Upscale(clip, model="nearest", format=out)
    plain = clip.resize.Bicubic(96, 64, format=out, matrix=None if out == vs.RGB48 else 6)
    with upscaled.get_frame(0) as ours, plain.get_frame(0) as theirs:
        assert ours.format.id == out
        assert means(ours) == pytest.approx(means(theirs), abs=1 / 255)

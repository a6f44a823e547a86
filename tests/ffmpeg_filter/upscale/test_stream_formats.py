"""Frames that the VapourSynth filter does not take: of odd size, with alpha, or plain for a while."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import vapoursynth as vs

from ffmpeg_filter.media.frame import RawFrame, VideoFormat
from ffmpeg_filter.upscale.stream import OutputOptions, upscale
from tests.backends.tiny import write_student
from tests.ffmpeg_filter.clips import filtered, raws, same
from tests.plugin.clips import moving
from vsadcvsr.backends.pytorch.backend import TorchOptions
from vsadcvsr.errors import FormatError
from vsadcvsr.output import OutputFrame, Planes
from vsadcvsr.plugin.frames import output_frame


@pytest.mark.parametrize("model", ["nearest", "nearest-scales"])
@pytest.mark.parametrize("options", [{"scale": 4}, {"scale": 3}, {"scale": 1}, {"width": 31, "height": 17}])
def test_subsampled_frames_of_odd_size_come_out_in_the_size_that_is_asked_for(
    options: OutputOptions, model: str
) -> None:
    planes = tuple(np.full(shape, value, np.uint8) for shape, value in (((5, 7), 80), ((3, 4), 100), ((3, 4), 140)))
    odd = RawFrame(VideoFormat("YUV", 8, (1, 1)), 7, 5, planes)
    (output,) = upscale([odd], model=model, **options)
    scale = options.get("scale")
    assert (output.width, output.height) == ((7 * scale, 5 * scale) if scale else (31, 17))
    assert [float(plane.mean()) for plane in output.planes] == [80, 100, 140]


def test_subsampled_frames_of_odd_size_are_those_of_even_size_with_repeated_edges() -> None:
    (even,) = raws(moving(width=8, height=6, length=1))
    (y, u, v), copied = even.planes, even.planes[0].copy()
    copied[5], copied[:, 7] = copied[4], copied[:, 6]
    odd = replace(even, width=7, height=5, planes=(y[:5, :7], u, v))
    (ours,) = upscale([odd], model="fast")
    (theirs,) = upscale([replace(even, planes=(copied, u, v))], model="fast")
    assert (ours.planes[0] == theirs.planes[0][:20, :28]).all()
    assert (ours.planes[1] == theirs.planes[1][:10, :14]).all()


def test_alpha_is_enlarged_plainly() -> None:
    (first,) = raws(moving(vs.RGB24, length=1))
    clip = moving(vs.GRAY8, length=1)
    (alpha,) = raws(clip)
    (output,) = upscale([replace(first, alpha=alpha.planes[0])], model="nearest")
    (plain,) = raws(clip.resize.Bicubic(96, 64))
    assert output.alpha is not None
    assert (output.alpha == plain.planes[0]).all()


def test_alpha_follows_the_depth_and_is_left_out_where_there_is_no_room() -> None:
    (first,) = raws(moving(vs.RGB24, length=1))
    seen = replace(first, alpha=np.full((16, 24), 255, np.uint8))
    (deep,) = upscale([seen], model="nearest", format="gbrap16le")
    (without,) = upscale([seen], model="nearest", format="gbrp16le")
    assert deep.alpha is not None
    assert (deep.alpha == 65535).all()
    assert without.alpha is None


def test_frames_that_are_not_active_are_a_plain_upscale_and_the_network_sees_them_all_the_same() -> None:
    clip = moving(length=6)
    outputs = list(upscale(raws(clip), model="nearest-temporal", active=lambda raw: raw.tag != 2))
    theirs = filtered(clip, model="nearest-temporal")
    assert [same(*pair) for pair in zip(outputs, theirs, strict=True)] == [True, True, False, True, True, True]
    plain = list(raws(clip.resize.Bicubic(96, 64)))[2]
    assert np.abs(outputs[2].planes[0].astype(int) - plain.planes[0]).max() <= 1
    assert outputs[2].props == theirs[2].props


@pytest.mark.parametrize("format", [vs.YUV420P8, vs.YUV422P10, vs.RGB24])
def test_planes_that_the_backend_makes_come_out_as_those_that_vapoursynth_makes(
    format: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights, frames = write_student(tmp_path / "tiny.safetensors"), list(raws(moving(format, length=5)))
    plain = list(upscale(frames, model=str(weights), backend="torch"))
    usual: Callable[[object], TorchOptions] = lambda _: TorchOptions(pipelined_output=True, planar_output=True)  # noqa: E731
    monkeypatch.setattr(TorchOptions, "for_device", usual)
    monkeypatch.setattr("vsadcvsr.backends._loaded", {})
    kinds: list[type] = []

    def noted(made: OutputFrame, ready: int | None = None) -> vs.VideoFrame:
        kinds.append(type(made))
        return output_frame(made, ready)

    monkeypatch.setattr("ffmpeg_filter.upscale.stream.output_frame", noted)
    output = list(upscale(frames, model=str(weights), backend="torch", active=lambda raw: raw.tag != 3))
    for n, (ours, theirs) in enumerate(zip(output, plain, strict=True)):
        assert ours.props == theirs.props
        apart = [np.abs(first.astype(int) - other) for first, other in zip(ours.planes, theirs.planes, strict=True)]
        assert all(item.max() <= 1 for item in apart) == (n != 3)
    assert kinds == [Planes] * 5


def test_unfit_colours_are_refused_with_advice_for_ffmpeg() -> None:
    (first,) = raws(moving(length=1))
    tagged = replace(first, props={**first.props, "_Matrix": 10})
    with pytest.raises(FormatError, match=r"^frame 0 has _Matrix 10 and .*; tag the frames .* with setparams$"):
        list(upscale([tagged], model="nearest"))

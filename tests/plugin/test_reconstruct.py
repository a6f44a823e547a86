"""Pictures that come in parts: joined in the clip's own colours, they are the picture that the engine makes whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import vapoursynth as vs

from tests.backends.tiny import write_student
from tests.plugin.clips import moving
from vsadcvsr.color import MATRICES
from vsadcvsr.engine import Engine
from vsadcvsr.nets.export import export, load_weights
from vsadcvsr.plugin.formats import to_rgb
from vsadcvsr.plugin.frames import input_frame, pixels_of
from vsadcvsr.plugin.output_shape import OutputShape
from vsadcvsr.spec import Array

FORMATS = (vs.YUV420P8, vs.YUV422P10, vs.YUV444P16, vs.YUV420PS, vs.GRAY8, vs.GRAYS, vs.RGB24, vs.RGBS)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_model(tmp_path_factory.mktemp("parts"))


def write_model(folder: Path, *, scale: int = 4) -> str:
    student = load_weights(write_student(folder / "tiny.safetensors", scale=scale))
    for parameter in student.head.parameters():
        parameter.data *= 0.2  # within 0..1 there is nothing to clamp: that is done in different places
    export(student, folder / "tiny.onnx")
    return str(folder / "tiny.onnx")


def expected(clip: vs.VideoNode, model: str, matrix: int = 6) -> Array:
    """Frame 2 as the engine makes it whole, RGB."""
    rgb = to_rgb(clip, OutputShape(width=clip.width, height=clip.height, format=clip.format), matrix)[1]
    pictures = Engine.open(model, backend="ort", device="cpu").stream(input_frame(frame) for frame in rgb.frames())
    return list(pictures)[2]


def made(clip: vs.VideoNode, model: str, **options: object) -> vs.VideoNode:
    return vs.core.adcvsr.Upscale(clip, model=model, backend="ort", **options)[2]


@pytest.mark.parametrize("scale", [1, 3])
def test_luma_is_that_of_the_whole_picture_at_any_scale(scale: int, tmp_path: Path) -> None:
    model = write_model(tmp_path, scale=scale)
    for format in (vs.YUV420P8, vs.YUV444P16, vs.GRAYS, vs.RGB24):
        test_luma_is_that_of_the_whole_picture(format, model)
    odd = moving(format=vs.RGB24, width=23, height=15, length=4)
    frame = made(odd, model).get_frame(0)
    assert (frame.width, frame.height) == (23 * scale, 15 * scale)
    np.testing.assert_allclose(np.stack([np.asarray(plane) for plane in frame]) / 255, np.clip(
        expected(odd, model), 0, 1), atol=2 / 255)  # fmt: skip


@pytest.mark.parametrize("format", FORMATS)
def test_luma_is_that_of_the_whole_picture(format: int, model: str) -> None:
    clip = moving(format=format, length=4)
    wanted = np.tensordot((0.299, 0.587, 0.114), expected(clip, model), 1)
    ours = made(clip, model).resize.Bicubic(format=vs.GRAYS, matrix=6).get_frame(0)
    step = 1.2 / 255 if vs.core.get_video_format(format).bits_per_sample == 8 else 2e-3
    inside = np.all((expected(clip, model) > 0.02) & (expected(clip, model) < 0.98), axis=0)  # RGB clips sooner
    np.testing.assert_allclose(np.asarray(ours[0])[inside], wanted[inside], atol=step)


@pytest.mark.parametrize("matrix", sorted(set(MATRICES) - {12, 13, 14}))
def test_colours_are_those_of_the_whole_picture_in_every_matrix(matrix: int, model: str) -> None:
    clip = moving(length=4).std.SetFrameProps(_Matrix=matrix, _Transfer=1, _Primaries=1)
    wanted = expected(clip, model, matrix).mean(axis=(1, 2))
    again = made(clip, model).resize.Bicubic(format=vs.RGBS).get_frame(0)
    np.testing.assert_allclose(pixels_of(again).mean(axis=(1, 2)), wanted, atol=0.01)


def test_frames_keep_their_properties_and_get_none_of_ours(model: str) -> None:
    clip = moving(length=4).std.SetFrameProps(_Matrix=1, _Range=0, _ChromaLocation=1, _SARNum=4, _SARDen=3, Mine=5)
    ours = {
        "AdcVSRModel": "tiny", "AdcVSRScale": 4, "AdcVSRBackend": "ort/cpu/fp32", "AdcVSRDenoise": 0.0,
        "AdcVSRSteady": 0.0, "AdcVSRSharpen": 0.0,
    }  # fmt: skip
    assert dict(made(clip, model).get_frame(0).props) == {**clip.get_frame(2).props, **ours}


@pytest.mark.parametrize("full", [0, 1])
def test_both_ranges_come_out_as_they_went_in(full: int, model: str) -> None:
    clip = moving(length=4).std.SetFrameProps(_Matrix=6, _Range=full)
    wanted = np.tensordot((0.299, 0.587, 0.114), expected(clip, model), 1)
    luma = np.asarray(made(clip, model).get_frame(0)[0])
    coded = np.clip(wanted, 0, 1) * (255 if full else 219) + (0 if full else 16)
    assert abs(float(luma.mean()) - float(coded.mean())) < 1.5


def test_an_exact_size_is_a_resize_of_the_joined_picture(model: str) -> None:
    clip = moving(length=4)
    ours = made(clip, model, width=60, height=44).get_frame(0)
    plain = made(clip, model).resize.Bicubic(60, 44).get_frame(0)
    assert (ours.width, ours.height) == (60, 44)
    np.testing.assert_allclose(np.asarray(ours[0]).astype(int), np.asarray(plain[0]).astype(int), atol=2)


@pytest.mark.parametrize("options", [{"strength": 0.5}, {"color_fix": "frame"}])
def test_what_needs_whole_pictures_gets_them(options: dict[str, object], model: str) -> None:
    assert made(moving(length=4), model, **options).get_frame(0).width == 96


def test_a_seek_gives_the_same_bits(model: str) -> None:
    clip = moving(length=9)
    upscaled = vs.core.adcvsr.Upscale(clip, model=model, backend="ort")
    linear = [[np.asarray(plane).copy() for plane in frame] for frame in upscaled.frames()]
    again = vs.core.adcvsr.Upscale(clip, model=model, backend="ort")
    for n in (7, 2, 5, 0):
        for plane, known in zip(again.get_frame(n), linear[n], strict=True):
            np.testing.assert_array_equal(np.asarray(plane), known)

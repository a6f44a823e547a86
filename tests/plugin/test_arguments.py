"""What is given to Upscale: what it does with it, and what it says when it cannot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import vapoursynth as vs

import vsadcvsr
from tests.plugin.clips import digest, moving
from tests.plugin.still_engine import MeanEngine
from vsadcvsr.engine import Engine
from vsadcvsr.errors import FormatError, UsageError

TINY_CHROMA = vs.core.query_video_format(vs.YUV, vs.INTEGER, 8, 3, 1)
WRONG: dict[str, tuple[dict[str, object], str]] = {
    "scale": ({"scale": 5}, "scale is 5, allowed: 1, 2, 3 or 4"),
    "scale 0": ({"scale": 0}, "scale is 0, allowed"),
    "scale between": ({"scale": 2.5}, "scale is 2.5, allowed: 1, 2, 3 or 4; width and height give any other size"),
    "width": ({"width": 0}, "width is 0, allowed: 1 to"),
    "width that does not fit": ({"width": 33}, "width is 33, allowed: multiples of 2 for YUV420P8"),
    "height": ({"height": -2}, "height is -2, allowed"),
    "format": ({"format": 7}, "format is 7, allowed: the id of"),
    "format below zero": ({"format": -1}, "format is -1, allowed: the id of"),
    "format with little chroma": ({"format": int(TINY_CHROMA)}, "format is .*, allowed: chroma of at least a quarter"),
    "32 bit format": ({"format": int(vs.GRAY32)}, "format is Gray32, allowed: 8 to 16 bit"),
    "matrix": ({"matrix": 3}, "matrix is 3, allowed: 1 \\(709\\)"),
    "matrix by an unknown name": ({"matrix": "bt799"}, "matrix is 'bt799', allowed: 1 \\(709\\)"),
    "tile of one": ({"tile": 64}, "tile is \\[64\\], allowed: \\[width, height\\]"),
    "tile of three": ({"tile": [64, 64, 64]}, "tile is \\[64, 64, 64\\], allowed"),
    "tile too small": ({"tile": [0, 0]}, "tile"),
    "denoise": ({"denoise": 1.5}, r"denoise is 1.5, allowed: 0 \(faithful\) to 1 \(restoring\)"),
    "denoise without restoring weights": (
        {"denoise": 0.5},
        "model 'nearest' has no restoring weights; leave denoise at 0",
    ),
    "sharpen": ({"sharpen": -1.0}, r"sharpen is -1.0, allowed: 0 \(the network's own sharpness\) to 2"),
    "steady": ({"steady": 1.5}, r"steady is 1.5, allowed: 0 \(each frame alone\) to 1"),
    "strength": ({"strength": 1.5}, "strength is 1.5, allowed"),
    "precision": ({"precision": "fp8"}, "precision is 'fp8', allowed"),
    "backend": ({"backend": "tensorflow"}, "backend is 'tensorflow', allowed"),
    "device": ({"device": "abacus"}, "device is 'abacus', allowed"),
    "device in capitals": ({"device": "CPU"}, "device is 'CPU', allowed: auto, cpu, .*; did you mean 'cpu'\\?"),
    "color_fix in capitals": ({"color_fix": "None"}, "color_fix is 'None', allowed: .*; did you mean 'none'\\?"),
    "device_index": ({"device_index": -1}, "device_index is -1, allowed"),
    "threads": ({"threads": -1}, "threads is -1, allowed"),
    "threads without end": ({"threads": 1 << 32}, r"threads is 4294967296, allowed: 0 \(all cores\) to 1024"),
    "num_streams": ({"num_streams": 0}, "num_streams is 0, allowed: 1 to 64"),
    "backend_options": ({"backend_options": "a=1"}, "backend_options need backend='ort' or 'openvino'"),
    "color_fix": ({"color_fix": "sepia"}, "color_fix is 'sepia', allowed"),
    "sc_threshold": ({"sc_threshold": -1.0}, "sc_threshold is -1.0, allowed"),
    "model": ({"model": "fsat"}, "fast"),
    "missing model file": ({"model": "nowhere/some.onnx"}, "some.onnx"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_argument_is_named_in_one_line(name: str) -> None:
    arguments, words = WRONG[name]
    with pytest.raises(vs.Error, match=f"^Upscale: .*{words}") as caught:
        vs.core.adcvsr.Upscale(moving(), **arguments if "model" in arguments else {"model": "nearest", **arguments})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "number"),
    [("709", 1), ("bt709", 1), ("BT709", 1), ("170m", 6), ("smpte170m", 6), ("470bg", 5), ("bt2020nc", 9),
     ("2020ncl", 9), ("9", 9), (9, 9), (vs.MATRIX_BT2020_NCL, 9), (np.int64(9), 9)],
)  # fmt: skip
def test_a_matrix_has_a_number_and_names(name: Any, number: int) -> None:
    clip = vs.core.std.BlankClip(width=16, height=16, format=vs.YUV420P8, length=1)
    assert clip.adcvsr.Upscale(model="nearest", matrix=name).get_frame(0).props["_Matrix"] == number
    assert vsadcvsr.upscale(clip, model="nearest", matrix=name).get_frame(0).props["_Matrix"] == number


WRONG_TYPES: dict[str, tuple[dict[str, Any], str]] = {
    "scale as a name": ({"scale": "2"}, "scale is '2', allowed"),
    "scale as a bool": ({"scale": True}, "scale is True, allowed"),
    "scale not a number": ({"scale": float("nan")}, "scale is nan, allowed"),
    "width between": ({"width": 100.5}, "width is 100.5, allowed"),
    "height as a name": ({"height": "720"}, "height is '720', allowed"),
    "format as a name": ({"format": "YUV420P8"}, "format is 'YUV420P8', allowed"),
    "matrix as a list": ({"matrix": [1]}, "matrix is \\[1\\], allowed"),
    "matrix as a bool": ({"matrix": True}, "matrix is True, allowed"),
    "tile as a number": ({"tile": 64}, "tile is 64, allowed: \\[width, height\\]"),
    "tile of one": ({"tile": (64,)}, "tile is \\(64,\\), allowed"),
    "tile of none": ({"tile": []}, "tile is \\[\\], allowed"),
    "tile below zero": ({"tile": (-64, -64)}, "tile is \\(-64, -64\\), allowed"),
    "tile between": ({"tile": (64.5, 64)}, "tile is \\(64.5, 64\\), allowed"),
    "tile in words": ({"tile": "64x64"}, "tile is '64x64', allowed"),
    "tile_pad as a bool": ({"tile_pad": True}, "tile_pad is True, allowed"),
    "tile_pad below zero": ({"tile_pad": -1}, "tile_pad is -1, allowed"),
    "threads between": ({"threads": 1.5}, "threads is 1.5, allowed"),
    "threads below zero": ({"threads": -1}, "threads is -1, allowed"),
    "threads as a bool": ({"threads": True}, "threads is True, allowed"),
    "device_index as a name": ({"device_index": "0"}, "device_index is '0', allowed"),
    "device_index below zero": ({"device_index": np.int64(-1)}, "device_index is -1, allowed"),
    "device not given": ({"device": None}, "device is None, allowed"),
    "backend as a number": ({"backend": 1}, "backend is 1, allowed"),
    "precision as a number": ({"precision": 16}, "precision is 16, allowed"),
    "strength as a name": ({"strength": "full"}, "strength is 'full', allowed"),
    "strength beyond all numbers": ({"strength": 10**400}, "strength is 1000"),
    "strength not a number": ({"strength": float("nan")}, "strength is nan, allowed"),
    "sc_threshold without end": ({"sc_threshold": float("inf")}, "sc_threshold is inf, allowed"),
    "color_fix as a bool": ({"color_fix": False}, "color_fix is False, allowed"),
    "model not given": ({"model": None}, "model is None, allowed"),
    "model without a name": ({"model": ""}, "model is '', allowed"),
}


@pytest.mark.parametrize("name", WRONG_TYPES)
def test_a_wrong_type_is_refused_in_python_in_one_line(name: str) -> None:
    wrong, words = WRONG_TYPES[name]
    arguments = wrong if "model" in wrong else {"model": "nearest", **wrong}
    with pytest.raises(UsageError, match=f"^{words}") as caught:
        vsadcvsr.upscale(moving(), **arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, (arguments, _) in WRONG_TYPES.items()
        if not arguments.keys() & {"scale", "width", "height", "format", "matrix"}
    ],
)
def test_the_engine_refuses_the_same_types(name: str) -> None:
    arguments, words = WRONG_TYPES[name]
    with pytest.raises(UsageError, match=f"^{words}"):
        Engine.open(**(arguments if "model" in arguments else {"model": "nearest", **arguments}))


def test_numbers_of_numpy_are_numbers() -> None:
    clip = moving(length=1)
    numbers: dict[str, Any] = {
        "scale": np.int32(2),
        "threads": np.int64(1),
        "tile": np.array([32, 32]),
        "strength": np.float32(1),
    }
    assert digest(vsadcvsr.upscale(clip, model="nearest", **numbers), 0) == digest(
        vsadcvsr.upscale(clip, model="nearest", scale=2), 0
    )


def variable_format() -> vs.VideoNode:
    return vs.core.std.Splice([moving(vs.RGB24), moving(vs.YUV420P8)], mismatch=True)


def variable_size() -> vs.VideoNode:
    return vs.core.std.Splice([moving(width=24), moving(width=32)], mismatch=True)


@pytest.mark.parametrize("clip", [variable_format, variable_size])
def test_clips_that_change_are_refused(clip: Callable[[], vs.VideoNode]) -> None:
    with pytest.raises(vs.Error, match=r"^Upscale: clip has a variable format or size"):
        vs.core.adcvsr.Upscale(clip())


def test_a_clip_of_32_bit_integers_is_refused() -> None:
    clip = vs.core.std.BlankClip(format=vs.GRAY32, width=8, height=8)
    with pytest.raises(vs.Error, match=r"^Upscale: format is Gray32, allowed: 8 to 16 bit integer"):
        vs.core.adcvsr.Upscale(clip)


def test_what_is_no_clip_is_refused() -> None:
    with pytest.raises(vs.Error, match="Upscale"):
        vs.core.adcvsr.Upscale("clip")
    with pytest.raises(UsageError, match="clip is 'clip', allowed: a VapourSynth video clip"):
        vsadcvsr.upscale("clip")


def test_the_python_face_makes_the_same_pictures_and_raises_our_own_errors() -> None:
    clip = moving(length=2)
    assert digest(vsadcvsr.upscale(clip, model="nearest"), 1) == digest(clip.adcvsr.Upscale(model="nearest"), 1)
    with pytest.raises(UsageError, match="scale is 5"):
        vsadcvsr.upscale(clip, scale=5)
    with pytest.raises(FormatError, match="variable"):
        vsadcvsr.upscale(variable_size())


def test_arguments_reach_the_engine_as_they_were_given(mean_engine: type[MeanEngine]) -> None:
    vs.core.adcvsr.Upscale(
        moving(), model="base", backend="ort", device="cpu", device_index=1, precision="fp32", tile=[64, 32],
        tile_pad=8, sc_threshold=0.25, denoise=0.75, steady=0.25, sharpen=0.125, strength=0.5, color_fix="frame",
        threads=3, num_streams=2, backend_options="a=1&b=2",
    )  # fmt: skip
    assert mean_engine.opened[-1] == {
        "model": "base", "scale": None, "backend": "ort", "device": "cpu", "device_index": 1, "precision": "fp32",
        "tile": [64, 32], "tile_pad": 8, "sc_threshold": 0.25, "denoise": 0.75, "steady": 0.25, "sharpen": 0.125,
        "strength": 0.5, "color_fix": "frame", "threads": 3, "num_streams": 2, "backend_options": "a=1&b=2",
    }  # fmt: skip


def test_all_arguments_may_be_left_out(mean_engine: type[MeanEngine]) -> None:
    vs.core.adcvsr.Upscale(moving())
    assert mean_engine.opened[-1] == {
        "model": "fast", "scale": None, "backend": "auto", "device": "auto", "device_index": 0, "precision": "auto",
        "tile": None, "tile_pad": None, "sc_threshold": None, "denoise": 0.0, "steady": 0.0, "sharpen": 0.0,
        "strength": 1.0, "color_fix": None, "threads": 0, "num_streams": 1, "backend_options": "",
    }  # fmt: skip


def test_the_version_names_what_is_installed() -> None:
    result = vs.core.adcvsr.Version()
    assert {"python", "vapoursynth", "numpy", "openvino", "plugin"} <= result.keys()
    upscaled = vs.core.adcvsr.Upscale(moving(length=1))
    assert upscaled.get_frame(0).props["AdcVSRBackend"].split("/")[0] == result["backend"]
    assert vs.core.adcvsr.version.major == int(vsadcvsr.__version__.split(".")[0])


def test_loading_twice_does_no_harm() -> None:
    vsadcvsr.load()
    vsadcvsr.load()


def test_a_clip_with_little_chroma_is_refused_at_once() -> None:
    clip = vs.core.std.BlankClip(format=TINY_CHROMA.id, width=32, height=32, length=1)
    with pytest.raises(vs.Error, match=r"^Upscale: format is \S+, allowed: chroma of at least a quarter"):
        vs.core.adcvsr.Upscale(clip, model="nearest")

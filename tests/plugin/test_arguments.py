"""What is given to Upscale: what it does with it, and what it says when it cannot."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import vapoursynth as vs

import vsadcvsr
from tests.plugin.clips import digest, moving
from tests.plugin.still_engine import MeanEngine
from vsadcvsr.errors import FormatError, UsageError

WRONG: dict[str, tuple[dict[str, object], str]] = {
    "scale": ({"scale": 5}, "scale is 5, allowed: 1, 2, 3 or 4"),
    "scale 0": ({"scale": 0}, "scale is 0, allowed"),
    "width": ({"width": 0}, "width is 0, allowed: 1 to"),
    "width that does not fit": ({"width": 33}, "width is 33, allowed: multiples of 2 for YUV420P8"),
    "height": ({"height": -2}, "height is -2, allowed"),
    "format": ({"format": 7}, "format is 7, allowed: the id of"),
    "format below zero": ({"format": -1}, "format is -1, allowed: the id of"),
    "32 bit format": ({"format": int(vs.GRAY32)}, "format is Gray32, allowed: 8 to 16 bit"),
    "matrix": ({"matrix": 3}, "matrix is 3, allowed: 1 \\(709\\)"),
    "tile of one": ({"tile": 64}, "tile is \\[64\\], allowed: \\[width, height\\]"),
    "tile of three": ({"tile": [64, 64, 64]}, "tile is \\[64, 64, 64\\], allowed"),
    "tile too small": ({"tile": [0, 0]}, "tile"),
    "strength": ({"strength": 1.5}, "strength is 1.5, allowed"),
    "precision": ({"precision": "fp8"}, "precision is 'fp8', allowed"),
    "backend": ({"backend": "tensorflow"}, "backend is 'tensorflow', allowed"),
    "device": ({"device": "abacus"}, "device is 'abacus', allowed"),
    "device_index": ({"device_index": -1}, "device_index is -1, allowed"),
    "threads": ({"threads": -1}, "threads is -1, allowed"),
    "color_fix": ({"color_fix": "sepia"}, "color_fix is 'sepia', allowed"),
    "sc_threshold": ({"sc_threshold": -1.0}, "sc_threshold is -1.0, allowed"),
    "model": ({"model": "fsat"}, "fast"),
    "missing model file": ({"model": "nowhere/some.onnx"}, "some.onnx"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_argument_is_named_in_one_line(name: str) -> None:
    given, words = WRONG[name]
    with pytest.raises(vs.Error, match=f"^Upscale: .*{words}") as caught:
        vs.core.adcvsr.Upscale(moving(), **given if "model" in given else {"model": "nearest", **given})
    assert "\n" not in str(caught.value)


def variable_format() -> vs.VideoNode:
    return vs.core.std.Splice([moving(vs.RGB24), moving(vs.YUV420P8)], mismatch=True)


def variable_size() -> vs.VideoNode:
    return vs.core.std.Splice([moving(width=24), moving(width=32)], mismatch=True)


@pytest.mark.parametrize("clip", [variable_format, variable_size])
def test_clips_that_change_are_refused(clip: Callable[[], vs.VideoNode]) -> None:
    with pytest.raises(vs.Error, match=r"^Upscale: clip has a variable format or size, allowed: constant ones"):
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
        tile_pad=8, sc_threshold=0.25, strength=0.5, color_fix="frame", threads=3,
    )  # fmt: skip
    assert mean_engine.opened[-1] == {
        "model": "base", "backend": "ort", "device": "cpu", "device_index": 1, "precision": "fp32", "tile": (64, 32),
        "tile_pad": 8, "sc_threshold": 0.25, "strength": 0.5, "color_fix": "frame", "threads": 3,
    }  # fmt: skip


def test_all_arguments_may_be_left_out(mean_engine: type[MeanEngine]) -> None:
    vs.core.adcvsr.Upscale(moving())
    assert mean_engine.opened[-1] == {
        "model": "fast", "backend": "auto", "device": "auto", "device_index": 0, "precision": "auto", "tile": None,
        "tile_pad": None, "sc_threshold": None, "strength": 1.0, "color_fix": None, "threads": 0,
    }  # fmt: skip


def test_the_version_names_what_is_installed() -> None:
    found = vs.core.adcvsr.Version()
    assert {"python", "vapoursynth", "numpy", "plugin"} <= found.keys()
    assert vs.core.adcvsr.version.major == int(vsadcvsr.__version__.split(".")[0])


def test_loading_twice_does_no_harm() -> None:
    vsadcvsr.load()
    vsadcvsr.load()

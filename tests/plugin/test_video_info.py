"""The clip that comes out is the clip that went in, but for its size and its pixels: rate, length, properties."""

from __future__ import annotations

import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import vapoursynth as vs
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import vsadcvsr
from tests.backends.tiny import write_student
from tests.plugin.test_hosts import environment, vspipe
from vsadcvsr.nets.export import export, load_weights

__all__ = ["vspipe"]

OURS = {"AdcVSRBackend", "AdcVSRDenoise", "AdcVSRModel", "AdcVSRScale", "AdcVSRSharpen", "AdcVSRSteady"}
MODELS = ("nearest", "nearest-temporal", "parts", "torch")
FORMATS = (vs.YUV420P8, vs.YUV422P10, vs.YUV444PS, vs.RGB24, vs.GRAY16)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What is built in, and a tiny network that gives pictures in parts, on both kinds of file."""
    folder = tmp_path_factory.mktemp("models")
    weights = write_student(folder / "tiny.safetensors")
    export(load_weights(weights), folder / "tiny.onnx")
    built_in = {name: name for name in MODELS[:2]}
    return {**built_in, "parts": str(folder / "tiny.onnx"), "torch": str(weights)}


def source(rate: tuple[int, int], length: int, format: int) -> vs.VideoNode:
    """A clip of that rate; 0/0 is variable, with the duration of each frame in its properties alone."""
    clip = vs.core.std.BlankClip(width=16, height=8, format=format, length=length)
    clip = clip.std.AssumeFPS(fpsnum=rate[0] or 25, fpsden=rate[1] or 1)
    if not rate[0]:
        clip = vs.core.std.Splice([clip, clip.std.AssumeFPS(fpsnum=30)], mismatch=True)[:length]
    colour = {} if vs.core.get_video_format(format).color_family == vs.RGB else {"_Matrix": 1, "_Range": 0}
    return clip.std.SetFrameProps(**colour, _SARNum=1, _SARDen=1, Mine=7)


rates = st.one_of(st.just((0, 0)), st.tuples(st.integers(1, 240_000), st.integers(1, 1_001)))
options = st.fixed_dictionaries(
    {},
    optional={
        "scale": st.integers(1, 4),
        "strength": st.sampled_from([0.0, 0.5, 1.0]),
        "color_fix": st.sampled_from(["none", "frame"]),
        "format": st.sampled_from(FORMATS),
        "sc_threshold": st.sampled_from([0.0, 0.3]),
    },
)
sizes = st.sampled_from([{}, {"width": 64, "height": 32}, {"width": 48}, {"height": 24}])


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    model=st.sampled_from(MODELS), rate=rates, length=st.integers(1, 4), format=st.sampled_from(FORMATS),
    options=options, size=sizes,
)  # fmt: skip
@example(model="parts", rate=(30_000, 1_001), length=3, format=vs.YUV420P8, options={}, size={})
@example(model="parts", rate=(0, 0), length=3, format=vs.YUV420P8, options={}, size={})
def test_rate_length_format_and_properties_come_through(
    models: dict[str, str], model: str, rate: tuple[int, int], length: int, format: int, options: dict[str, Any],
    size: dict[str, int],
) -> None:  # fmt: skip
    clip = source(rate, length, format)
    upscaled = vs.core.adcvsr.Upscale(clip, model=models[model], device="cpu", **options, **size)
    assert (upscaled.fps, upscaled.num_frames) == (clip.fps, clip.num_frames)
    assert upscaled.format.id == options.get("format", format)
    with upscaled.get_frame(length - 1) as frame, clip.get_frame(length - 1) as before:
        assert (frame.width, frame.height, frame.format.id) == (upscaled.width, upscaled.height, upscaled.format.id)
        properties = {name: value for name, value in before.props.items() if name not in {"_Matrix", "_Range"}}
        assert {name: frame.props[name] for name in properties} == properties
        assert set(frame.props) - set(before.props) <= OURS | {"_Matrix", "_Range", "_ChromaLocation"}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("rate", [(30_000, 1_001), (25, 1), (0, 0)])
def test_the_result_can_be_woven_and_joined_with_a_plain_upscale(
    model: str, rate: tuple[int, int], models: dict[str, str]
) -> None:
    clip = source(rate, 3, vs.YUV420P8)
    upscaled = clip.adcvsr.Upscale(model=models[model], device="cpu")
    plain = clip.resize.Bicubic(64, 32)
    assert vs.core.std.Interleave([upscaled, plain]).num_frames == 6
    assert vs.core.std.Splice([upscaled, plain]).fps == clip.fps
    assert vsadcvsr.upscale(clip, model=models[model], device="cpu").fps == clip.fps


@pytest.mark.parametrize("rate", [(60_000, 1_001), (24, 1)])
def test_the_rate_of_a_stream_header_is_that_of_the_clip(
    rate: tuple[int, int], models: dict[str, str], tmp_path: Path, plugin: Path, vspipe: Path
) -> None:
    script = tmp_path / "script.vpy"
    script.write_text(f"""
import vapoursynth as vs, vsadcvsr
vsadcvsr.load()
clip = vs.core.std.BlankClip(width=16, height=8, format=vs.YUV420P8, length=2, fpsnum={rate[0]}, fpsden={rate[1]})
clip.std.SetFrameProps(_Matrix=1).adcvsr.Upscale(model={models["parts"]!r}, backend="ort").set_output()
""")
    done = subprocess.run(
        [vspipe, "-c", "y4m", script, "-"], capture_output=True, env=environment(tmp_path, plugin), check=True
    )
    header = done.stdout.split(b"\n", 1)[0].decode()
    assert Fraction(header.split(" F")[1].split()[0].replace(":", "/")) == Fraction(*rate)

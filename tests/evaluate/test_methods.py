"""Methods of ours: opened once, and what is counted of their time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import vapoursynth as vs

from tests.evaluate.waves import moving
from tests.restoring import write_pair
from vsadcvsr.engine import Engine, InputFrame
from vsadcvsr.errors import UsageError
from vsadcvsr.evaluate.methods import TimedFrames, open_model
from vsadcvsr.plugin.frames import pixels_of
from vsadcvsr.spec import Array


def test_a_model_is_opened_once_and_warmed_up_for_each_size(monkeypatch: pytest.MonkeyPatch) -> None:
    opened, lengths, real_open, real_stream = [], [], Engine.open, Engine.stream

    def open_counted(*value: Any, **named: Any) -> Engine:
        opened.append(value)
        return real_open(*value, **named)

    def stream_counted(engine: Engine, sources: Any) -> Any:
        frames = list(sources)
        lengths.append(len(frames))
        return real_stream(engine, frames)

    monkeypatch.setattr(Engine, "open", open_counted)
    monkeypatch.setattr(Engine, "stream", stream_counted)
    upscale = open_model("nearest")
    for clip in (moving(3, 12, 16), moving(2, 12, 16), moving(2, 8, 16)):
        assert len(list(upscale(clip))) == len(clip)
    assert len(opened) == 1
    assert lengths == [1, 3, 2, 1, 2]


def test_a_name_may_have_sharpen_behind_it() -> None:
    clip = [np.random.default_rng(1).random((3, 8, 12), np.float32)]
    (wanted,) = Engine.open("nearest", sharpen=0.5).stream(clip)
    (picture,) = open_model("nearest#sharpen=.5")(clip)
    np.testing.assert_array_equal(picture, wanted)


def test_a_name_may_have_steady_behind_it() -> None:
    clip = [np.random.default_rng(0).random((3, 16, 16), np.float32)] * 3
    wanted = list(Engine.open("nearest", steady=0.5).stream(clip))
    for picture, expected in zip(open_model("nearest#steady=.5")(clip), wanted, strict=True):
        np.testing.assert_array_equal(picture, expected)
    with pytest.raises(UsageError, match=r"steady is 'much', allowed: 0 .* to 1"):
        open_model("nearest#steady=much")


def test_a_name_may_have_a_denoise_behind_it(tmp_path: Path) -> None:
    model, clip = write_pair(tmp_path), moving(3, 12, 16)
    half = list(open_model(f"{model}#denoise=.5#no-temporal", backend="ort")(clip))
    wanted = Engine.open(model, denoise=0.5, backend="ort").stream(InputFrame(frame, cut=True) for frame in clip)
    np.testing.assert_array_equal(half, [*wanted])
    for word in ("much", "2"):
        with pytest.raises(UsageError, match=r"denoise is .*, allowed: 0 .* to 1"):
            list(open_model(f"{model}#denoise={word}")(clip))


@pytest.mark.parametrize(("scale", "network"), [(2, 4), (1, 4), (3, 4), (1, 2)])
def test_a_name_may_have_the_scale_of_a_network_behind_it_whose_output_is_resized(scale: int, network: int) -> None:
    clip = moving(3, 12, 16)
    resized = list(open_model(f"nearest-temporal-scales#scale={network}#no-temporal", scale=scale)(clip))
    engine = Engine.open("nearest-temporal-scales", scale=network)
    outputs = engine.stream(InputFrame(frame, cut=True) for frame in clip)
    for frame, output in zip(resized, outputs, strict=True):
        assert frame.shape == (3, 12 * scale, 16 * scale)
        (plain,) = vs_frames(output).resize.Bicubic(16 * scale, 12 * scale).frames()
        np.testing.assert_allclose(frame, pixels_of(plain), atol=2e-6)


def test_a_network_of_another_scale_is_measured_where_its_scale_is_named() -> None:
    clip = moving(2, 12, 16)
    with pytest.raises(UsageError, match=r"nearest upscales by 4 and the truth .* by 2; nearest#scale=4 measures it"):
        list(open_model("nearest", scale=2)(clip))
    assert len(list(open_model("nearest#scale=4", scale=2)(clip))) == 2
    with pytest.raises(UsageError, match="upscales by 2 and the truth is larger by 4; give a model of that scale"):
        list(open_model("nearest-scales#scale=2", scale=4)(clip))
    for word in ("5", "much", "0.5"):
        with pytest.raises(UsageError, match=rf"scale is '{word}', allowed: 1, 2, 3, 4"):
            open_model(f"nearest#scale={word}", scale=2)


def vs_frames(pixels: Array) -> vs.VideoNode:
    """A clip of one RGBS frame."""
    frame = vs.core.create_video_frame(vs.RGBS, pixels.shape[2], pixels.shape[1])
    for plane in range(3):
        np.copyto(np.asarray(frame[plane]), pixels[plane])
    blank = vs.core.std.BlankClip(format=vs.RGBS, width=pixels.shape[2], height=pixels.shape[1], length=1)
    give: Callable[[int, vs.VideoFrame], vs.VideoFrame] = lambda n, f: frame  # noqa: E731, ARG005
    return blank.std.ModifyFrame(blank, give)


def test_time_is_that_of_the_frames_alone() -> None:
    timed = TimedFrames(iter([(frame, 0.5) for frame in moving(3, 8, 8)]))
    assert timed.seconds == 0
    assert len(list(timed)) == 3
    assert timed.seconds == 1.5

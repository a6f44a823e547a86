"""Strength, colour and range of finished pictures."""

from __future__ import annotations

import numpy as np
import pytest

from tests.engine.reference import Boxes, Clip, clip_of, even
from vsadcvsr import postprocess
from vsadcvsr.engine import Engine, EngineOptions
from vsadcvsr.errors import BackendError, UsageError
from vsadcvsr.spec import SCALES, Array


class Constant(Boxes):
    """Gives one value everywhere."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def step(self, frames: Array, links: Array, state: object) -> tuple[Array, object]:
        pictures, state = super().step(frames, links, state)
        return np.full_like(pictures, self.value), state


def test_a_strength_of_zero_is_the_bicubic_upscale() -> None:
    frames = even(3, 5, 7)
    for n, picture in enumerate(Engine(Boxes(), EngineOptions(strength=0)).stream(frames)):
        np.testing.assert_allclose(picture, np.clip(postprocess.bicubic(frames[n], 4), 0, 1), atol=1e-6)


def test_half_a_strength_lies_in_the_middle() -> None:
    frames = 0.25 + even(1, 6, 6) / 2
    (picture,) = Engine(Constant(0.5), EngineOptions(strength=0.5)).stream(frames)
    np.testing.assert_allclose(picture, (postprocess.bicubic(frames[0], 4) + 0.5) / 2, atol=1e-6)


@pytest.mark.parametrize("scale", SCALES)
def test_the_bicubic_upscale_keeps_ramps_and_even_fields(scale: int) -> None:
    ramp = np.broadcast_to(np.arange(12, dtype=np.float32), (3, 8, 12))
    large = postprocess.bicubic(ramp, scale)
    assert large.shape == (3, 8 * scale, 12 * scale)
    inside = slice(2 * scale, -2 * scale)
    inner = np.broadcast_to((np.arange(12 * scale) + 0.5) / scale - 0.5, large.shape)[:, :, inside]
    np.testing.assert_allclose(large[:, :, inside], inner, atol=1e-5)
    np.testing.assert_allclose(postprocess.bicubic(np.full((3, 1, 1), 0.3, np.float32), scale), 0.3, atol=1e-6)


@pytest.mark.parametrize("scale", SCALES)
def test_a_strength_of_zero_is_the_bicubic_upscale_at_any_scale(scale: int) -> None:
    frames = even(2, 5, 7)
    engine = Engine.open("nearest-scales", scale=scale, strength=0)
    for n, image in enumerate(engine.stream(frames)):
        np.testing.assert_allclose(image, np.clip(postprocess.bicubic(frames[n], scale), 0, 1), atol=1e-6)


def test_matching_gives_the_mean_and_deviation_of_the_frame() -> None:
    frame, picture = even(1, 9, 8)[0], 0.3 * even(2, 36, 32)[1] + 0.1
    matched = postprocess.match_statistics(picture, frame)
    np.testing.assert_allclose(matched.mean(axis=(1, 2)), frame.mean(axis=(1, 2)), atol=1e-5)
    np.testing.assert_allclose(matched.std(axis=(1, 2), ddof=1), frame.std(axis=(1, 2), ddof=1), atol=1e-5)


def test_matching_an_even_picture_moves_its_mean() -> None:
    frame = even(1, 4, 4)[0]
    matched = postprocess.match_statistics(np.full((3, 16, 16), 0.9, np.float32), frame)
    np.testing.assert_allclose(
        matched, np.broadcast_to(frame.mean(axis=(1, 2))[:, None, None], matched.shape), atol=1e-6
    )


@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4), (4, 2, 3, 0, 1)])
def test_each_picture_is_matched_to_its_own_frame(order: tuple[int, ...]) -> None:
    frames = clip_of(5, range(5), (6, 6))
    clip, engine = Clip(frames, set(range(5))), Engine.open("nearest-temporal", color_fix="frame", capacity=1)
    for n in order:
        np.testing.assert_allclose(
            engine.render(n, clip.fetch).mean(axis=(1, 2)), frames[n].mean(axis=(1, 2)), atol=2e-3
        )


@pytest.mark.parametrize(("value", "expected"), [(-3.0, 0.0), (7.0, 1.0), (np.inf, 1.0)])
def test_pictures_are_clamped(value: float, expected: float) -> None:
    (picture,) = Engine(Constant(value)).stream(even(1, 4, 4))
    assert (picture == expected).all()


def test_nan_is_an_error() -> None:
    with pytest.raises(BackendError, match="NaN"):
        list(Engine(Constant(np.nan)).stream(even(1, 4, 4)))


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("strength", 1.5), ("strength", float("nan")), ("color_fix", "adain"), ("sc_threshold", -1.0), ("capacity", 0),
        ("backend", "onnx"), ("device", "vulkan"), ("device_index", -1), ("precision", "int4"), ("threads", -2),
    ],
)  # fmt: skip
def test_arguments_out_of_range_are_named(argument: str, value: object) -> None:
    with pytest.raises(UsageError, match=rf"{argument} is .*allowed: "):
        Engine.open("nearest", **{argument: value})  # type: ignore[arg-type]

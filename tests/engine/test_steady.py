"""`steady`: the same bits in any order, less flicker, no smear, nothing across cuts."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from vsadcvsr import steady
from vsadcvsr.color import LUMA_709, luma
from vsadcvsr.engine import EndOfClip, Engine, EngineOptions, InputFrame
from vsadcvsr.errors import BackendError, UsageError
from vsadcvsr.evaluate.metrics.detail import sharpness
from vsadcvsr.output import BaseAndDetail, NetworkOutput, arrays, to_rgb
from vsadcvsr.spec import SCALES, Array, ModelSpec
from vsadcvsr.steady import RADIUS, Stabilizer

type Pixels = NDArray[np.uint8]

SCALED, TEMPORAL = "nearest-scales", "nearest-temporal"


def texture(height: int, width: int, seed: int = 0) -> Array:
    """A picture (3, H, W) with detail of several sizes, 0 to 1."""
    random = np.random.default_rng(seed)
    layers = [cv2.GaussianBlur(random.random((height, width, 3), np.float32), (0, 0), size) for size in (1.5, 3, 8)]
    picture = np.sum([layer / layer.std() for layer in layers], axis=0)
    picture = (picture - picture.min()) / (picture.max() - picture.min())
    return np.ascontiguousarray(picture.transpose(2, 0, 1), dtype=np.float32)


def pan(count: int, size: tuple[int, int], step: int, seed: int = 0) -> list[Array]:
    """A still under a camera that moves by `step` pixels per frame."""
    still = texture(size[0], size[1] + step * count, seed)
    return [np.ascontiguousarray(still[:, :, step * n : step * n + size[1]]) for n in range(count)]


def fetch_from(frames: list[InputFrame], n: int) -> InputFrame:
    if n >= len(frames):
        raise EndOfClip
    return frames[n]


def sources(pictures: list[Array], cuts: set[int]) -> list[InputFrame]:
    return [InputFrame(picture, n in cuts) for n, picture in enumerate(pictures)]


@settings(deadline=None, max_examples=12)
@given(
    st.integers(1, 9),
    st.sets(st.integers(0, 8)),
    st.lists(st.integers(0, 8), max_size=12),
    st.tuples(st.integers(1, 20), st.integers(1, 20)),
    st.sampled_from([*((SCALED, scale) for scale in SCALES), (TEMPORAL, 4)]),
)
def test_any_order_gives_the_pictures_of_each_scene_alone(
    count: int, cuts: set[int], order: list[int], size: tuple[int, int], model: tuple[str, int]
) -> None:
    frames = sources(pan(count, size, 1), cuts)
    borders = [0, *(n for n in sorted(cuts) if 0 < n < count), count]
    name, scale = model
    engine = Engine.open(name, scale=scale, steady=1)
    expected = [picture for first, end in pairwise(borders) for picture in engine.stream(frames[first:end])]
    for picture, wanted in zip(engine.stream(frames), expected, strict=True):
        np.testing.assert_array_equal(picture, wanted)
    for n in order:
        if n < count:
            np.testing.assert_array_equal(engine.render(n, lambda i: fetch_from(frames, i)), expected[n])


@pytest.mark.parametrize("model", ["nearest", TEMPORAL])
def test_a_part_with_its_context_gives_the_pictures_of_the_whole(model: str) -> None:
    frames = sources(pan(14, (24, 32), 2), set())
    engine = Engine.open(model, steady=0.7)
    context = engine.lookahead
    assert context == engine.spec.lookahead + RADIUS
    whole = list(engine.stream(frames))
    part = list(engine.stream(frames[6 - context : 8 + context]))
    for picture, wanted in zip(part[context:-context], whole[6:8], strict=True):
        np.testing.assert_array_equal(picture, wanted)


@pytest.fixture
def opencv_threads() -> Iterator[None]:
    threads = cv2.getNumThreads()
    yield
    cv2.setNumThreads(threads)


@pytest.mark.usefixtures("opencv_threads")
def test_the_number_of_threads_changes_nothing() -> None:
    frames = sources(pan(3, (66, 90), 3), set())
    results = []
    for threads in (1, 2, 5):
        cv2.setNumThreads(threads)
        results.append(np.stack(list(Engine.open("nearest", steady=1).stream(frames))))
    assert all(np.array_equal(result, results[0]) for result in results)


def test_tiles_change_nothing_around_a_network_whose_tiles_are_exact() -> None:
    frames = sources(pan(5, (48, 64), 2), set())
    whole = Engine.open("nearest", steady=1).stream(frames)
    tiled = Engine.open("nearest", steady=1, tile=[32, 24], tile_pad=4).stream(frames)
    assert all(np.array_equal(first, second) for first, second in zip(whole, tiled, strict=True))


@pytest.mark.parametrize("scale", SCALES)
def test_flicker_goes_and_sharpness_stays(scale: int) -> None:
    """A network that draws the truth of a panning still, and each frame some wrong detail."""
    truth = pan(7, (48 * scale, 64 * scale), 3)
    low = [cv2.resize(frame.transpose(1, 2, 0), None, fx=1 / scale, fy=1 / scale, interpolation=cv2.INTER_AREA)
           for frame in truth]  # fmt: skip
    wrong = [0.15 * (texture(frame.shape[1], frame.shape[2], n + 1) - 0.5) for n, frame in enumerate(truth)]
    outputs = [(true + error).clip(0, 1) for true, error in zip(truth, wrong, strict=True)]
    stage = Stabilizer(1)
    for source, output in zip(low, outputs, strict=True):
        stage.add_source(np.ascontiguousarray(source.transpose(2, 0, 1)), linked=True)
        stage.add_output(output.copy())
    result, true, flickering = to_rgb(stage.result()), truth[4], outputs[4]
    assert ((result - true) ** 2).mean() < 0.4 * ((flickering - true) ** 2).mean()
    assert sharpness(result, true) == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("split", [True, False])
@pytest.mark.parametrize("scale", SCALES)
def test_color_that_flickers_is_averaged_as_well(scale: int, split: bool) -> None:
    """Each frame has a cast of its own, without a change of luma."""
    frames = pan(5, (32, 40), 2)
    cast = np.float32(0.1) * np.array([LUMA_709[1], -LUMA_709[0], 0], np.float32)[:, None, None]
    assert np.abs(luma(cast)).max() < 1e-6
    stage = Stabilizer(1)
    for n, frame in enumerate(frames):
        base = frame + cast * (-1) ** n
        detail = np.zeros((32 * scale, 40 * scale), np.float32)
        stage.add_source(frame, linked=n > 0)
        stage.add_output(BaseAndDetail(base, detail) if split else base.repeat(scale, 1).repeat(scale, 2))
    result = to_rgb(stage.result()) - to_rgb(stage.middle) + cast
    assert np.abs(result.mean((1, 2))).max() < 0.35 * np.abs(cast).max()  # three casts less two: a fifth


def test_base_and_detail_give_the_luma_of_their_rgb() -> None:
    """And leave base and detail as they were, which the engine may keep."""
    frames, details = pan(5, (24, 32), 2), [texture(96, 128, n)[0] * np.float32(0.05) for n in range(5)]
    split, whole = Stabilizer(1), Stabilizer(1)
    for n, (frame, detail) in enumerate(zip(frames, details, strict=True)):
        pair = BaseAndDetail(frame * np.float32(0.8) + np.float32(0.05), detail)
        for stage, output in ((whole, to_rgb(pair)), (split, pair)):
            stage.add_source(frame, linked=n > 0)
            stage.add_output(output)
    before = [array.copy() for array in arrays(split.middle)]
    result, wanted = (luma(to_rgb(stage.result())) for stage in (split, whole))
    np.testing.assert_allclose(result, wanted, atol=2e-6)
    for array, earlier in zip(arrays(split.middle), before, strict=True):
        np.testing.assert_array_equal(array, earlier)


def test_flows_in_a_chain_lead_as_far_as_all_together() -> None:
    frames = [np.rint(frame.mean(0) * 255).astype(np.uint8) for frame in pan(3, (64, 96), 3)]
    first, second, both = (steady.optical_flow(frames[a], frames[b]) for a, b in ((0, 1), (1, 2), (0, 2)))
    chain = steady._chained(first, second)
    inner = slice(16, -16), slice(16, -16)
    assert np.abs(chain - both)[inner].mean() < 0.1
    assert np.median(chain[..., 0]) == pytest.approx(-6, abs=0.1)


def test_each_pair_of_neighbours_is_compared_once_in_each_direction(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def counted(first: Pixels, second: Pixels) -> steady.Flow:
        calls.append((first, second))
        return np.zeros((*first.shape, 2), np.float32)

    monkeypatch.setattr(steady, "optical_flow", counted)
    list(Engine.open("nearest", steady=1).stream(sources(pan(8, (24, 32), 1), set())))
    assert len(calls) == 2 * 7


def test_what_moves_otherwise_keeps_its_own_picture() -> None:
    """A frame without any relation to its neighbours, and not marked as a cut."""
    frames = [*pan(3, (64, 64), 1), texture(64, 64, 9), *pan(3, (64, 64), 1)]
    engine = Engine.open("nearest", steady=1, sc_threshold=0)
    picture = list(engine.stream(frames))[3]
    own = frames[3].repeat(4, axis=1).repeat(4, axis=2)
    assert np.abs(picture - own).mean() < 0.02


def test_a_fade_keeps_its_light() -> None:
    still = texture(64, 64)
    frames = [still * np.float32(level) for level in (0.3, 0.4, 0.5, 0.6, 0.7)]
    picture = list(Engine.open("nearest", steady=1, sc_threshold=0).stream(frames))[2]
    assert picture.mean() == pytest.approx(frames[2].mean(), abs=0.005)


def test_half_of_it_is_half_way() -> None:
    frames = sources(pan(5, (32, 32), 2), set())
    none, half, whole = (list(Engine.open("nearest", steady=amount).stream(frames))[2] for amount in (0, 0.5, 1))
    np.testing.assert_allclose(half, (none + whole) / 2, atol=1e-6)
    assert not np.array_equal(none, whole)


class Late:
    """`nearest`, whose output comes a frame late, as that of a GPU does."""

    spec = ModelSpec(name="late", lookahead=1, multiple=1)
    label = "late"

    def __init__(self) -> None:
        self.steps = 0

    def start(self, height: int, width: int) -> object:
        return np.zeros((1, 3, height * 4, width * 4), np.float32)

    def step(self, frames: Array, links: Array, state: object) -> tuple[NetworkOutput, object]:
        del links
        self.steps += 1
        assert isinstance(state, np.ndarray)
        return state, frames.repeat(4, axis=2).repeat(4, axis=3)

    def close(self) -> None:
        """Nothing to close."""


def test_a_device_that_is_late_gives_the_same_pictures() -> None:
    frames = sources(pan(6, (32, 32), 2), {0, 3})
    backend = Late()
    engine = Engine(backend, EngineOptions(steady=1))
    assert engine.lookahead == RADIUS + 1
    for late, plain in zip(engine.stream(frames), Engine.open("nearest", steady=1).stream(frames), strict=True):
        np.testing.assert_array_equal(late, plain)
    assert backend.steps == len(frames) + 1, "the network does not run on the blanks after the end"


@pytest.mark.parametrize("amount", [-0.1, 1.5, float("nan")])
def test_an_amount_is_0_to_1(amount: float) -> None:
    with pytest.raises(UsageError, match=r"^steady is .*, allowed: 0 \(each frame alone\) to 1"):
        Engine.open("nearest", steady=amount)


def test_without_opencv_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(BackendError, match=r"^steady needs cv2; run `pip install 'vsadcvsr\[steady\]'`$"):
        Engine.open("nearest", steady=1)
    Engine.open("nearest")


def test_a_failure_of_opencv_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise cv2.error("too large")

    monkeypatch.setattr(steady, "optical_flow", fail)
    with pytest.raises(BackendError, match=r"^steady failed on frames of"):
        list(Engine.open("nearest", steady=1).stream(pan(3, (16, 16), 1)))


def test_texture_that_is_drawn_anew_in_each_frame_keeps_its_sharpness() -> None:
    random = np.random.default_rng(4)
    grain = [cv2.GaussianBlur(random.normal(0, 0.06, (96, 96)).astype(np.float32), (0, 0), 0.8) for _ in range(5)]
    still, stage = texture(96, 96, 5), Stabilizer(1)
    for drawn in grain:
        stage.add_source(still, linked=True)
        stage.add_output(np.clip(still + drawn, 0, 1))
    own, result = to_rgb(stage.middle), to_rgb(stage.result())
    mean = np.mean([np.clip(still + drawn, 0, 1) for drawn in grain], axis=0)
    assert sharpness(mean, own) < 0.95
    assert 0.97 < sharpness(result, own) < 1.03
    assert np.square(result - still).mean() < 0.6 * np.square(own - still).mean()

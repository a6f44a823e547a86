"""Picture n is the same in any order, after any seek, with cuts told or detected: the network on n's whole scene."""

from __future__ import annotations

import random
import threading
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.reference import REACH, Boxes, Clip, clip_of, detected, even, expected
from vsadcvsr.engine import Engine, EngineOptions, InputFrame
from vsadcvsr.errors import FormatError, UsageError
from vsadcvsr.spec import SCALES, Array

TEMPORAL = "nearest-temporal"
SCALED = "nearest-temporal-scales"

type Job = tuple[int, set[int], list[int], int, tuple[int, int], int]
"""A clip's length, its cuts, an order of frames, a capacity of the cache, a size, a scale."""


@st.composite
def jobs(draw: st.DrawFn) -> Job:
    count = draw(st.integers(1, 14))
    numbers = st.integers(0, count - 1)
    size = draw(st.tuples(st.integers(1, 6), st.integers(1, 6)))
    order, scale = draw(st.lists(numbers, max_size=20)), draw(st.sampled_from(SCALES))
    return count, draw(st.sets(numbers)), order, draw(st.integers(1, 4)), size, scale


@settings(deadline=None, max_examples=150)
@given(jobs())
def test_any_order_gives_the_pictures_of_whole_scenes(job: Job) -> None:
    count, cuts, order, capacity, size, scale = job
    clip = Clip(clip_of(count, cuts, size), cuts)
    engine = Engine.open(SCALED, scale=scale, capacity=capacity)
    for n in order:
        np.testing.assert_array_equal(engine.render(n, clip.fetch), expected(clip.frames, n, cuts, scale))


@settings(deadline=None, max_examples=100)
@given(jobs())
def test_a_frame_fetches_no_other_frames_than_needed_frames_returns(job: Job) -> None:
    count, cuts, order, capacity, size, scale = job
    clip = Clip(clip_of(count, cuts, size), cuts)
    engine = Engine.open(SCALED, scale=scale, capacity=capacity)
    for turn, n in enumerate(order):
        if turn % 4 == 3:
            engine.reset()
        needed = engine.needed_frames(n)
        assert set(needed) <= set(engine.context_frames(n)) or needed.stop == n + REACH + 1
        clip.fetched.clear()
        np.testing.assert_array_equal(engine.render(n, clip.fetch), expected(clip.frames, n, cuts, scale))
        assert clip.fetched == [i for i in needed if i < count]


@settings(deadline=None, max_examples=100)
@given(jobs())
def test_a_stream_gives_the_pictures_of_whole_scenes(job: Job) -> None:
    count, cuts, _, _, size, scale = job
    clip = Clip(clip_of(count, cuts, size), cuts)
    pictures = list(Engine.open(SCALED, scale=scale).stream(clip.sources()))
    assert len(pictures) == count
    for n, picture in enumerate(pictures):
        np.testing.assert_array_equal(picture, expected(clip.frames, n, cuts, scale))


@settings(deadline=None, max_examples=60)
@given(jobs())
def test_a_seek_detects_the_cuts_that_a_linear_run_does(job: Job) -> None:
    count, cuts, order, capacity, _, scale = job
    clip = Clip(clip_of(count, cuts, (18, 32)))
    result = detected(clip.frames)
    engine = Engine.open(SCALED, scale=scale, capacity=capacity)
    for n in order:
        np.testing.assert_array_equal(engine.render(n, clip.fetch), expected(clip.frames, n, result, scale))


def test_a_threshold_of_zero_turns_the_detector_off() -> None:
    clip = Clip(clip_of(8, {4}, (18, 32)))
    assert detected(clip.frames) == {4}
    pictures = Engine.open(TEMPORAL, sc_threshold=0).stream(clip.sources())
    for n, picture in enumerate(pictures):
        np.testing.assert_array_equal(picture, expected(clip.frames, n, ()))


def test_a_frame_that_says_there_is_no_cut_is_believed() -> None:
    clip = Clip(clip_of(8, {4}, (18, 32)), cuts=())
    for n, picture in enumerate(Engine.open(TEMPORAL).stream(clip.sources())):
        np.testing.assert_array_equal(picture, expected(clip.frames, n, ()))


@pytest.mark.parametrize("cuts", [None, {3, 4, 9}])
def test_linear_use_fetches_each_frame_once(cuts: set[int] | None) -> None:
    clip = Clip(clip_of(12, {3, 4, 9}, (18, 32)), cuts)
    engine = Engine.open(TEMPORAL)
    for n in range(12):
        engine.render(n, clip.fetch)
    assert clip.fetched == list(range(12))


def test_a_ring_hit_fetches_nothing() -> None:
    clip, engine = Clip(clip_of(6)), Engine.open(TEMPORAL)
    first = engine.render(2, clip.fetch)
    clip.fetched.clear()
    np.testing.assert_array_equal(engine.render(2, clip.fetch), first)
    assert clip.fetched == []


def test_a_seek_fetches_the_frames_around_it() -> None:
    clip = Clip(clip_of(40), cuts=())
    Engine.open(TEMPORAL).render(20, clip.fetch)
    assert clip.fetched == [18, 19, 20, 21, 22]


def test_a_seek_steps_from_the_start_of_the_scene() -> None:
    backend = Boxes()
    clip = Clip(even(9, 4, 4), cuts={5})
    Engine(backend).render(5, clip.fetch)
    assert backend.steps == 2  # frame 5 and the one ahead, not frame 4


def test_requests_out_of_order_do_not_restart() -> None:
    clip, engine = Clip(clip_of(30), cuts=()), Engine.open(TEMPORAL)
    for n in (0, 3, 1, 2, 7, 4, 6, 5, 9, 8, 12, 10, 11):
        engine.render(n, clip.fetch)
    assert clip.fetched == list(range(15))


def test_500_random_seeks_leave_memory_and_work_flat() -> None:
    cuts = set(range(0, 200, 13))
    clip = Clip(clip_of(200, cuts, (24, 32)), cuts)  # 9 KiB a frame, 144 KiB a picture
    engine = Engine.open(TEMPORAL, capacity=6)
    rng = random.Random(3)
    levels = []
    tracemalloc.start()
    try:
        for _ in range(500):
            before = len(clip.fetched)
            engine.render(rng.randrange(200), clip.fetch)
            assert len(clip.fetched) - before <= 2 * REACH + 6
            clip.fetched.clear()
            levels.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert max(levels[400:]) - max(levels[50:100]) < 300_000  # Python's own free lists are in this


def test_many_threads_see_the_same_pictures() -> None:
    cuts = {7, 8, 20}
    clip = Clip(clip_of(32, cuts), cuts)
    engine = Engine.open(TEMPORAL, capacity=3)
    seen: dict[int, bool] = {}

    def ask(numbers: list[int]) -> None:
        for n in numbers:
            seen[n] = np.array_equal(engine.render(n, clip.fetch), expected(clip.frames, n, cuts))

    order = list(range(32))
    random.Random(1).shuffle(order)
    threads = [threading.Thread(target=ask, args=(order[k::8],)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == dict.fromkeys(range(32), True)


def test_the_end_of_a_clip_is_found_by_asking() -> None:
    clip, engine = Clip(clip_of(5)), Engine.open(TEMPORAL)
    np.testing.assert_array_equal(engine.render(4, clip.fetch), expected(clip.frames, 4, ()))
    np.testing.assert_array_equal(engine.render(3, clip.fetch), expected(clip.frames, 3, ()))
    with pytest.raises(UsageError, match="no frame 5"):
        engine.render(5, clip.fetch)
    np.testing.assert_array_equal(engine.render(4, clip.fetch), expected(clip.frames, 4, ()))


def test_a_clip_may_grow_past_an_end_that_was_met() -> None:
    frames, engine = clip_of(9), Engine.open(TEMPORAL)
    engine.render(4, Clip(frames[:5]).fetch)
    np.testing.assert_array_equal(engine.render(6, Clip(frames).fetch), expected(frames, 6, ()))


def test_an_empty_stream_gives_nothing_and_a_negative_number_is_refused() -> None:
    engine = Engine.open(TEMPORAL)
    assert list(engine.stream([])) == []
    with pytest.raises(UsageError, match="n is -1"):
        engine.render(-1, Clip(clip_of(1)).fetch)


def test_lost_frames_make_a_cold_start_behind_them() -> None:
    clip, engine = Clip(clip_of(20), cuts=(), lost=range(9)), Engine.open(TEMPORAL)
    behind = Clip(clip.frames, cuts={9})
    np.testing.assert_array_equal(engine.render(10, clip.fetch), expected(behind.frames, 10, {9}))
    for n in range(11, 20):
        np.testing.assert_array_equal(engine.render(n, clip.fetch), expected(clip.frames, n, {9}))


def test_a_frame_lost_on_the_way_does_not_end_the_clip() -> None:
    clip, engine = Clip(clip_of(20), cuts=()), Engine.open(TEMPORAL)
    engine.render(0, clip.fetch)
    clip.lost = {4}
    np.testing.assert_array_equal(engine.render(8, clip.fetch), expected(clip.frames, 8, ()))


def test_a_fetch_that_fails_is_passed_on_and_leaves_the_engine_sound() -> None:
    clip, engine = Clip(clip_of(12)), Engine.open(TEMPORAL)
    engine.render(3, clip.fetch)

    def broken(i: int) -> InputFrame:
        raise OSError(f"frame {i}")

    with pytest.raises(OSError, match="frame 6"):
        engine.render(4, broken)
    np.testing.assert_array_equal(engine.render(4, clip.fetch), expected(clip.frames, 4, ()))


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (np.zeros((3, 4, 4)), "float64"),
        (np.zeros((1, 4, 4), np.float32), r"\(1, 4, 4\)"),
        (np.full((3, 4, 4), np.nan, np.float32), "NaN"),
        (np.zeros((3, 4, 6), np.float32), "6x4, the ones before it 4x4"),
    ],
)
def test_frames_that_cannot_be_taken_are_refused(frame: Array, message: str) -> None:
    whole = np.zeros((3, 4, 4), np.float32)
    with pytest.raises(FormatError, match=message):
        list(Engine.open("nearest").stream([whole, frame]))


def test_a_returned_frame_is_read_only() -> None:
    engine, clip = Engine.open("nearest"), Clip(clip_of(1))
    with pytest.raises(ValueError, match="read-only"):
        engine.render(0, clip.fetch)[:] = 0


def test_a_closed_engine_says_so() -> None:
    engine = Engine(Boxes(), EngineOptions())
    engine.close()
    engine.close()
    with pytest.raises(UsageError, match="closed"):
        engine.render(0, Clip(clip_of(1)).fetch)

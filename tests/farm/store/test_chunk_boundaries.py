"""Chunks: every frame once, in order, whatever the times and cuts."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsadcvsr.errors import UsageError
from vsadcvsr.farm.store.chunk_boundaries import MIN_FRAMES, Chunk, plan_chunks

STEPS = st.lists(st.integers(1, 4000), max_size=120)  # milliseconds from frame to frame, as irregular as can be
CUTS = st.lists(st.integers(0, 120), max_size=30)
SECONDS = st.fractions(Fraction(1, 50), 30)


def times_of(steps: Sequence[int]) -> list[Fraction]:
    return [Fraction(time, 1000) for time in accumulate(steps)]


def regular(count: int, rate: int = 25) -> list[Fraction]:
    return [Fraction(number, rate) for number in range(count)]


@given(STEPS, CUTS, SECONDS, st.integers(0, 100))
def test_every_frame_is_in_one_chunk_and_in_order(
    steps: list[int], cuts: list[int], seconds: Fraction, margin: int
) -> None:
    chunks = plan_chunks(times_of(steps), cuts, seconds=seconds, margin=margin)
    assert [n for chunk in chunks for n in range(chunk.begin, chunk.end)] == list(range(len(steps)))
    assert [chunk.number for chunk in chunks] == list(range(len(chunks)))


@given(STEPS, CUTS, SECONDS, st.integers(0, 100))
def test_margins_are_whole_but_at_the_ends_of_the_video(
    steps: list[int], cuts: list[int], seconds: Fraction, margin: int
) -> None:
    for chunk in plan_chunks(times_of(steps), cuts, seconds=seconds, margin=margin):
        assert chunk.first == max(0, chunk.begin - margin)
        assert chunk.last == min(len(steps), chunk.end + margin)


@given(STEPS, CUTS, SECONDS)
def test_a_chunk_lasts_no_longer_than_half_as_much_again_unless_that_is_hardly_a_frame(
    steps: list[int], cuts: list[int], seconds: Fraction
) -> None:
    times = times_of(steps)
    for chunk in plan_chunks(times, cuts, seconds=seconds, margin=0):
        lasting = times[chunk.end - 1] - times[chunk.begin]
        assert lasting <= seconds * 3 / 2 or chunk.length < 2 * MIN_FRAMES


@given(STEPS, CUTS, SECONDS)
def test_no_chunk_of_a_longer_video_is_a_single_frame(steps: list[int], cuts: list[int], seconds: Fraction) -> None:
    chunks = plan_chunks(times_of(steps), cuts, seconds=seconds, margin=0)
    assert all(chunk.length >= min(MIN_FRAMES, len(steps)) for chunk in chunks)


@given(STEPS, CUTS, SECONDS)
def test_times_that_go_back_lose_no_frame(steps: list[int], cuts: list[int], seconds: Fraction) -> None:
    chunks = plan_chunks(times_of(steps)[::-1], cuts, seconds=seconds, margin=1)
    assert sum(chunk.length for chunk in chunks) == len(steps)


def test_a_video_is_divided_at_the_cut_that_is_nearest_to_the_length() -> None:
    chunks = plan_chunks(regular(100), [20, 27, 36, 90], seconds=Fraction(1), margin=2)
    assert [chunk.begin for chunk in chunks] == [0, 27, 52, 77]
    assert chunks[1] == Chunk(1, 27, 52, 25, 54)


def test_without_cuts_chunks_are_of_the_length_that_is_asked_for() -> None:
    assert [chunk.length for chunk in plan_chunks(regular(100), [], seconds=Fraction(1), margin=0)] == [25, 25, 25, 25]


def test_cuts_every_few_frames_leave_chunks_of_about_the_length() -> None:
    chunks = plan_chunks(regular(500), range(0, 500, 3), seconds=Fraction(2), margin=0)
    assert {chunk.begin % 3 for chunk in chunks} == {0}
    assert all(25 <= chunk.length <= 75 for chunk in chunks)


def test_a_video_of_one_frame_is_one_chunk() -> None:
    assert plan_chunks(regular(1), [0], seconds=Fraction(20), margin=4) == (Chunk(0, 0, 1, 0, 1),)


def test_a_video_of_no_frame_has_no_chunks() -> None:
    assert plan_chunks([], [], seconds=Fraction(20), margin=4) == ()


@pytest.mark.parametrize("pair", [(Fraction(0), 0), (Fraction(1), -1)])
def test_lengths_that_make_no_sense_are_refused(pair: tuple[Fraction, int]) -> None:
    with pytest.raises(UsageError, match="allowed"):
        plan_chunks(regular(10), [], seconds=pair[0], margin=pair[1])


def test_chunks_follow_each_other() -> None:
    chunks = plan_chunks(regular(1000), [333], seconds=Fraction(3), margin=4)
    assert all(first.end == other.begin for first, other in pairwise(chunks))

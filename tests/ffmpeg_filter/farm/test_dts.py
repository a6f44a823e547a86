"""Timestamps of packets whose pictures come in another order."""

from __future__ import annotations

from itertools import accumulate, pairwise

from hypothesis import given
from hypothesis import strategies as st

from ffmpeg_filter.farm.dts import decoding_times, presentation_ranks, reorder_delay

STEPS = st.lists(st.integers(1, 500), min_size=1, max_size=40)


@st.composite
def films(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    """Times of pictures, and the order in which they are decoded: each at most a few places early or late."""
    times = list(accumulate(draw(STEPS)))
    order = list(range(len(times)))
    for at in draw(st.lists(st.integers(0, len(times) - 1), max_size=20)):
        order[at : at + 4] = draw(st.permutations(order[at : at + 4]))
    return times, order


@given(films())
def test_each_packet_is_given_the_number_of_its_picture(film: tuple[list[int], list[int]]) -> None:
    times, order = film
    assert presentation_ranks([times[number] for number in order]) == order


@given(films())
def test_packets_are_decoded_in_order_and_none_after_it_is_shown(film: tuple[list[int], list[int]]) -> None:
    times, order = film
    decoded = decoding_times(times, reorder_delay(order))
    assert len(decoded) == len(times)
    assert all(before < after for before, after in pairwise(decoded))
    assert all(when <= times[number] for when, number in zip(decoded, order, strict=True))


@given(films())
def test_without_a_delay_that_would_not_hold(film: tuple[list[int], list[int]]) -> None:
    times, order = film
    if (ahead := reorder_delay(order)) > 0:
        decoded = decoding_times(times, ahead - 1)
        assert any(when > times[number] for when, number in zip(decoded, order, strict=True))


def test_packets_in_the_order_of_their_pictures_keep_their_times() -> None:
    assert decoding_times([3, 5, 9], reorder_delay([0, 1, 2])) == [3, 5, 9]


def test_the_first_packets_are_as_much_earlier_as_the_encoders_have_them() -> None:
    assert decoding_times([10, 13, 20, 40, 41], 2) == [0, 3, 10, 13, 20]
    assert decoding_times([10, 13], 2) == [10, 13]  # too short for the encoder to have waited


def test_packets_of_the_same_time_keep_their_order() -> None:
    assert presentation_ranks([5, 5, 4]) == [1, 2, 0]


def test_no_packets_have_no_times() -> None:
    assert decoding_times([], reorder_delay([])) == []

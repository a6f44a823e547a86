"""Times that FFmpeg's encoders get: rounded to the rate, moved on where they are too near, dropped where too many."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from ffmpeg_filter.transcode import vsync

rates = st.sampled_from([Fraction(10), Fraction(25), Fraction(24000, 1001), Fraction(1, 2)])
milliseconds = st.lists(st.integers(0, 5000), max_size=30).map(lambda them: [Fraction(one, 1000) for one in them])


@given(st.integers(0, 50), rates)
def test_steady_frames_keep_their_times(count: int, rate: Fraction) -> None:
    times = [number / rate for number in range(count)]
    assert vsync.encoder_times(times, rate) == times
    assert vsync.is_steady(times, rate)
    assert not vsync.is_steady(times, None)


@given(milliseconds, rates)
def test_times_are_whole_steps_and_rise(times: list[Fraction], rate: Fraction) -> None:
    result = vsync.encoder_times(times, rate)
    shown = [time for time in result if time is not None]
    assert len(result) == len(times)
    assert all((time * rate).denominator == 1 for time in shown)
    assert shown == sorted(set(shown))


@given(st.lists(st.integers(1, 90), max_size=30), rates)
def test_frames_on_steps_are_all_kept(steps: list[int], rate: Fraction) -> None:
    times = [sum(steps[:number]) / rate for number in range(len(steps))]
    assert vsync.encoder_times(times, rate) == times


@given(milliseconds, rates)
def test_in_order_no_frame_moves_far(times: list[Fraction], rate: Fraction) -> None:
    result = vsync.encoder_times(sorted(times), rate)
    assert all(
        abs(after - before) * rate < 2 for before, after in zip(sorted(times), result, strict=True) if after is not None
    )


def test_a_frame_that_comes_back_is_dropped() -> None:
    times = [Fraction(number, 10) for number in (0, 1, 2, 0, 3)]
    assert vsync.encoder_times(times, Fraction(10)) == [0, Fraction(1, 10), Fraction(2, 10), None, Fraction(3, 10)]


def test_times_in_the_middle_of_two_steps_are_rounded_away_from_zero() -> None:
    times = [Fraction(25 + 2 * number, 50) for number in range(3)]
    assert vsync.encoder_times(times, Fraction(25)) == [Fraction(number, 25) for number in (13, 14, 15)]


def test_a_pair_at_one_time_takes_two_steps() -> None:
    times = [Fraction(number, 10) for number in (0, 1, 1, 3)]
    assert vsync.encoder_times(times, Fraction(10)) == [0, Fraction(1, 10), Fraction(2, 10), Fraction(3, 10)]
    assert not vsync.is_steady(times, Fraction(10))

"""What a job has cost."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.farm.ledgers import line, made
from vsadcvsr.farm.monitor.summary import Summary, format_duration, merge_spans, summary, total_length
from vsadcvsr.farm.store.chunk_boundaries import plan_chunks
from vsadcvsr.farm.store.ledger import LedgerEntry

CHUNKS = plan_chunks([Fraction(number, 25) for number in range(100)], [], seconds=Fraction(1), margin=2)
"""Four of 25 frames."""
WHOLE = [
    line("planned", 10, seconds=10),
    *made(20, 30, 0),
    *made(20, 25, 1, "far:2"),
    line("begun", 30, 2),
    line("failed", 32, 2, cause="disk full"),
    *made(32, 52, 2, "far:2"),
    *made(35, 45, 3),
    line("merged", 60, seconds=8),
]


def of(lines: list[LedgerEntry]) -> Summary:
    return summary(CHUNKS, lines, {entry.chunk for entry in lines if entry.event == "done"})


def test_the_time_is_divided_into_planning_chunks_merging_and_nothing() -> None:
    result = of(WHOLE)
    assert (result.wall, result.planning, result.making, result.merging, result.idle) == (60, 10, 32, 8, 10)


def test_the_speed_is_that_of_all_at_once_while_there_is_work() -> None:
    assert of(WHOLE).fps == pytest.approx(100 / 32, abs=1e-3)


def test_retries_failures_and_the_slowest_chunk_are_named() -> None:
    result = of(WHOLE)
    assert (result.retries, result.failures) == (1, 1)
    assert result.slowest == {"chunk": 2, "seconds": 20, "worker": "far:2"}


def test_a_worker_is_as_fast_as_what_it_has_made() -> None:
    first, second = of(WHOLE).workers
    assert (first.worker, first.chunks, first.frames, first.failures, first.fps) == ("far:1", 2, 50, 1, 2.5)
    assert (second.worker, second.seconds, second.fps, second.engine) == ("far:2", 25, 2.0, "e")


def test_the_whole_is_a_short_block() -> None:
    assert str(of(WHOLE)).splitlines() == [
        "4/4 chunks, 100/100 frames in 0:01:00, 3.12 fps; 1 retry, 1 failure",
        "  planning 10.0 s (20.0%), chunks 32.0 s (64.0%), merging 8.0 s (16.0%), nobody at work 10.0 s",
        "  slowest: chunk 2, 20.0 s on far:2",
        "  far:2    2 chunks       50 frames         2 fps",
        "  far:1    2 chunks       50 frames       2.5 fps  1 failure",
    ]


def test_a_thousand_workers_are_a_short_block_too() -> None:
    lines = [item for number in range(1000) for item in made(0, 1 + number, number % 4, f"far:{number}")]
    text = str(of(sorted(lines, key=lambda item: item.at)))
    assert len(text.splitlines()) < 15
    assert "992 faster workers" in text


def test_a_job_that_nobody_has_begun_has_a_summary() -> None:
    result = summary(CHUNKS, [], [])
    assert (result.done, result.wall, result.fps, result.slowest, result.workers) == (0, 0, 0, None, [])
    assert "0/4 chunks" in str(result)


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0, "0.0 s"), (59.94, "59.9 s"), (60, "0:01:00"), (3725.6, "1:02:06"), (-1, "0.0 s")]
)
def test_times_are_read_at_a_glance(seconds: float, expected: str) -> None:
    assert format_duration(seconds) == expected


_SPANS = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)).map(lambda pair: (min(pair), max(pair))))


@given(_SPANS)
def test_times_that_overlap_count_once(spans: list[tuple[int, int]]) -> None:
    seconds = {second for begin, end in spans for second in range(begin, end)}
    assert total_length(merge_spans(spans)) == len(seconds)

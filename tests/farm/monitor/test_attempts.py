"""Who tried what, and how it ended, out of lines."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.farm.ledgers import line, made
from vsadcvsr.farm.monitor.attempts import attempts
from vsadcvsr.farm.store.ledger import LedgerEntry


def outcomes(lines: list[LedgerEntry]) -> list[tuple[int, str, str]]:
    return [(attempt.chunk, attempt.worker, attempt.outcome) for attempt in attempts(lines)]


def test_a_chunk_that_is_made_is_one_attempt_as_long_as_it_took() -> None:
    (attempt,) = attempts(made(10, 14, 3))
    assert (attempt.chunk, attempt.begun, attempt.ended, attempt.seconds, attempt.outcome, attempt.frames) == (
        3,
        10,
        14,
        4,
        "done",
        25,
    )


def test_a_failure_has_its_cause_and_the_next_attempt_is_another() -> None:
    lines = [line("begun", 1, 0), line("failed", 2, 0, cause="disk full"), *made(3, 4, 0, "far:2")]
    assert outcomes(lines) == [(0, "far:1", "failed"), (0, "far:2", "done")]
    assert attempts(lines)[0].cause == "disk full"


def test_what_nobody_has_told_the_end_of_is_open() -> None:
    assert outcomes([line("begun", 1, 0)]) == [(0, "far:1", "open")]


def test_a_worker_whose_chunk_another_began_is_lost_at_that_time() -> None:
    lost, _ = attempts([line("begun", 1, 0), line("begun", 5, 0, "far:2")])
    assert (lost.outcome, lost.ended) == ("lost", 5)


def test_a_lost_worker_is_not_thought_to_have_worked_all_night() -> None:
    lines = [*made(0, 4, 1), line("begun", 5, 0), *made(30_000, 30_003, 0, "far:2")]
    assert [(attempt.begun, attempt.ended) for attempt in attempts(lines)] == [(0, 4), (5, 9), (30_000, 30_003)]


def test_and_it_stays_lost_when_the_other_is_done() -> None:
    assert outcomes([line("begun", 1, 0), *made(5, 6, 0, "far:2")]) == [(0, "far:1", "lost"), (0, "far:2", "done")]


def test_it_was_not_lost_if_it_is_done_after_all() -> None:
    first, second = made(1, 7, 0), made(5, 6, 0, "far:2")
    lines = sorted([*first, *second], key=lambda item: item.at)
    assert [attempt.outcome for attempt in attempts(lines)] == ["done", "done"]


def test_a_worker_that_begins_something_else_has_lost_the_first() -> None:
    assert outcomes([line("begun", 1, 0), line("begun", 2, 1)]) == [(0, "far:1", "lost"), (1, "far:1", "open")]


def test_a_line_of_an_end_without_a_beginning_is_an_attempt_still() -> None:
    (attempt,) = attempts(made(10, 14, 3)[1:])
    assert (attempt.begun, attempt.ended, attempt.outcome) == (10, 14, "done")


@given(
    st.lists(
        st.tuples(st.sampled_from(["begun", "done", "failed", "merged"]), st.integers(0, 3), st.sampled_from("abc"))
    )
)
def test_no_beginning_is_counted_twice_or_not_at_all(rows: list[tuple[str, int, str]]) -> None:
    lines = [line(event, at, chunk, worker) for at, (event, chunk, worker) in enumerate(rows)]  # type: ignore[arg-type]
    result = attempts(lines)
    beginnings = [(entry.at, entry.chunk, entry.worker) for entry in lines if entry.event == "begun"]
    assert [key for key in beginnings if key not in {(item.begun, item.chunk, item.worker) for item in result}] == []
    ended = sum(entry.event in {"done", "failed"} for entry in lines)
    assert sum(item.outcome in {"done", "failed"} for item in result) == ended
    assert len(result) >= max(ended, len(beginnings))
    assert all(item.seconds >= 0 for item in result)

"""Which chunk goes to whom."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vsadcvsr.farm.cluster.chunk_queue import ChunkQueue, Failure
from vsadcvsr.farm.retry_limits import MAX_CHUNK_FAILURES


def test_chunks_are_handed_out_in_their_order_and_once() -> None:
    queue = ChunkQueue([3, 5, 8])
    assert [queue.take("a", (), 0), queue.take("b", (), 0), queue.take("a", (), 0), queue.take("b", (), 0)] == [
        3, 5, 8, None,
    ]  # fmt: skip


def test_it_is_over_when_all_are_done_and_not_when_all_are_taken() -> None:
    queue = ChunkQueue([0])
    queue.take("a", (), 0)
    assert not queue.is_over
    queue.mark_done(0)
    assert queue.is_over


def test_a_chunk_that_failed_waits_behind_the_others() -> None:
    queue = ChunkQueue([0, 1])
    queue.take("a", (), 0)
    queue.mark_failed(0, Failure("a", "no space"))
    assert [queue.take("b", (), 0), queue.take("b", (), 0)] == [1, 0]


def test_a_chunk_is_not_given_again_to_who_failed_at_it_while_there_are_others() -> None:
    queue = ChunkQueue([0])
    queue.take("a", ("b",), 0)
    queue.mark_failed(0, Failure("a", "no space"))
    assert queue.take("a", ("b",), 0) is None
    assert queue.take("b", ("a",), 0) == 0


def test_it_is_given_again_where_the_others_have_failed_too_or_there_are_none() -> None:
    queue = ChunkQueue([0])
    for worker in ("a", "b"):
        queue.take(worker, (), 0)
        queue.mark_failed(0, Failure(worker, "no space"))
    assert queue.take("a", ("b",), 0) == 0


def test_after_three_failures_there_is_no_hope_and_the_last_cause_is_reported() -> None:
    queue = ChunkQueue([7])
    for worker in ("a", "b", "c"):
        assert queue.fatal_failure == ""
        queue.take(worker, (), 0)
        queue.mark_failed(7, Failure(worker, f"cause {worker}"))
    assert queue.fatal_failure == "chunk 7 failed 3 times, on a, b, c: cause c"


def test_what_somebody_else_makes_is_asked_for_again_only_later() -> None:
    queue = ChunkQueue([0, 1])
    queue.take("a", (), 10.0)
    queue.defer(0, until=11.0)
    assert [queue.take("a", (), 10.5), queue.take("a", (), 10.5), queue.take("a", (), 11.0)] == [1, None, 0]


def test_what_others_have_made_waits_for_nobody() -> None:
    queue = ChunkQueue([0, 1, 2])
    queue.take("a", (), 0)
    queue.drop({0, 2})
    queue.mark_done(0)
    assert (queue.take("a", (), 0), len(queue)) == (1, 0)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["done", "fail", "busy"])), max_size=60))
def test_whatever_happens_no_chunk_is_with_two_workers_and_none_is_lost(events: list[tuple[str, str]]) -> None:
    queue = ChunkQueue(range(5))
    chunk_of: dict[str, int] = {}
    done: set[int] = set()
    for worker, end in events:
        if worker not in chunk_of:
            number = queue.take(worker, set("abc") - {worker}, 0.0)
            if number is not None:
                assert number not in chunk_of.values()
                chunk_of[worker] = number
            continue
        number = chunk_of.pop(worker)
        if end == "done":
            done.add(number)
            queue.mark_done(number)
        elif end == "fail":
            queue.mark_failed(number, Failure(worker, "x"))
        else:
            queue.defer(number, 0.0)
    assert len(queue) + len(chunk_of) + len(done) == 5
    assert queue.is_over == (len(done) == 5)
    assert MAX_CHUNK_FAILURES == 3

"""Queue of the chunks of a job: which chunk goes to which worker next."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable
from typing import NamedTuple

from vsadcvsr.farm.retry_limits import MAX_CHUNK_FAILURES


class Failure(NamedTuple):
    """Worker and cause of a failure."""

    worker: str
    cause: str


class ChunkQueue:
    """The chunks that wait for a worker. Times are in seconds of one monotonic clock."""

    def __init__(self, numbers: Iterable[int]) -> None:
        self._waiting = deque(numbers)
        self._assigned: set[int] = set()
        self._not_before: dict[int, float] = {}
        self._failures: dict[int, list[Failure]] = {}

    def __len__(self) -> int:
        """Chunks that are neither done nor assigned."""
        return len(self._waiting)

    @property
    def is_over(self) -> bool:
        """Whether all chunks are done."""
        return not self._waiting and not self._assigned

    def take(self, worker: str, others: Collection[str], now: float) -> int | None:
        """A chunk for a worker, the longest waiting first; None if there is none for it now.

        A chunk that it has failed is left to the `others`, as long as one of them has not.
        """
        for number in self._waiting:
            if self._not_before.get(number, now) <= now and self._may_try(number, worker, others):
                self._waiting.remove(number)
                self._assigned.add(number)
                return number
        return None

    def mark_done(self, number: int) -> None:
        """The chunk is done."""
        self._assigned.discard(number)

    def drop(self, numbers: Collection[int]) -> None:
        """These chunks were rendered by others."""
        self._waiting = deque(number for number in self._waiting if number not in numbers)

    def defer(self, number: int, until: float) -> None:
        """Another worker holds it; do not offer it again before `until`."""
        self._requeue(number)
        self._not_before[number] = until

    def mark_failed(self, number: int, failure: Failure) -> None:
        """Puts the chunk at the end of the queue."""
        self._requeue(number)
        self._failures.setdefault(number, []).append(failure)

    @property
    def fatal_failure(self) -> str:
        """The chunk that has failed too often, and why; empty if there is none."""
        for number, failures in self._failures.items():
            if len(failures) >= MAX_CHUNK_FAILURES:
                workers = ", ".join(dict.fromkeys(failure.worker for failure in failures))
                return f"chunk {number} failed {len(failures)} times, on {workers}: {failures[-1].cause}"
        return ""

    def _requeue(self, number: int) -> None:
        self._assigned.discard(number)
        self._waiting.append(number)

    def _may_try(self, number: int, worker: str, others: Collection[str]) -> bool:
        failed = {failure.worker for failure in self._failures.get(number, ())}
        return worker not in failed or failed.issuperset(others)

"""Which chunk of a job goes to which worker next. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable
from typing import NamedTuple

TOO_MANY = 3
"""Failures of one chunk after which nobody tries it again, and of one worker in a row after which it gets no more."""


class Failure(NamedTuple):
    """Who failed at a chunk, and why."""

    worker: str
    cause: str


class Queue:
    """The chunks that wait for somebody. Times are seconds of any one clock."""

    def __init__(self, numbers: Iterable[int]) -> None:
        self._waiting = deque(numbers)
        self._given: set[int] = set()
        self._later: dict[int, float] = {}
        self._failures: dict[int, list[Failure]] = {}

    def __len__(self) -> int:
        """How many chunks are neither done nor with a worker."""
        return len(self._waiting)

    @property
    def is_over(self) -> bool:
        """Whether all chunks are done."""
        return not self._waiting and not self._given

    def take(self, worker: str, others: Collection[str], now: float) -> int | None:
        """A chunk for a worker, the longest waiting first; None if there is none for it now.

        One that it has failed at is left to the `others`, as long as one of them has not.
        """
        for number in self._waiting:
            if self._later.get(number, now) <= now and self._may_try(number, worker, others):
                self._waiting.remove(number)
                self._given.add(number)
                return number
        return None

    def done(self, number: int) -> None:
        """It needs nobody any more."""
        self._given.discard(number)

    def drop(self, numbers: Collection[int]) -> None:
        """Others have made these: whoever has one need not be told."""
        self._waiting = deque(number for number in self._waiting if number not in numbers)

    def put_back(self, number: int, until: float) -> None:
        """Somebody else works on it: it is nobody's until then."""
        self._again(number)
        self._later[number] = until

    def failed(self, number: int, failure: Failure) -> None:
        """It waits again, behind all others."""
        self._again(number)
        self._failures.setdefault(number, []).append(failure)

    @property
    def hopeless(self) -> str:
        """What has failed too many times, and why; empty as long as there is hope."""
        for number, failures in self._failures.items():
            if len(failures) >= TOO_MANY:
                workers = ", ".join(dict.fromkeys(failure.worker for failure in failures))
                return f"chunk {number} failed {len(failures)} times, on {workers}: {failures[-1].cause}"
        return ""

    def _again(self, number: int) -> None:
        self._given.discard(number)
        self._waiting.append(number)

    def _may_try(self, number: int, worker: str, others: Collection[str]) -> bool:
        failed = {failure.worker for failure in self._failures.get(number, ())}
        return worker not in failed or failed.issuperset(others)

"""Attempts at chunks, from the entries of a ledger."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import inf
from typing import Literal

from vsadcvsr.farm.store.ledger import LedgerEntry

type Outcome = Literal["open", "done", "failed", "lost"]
"""`open` attempts have no end in the ledger; they are `lost` if the chunk was started again, or the worker started
another.
"""


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One worker's attempt at a chunk, from `begun` to `ended` (Unix time). A lost one ends when that was noticed, but
    lasts no longer than the longest that was done; an open one ends when it began.
    """

    chunk: int
    worker: str
    begun: float
    ended: float
    outcome: Outcome
    frames: int = 0
    engine: str = ""
    cause: str = ""

    @property
    def seconds(self) -> float:
        """Duration."""
        return self.ended - self.begun

    @property
    def has_failed(self) -> bool:
        """Whether it ended without a chunk."""
        return self.outcome in {"failed", "lost"}


def attempts(entries: Iterable[LedgerEntry]) -> list[Attempt]:
    """All attempts in entries sorted by time, by start."""
    working: dict[str, LedgerEntry] = {}
    latest: dict[int, LedgerEntry] = {}
    result: list[Attempt] = []
    for entry in entries:
        started = working.pop(entry.worker, None) if entry.event in {"begun", "done", "failed"} else None
        if started is not None and (entry.event == "begun" or started.chunk != entry.chunk):
            result.append(_lost(started, entry.at))
            started = None
        if entry.event == "begun":
            working[entry.worker] = latest[entry.chunk] = entry
        elif entry.event in {"done", "failed"}:
            result.append(_ended(started, entry))
    for started in working.values():
        last = latest[started.chunk]
        result.append(_open(started) if last is started else _lost(started, last.at))
    longest = max((attempt.seconds for attempt in result if attempt.outcome == "done"), default=inf)
    return sorted((_capped(attempt, longest) for attempt in result), key=lambda attempt: (attempt.begun, attempt.chunk))


def _capped(attempt: Attempt, longest: float) -> Attempt:
    return replace(attempt, ended=min(attempt.ended, attempt.begun + longest)) if attempt.outcome == "lost" else attempt


def _ended(started: LedgerEntry | None, entry: LedgerEntry) -> Attempt:
    start = started.at if started else entry.at - entry.seconds
    return Attempt(
        chunk=entry.chunk, worker=entry.worker, begun=start, ended=entry.at, engine=entry.engine, cause=entry.cause,
        frames=entry.frames, outcome="done" if entry.event == "done" else "failed",
    )  # fmt: skip


def _open(entry: LedgerEntry) -> Attempt:
    return Attempt(
        chunk=entry.chunk, worker=entry.worker, begun=entry.at, ended=entry.at, engine=entry.engine, outcome="open"
    )


def _lost(entry: LedgerEntry, at: float) -> Attempt:
    return replace(_open(entry), ended=at, outcome="lost", cause="no word came of its end")

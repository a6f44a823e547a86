"""What a ledger tells of each time that somebody made a chunk. Pure: lines in, attempts out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import inf
from typing import Literal

from vsadcvsr.farm.store.ledger import Line

type Outcome = Literal["open", "done", "failed", "lost"]
"""Open is what nobody has told the end of; lost, if somebody has begun the same again, or the worker something else."""


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One worker at one chunk, from `begun` to `ended` (Unix time). A lost one ends when that was known, but has not
    gone on for longer than any that was done; an open one has ended when it began.
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
        """How long it took."""
        return self.ended - self.begun


def attempts(lines: Iterable[Line]) -> list[Attempt]:
    """All attempts that lines in the order of their times tell of, in the order of their beginnings."""
    working: dict[str, Line] = {}
    latest: dict[int, Line] = {}
    found: list[Attempt] = []
    for line in lines:
        begun = working.pop(line.worker, None) if line.event in {"begun", "done", "failed"} else None
        if begun is not None and (line.event == "begun" or begun.chunk != line.chunk):
            found.append(_lost(begun, line.at))
            begun = None
        if line.event == "begun":
            working[line.worker] = latest[line.chunk] = line
        elif line.event in {"done", "failed"}:
            found.append(_ended(begun, line))
    for begun in working.values():
        other = latest[begun.chunk]
        found.append(_open(begun) if other is begun else _lost(begun, other.at))
    longest = max((one.seconds for one in found if one.outcome == "done"), default=inf)
    return sorted((_no_longer(one, longest) for one in found), key=lambda one: (one.begun, one.chunk))


def _no_longer(one: Attempt, longest: float) -> Attempt:
    return replace(one, ended=min(one.ended, one.begun + longest)) if one.outcome == "lost" else one


def _ended(begun: Line | None, line: Line) -> Attempt:
    since = begun.at if begun else line.at - line.seconds
    return Attempt(
        chunk=line.chunk, worker=line.worker, begun=since, ended=line.at, engine=line.engine, cause=line.cause,
        frames=line.frames, outcome="done" if line.event == "done" else "failed",
    )  # fmt: skip


def _open(line: Line) -> Attempt:
    return Attempt(
        chunk=line.chunk, worker=line.worker, begun=line.at, ended=line.at, engine=line.engine, outcome="open"
    )


def _lost(line: Line, at: float) -> Attempt:
    return replace(_open(line), ended=at, outcome="lost", cause="no word came of its end")

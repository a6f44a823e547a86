"""How far a job is."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from vsadcvsr.farm.job import Job
from vsadcvsr.farm.ledger import Line

_RECENT = 600.0
"""Seconds of the past by which speed is judged."""


@dataclass(frozen=True, kw_only=True)
class Status:
    """Counts of chunks and frames; `running` says who works on which chunk, `failed` the last cause of those that
    failed and are not done since. `fps` is that of all workers together over the last minutes, 0 if unknown.
    """

    chunks: int
    done: int
    frames: int
    frames_done: int
    running: dict[int, str]
    failed: dict[int, str]
    retries: int
    fps: float
    merged: bool

    def plain(self) -> dict[str, object]:
        """As JSON has it."""
        return asdict(self)

    def __str__(self) -> str:
        lines = [f"{self.done} of {self.chunks} chunks done, {self.frames_done} of {self.frames} frames"]
        lines += [f"chunk {number}: {worker} works on it" for number, worker in self.running.items()]
        lines += [f"chunk {number} failed: {cause}" for number, cause in self.failed.items()]
        return "\n".join([*lines, *(["merged"] if self.merged else [])])


def status_of(job: Job) -> Status:
    """How far a job is now, by its ledger, its claims and the sizes of its files."""
    lines = job.lines()
    done = job.done(lines)
    holders = {one.number: job.claims.holder(one.number) for one in job.chunks if one.number not in done}
    begun = Counter(line.chunk for line in lines if line.event == "begun")
    return Status(
        chunks=len(job.chunks),
        done=len(done),
        frames=job.chunks[-1].end,
        frames_done=sum(job.chunks[number].length for number in done),
        running={number: holder for number, holder in holders.items() if holder},
        failed={line.chunk: line.cause for line in lines if line.event == "failed" and line.chunk not in done},
        retries=sum(begun.values()) - len(begun),
        fps=_speed(list(done.values())),
        merged=any(line.event == "merged" for line in lines),
    )


def _speed(done: Sequence[Line]) -> float:
    now = time.time()
    recent = [line for line in done if line.at > now - _RECENT]
    if not recent:
        return 0.0
    since = max(now - _RECENT, min(line.at - line.seconds for line in recent))
    return round(sum(line.frames for line in recent) / max(now - since, 1e-3), 2)

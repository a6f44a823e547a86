"""How far a job is."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from vsadcvsr.farm.monitor.attempts import Attempt, attempts
from vsadcvsr.farm.monitor.summary import Summary, clock, summary
from vsadcvsr.farm.store.claims import lives
from vsadcvsr.farm.store.job import Job
from vsadcvsr.farm.store.ledger import Line, machine

_RECENT = 600.0
"""Seconds of the past by which the speed of a worker is judged."""
_SILENT, _SILENT_LEAST, _SILENT_CHUNKS = 3600.0, 600.0, 5
"""Seconds without a word after which a worker that has no claim is taken for dead: so many times what the slowest chunk
took, within these bounds.
"""


@dataclass(frozen=True, kw_only=True)
class Status:
    """Counts of chunks and frames; `running` says who works on which chunk, `failed` the last cause of those that
    failed and are not done since. `fps` is that of all who work now together, 0 if unknown; `eta` in seconds.
    """

    chunks: int
    done: int
    frames: int
    frames_done: int
    running: dict[int, str]
    failed: dict[int, str]
    retries: int
    failures: int
    fps: float
    eta: float | None
    merged: bool

    @property
    def ended(self) -> bool:
        """Whether no work on chunks is left."""
        return self.merged or self.done == self.chunks

    def plain(self) -> dict[str, object]:
        """As JSON has it."""
        return asdict(self)

    def __str__(self) -> str:
        speed = f", {self.fps:.3g} fps" if self.fps else ""
        left = f", eta {clock(self.eta)}" if self.eta else ""
        lines = [f"{self.done} of {self.chunks} chunks done, {self.frames_done} of {self.frames} frames{speed}{left}"]
        lines += [f"chunk {number}: {worker} works on it" for number, worker in self.running.items()]
        lines += [f"chunk {number} failed: {cause}" for number, cause in self.failed.items()]
        return "\n".join([*lines, *(["merged"] if self.merged else [])])


class Tally:
    """What is known of a job, read as it grows: a second reading costs no more than what is new. `working` are the
    attempts that go on, as far as can be told.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.lines: list[Line] = []
        self.attempts: list[Attempt] = []
        self.working: list[Attempt] = []
        self._follower = job.ledger.follow(job.key)
        self._done: dict[int, Line] = {}

    def read(self) -> Status:
        """How far the job is now."""
        new = self._follower.new()
        if new:
            self.lines = sorted([*self.lines, *new], key=lambda line: line.at)
            self.attempts = attempts(self.lines)
            again = {line.chunk for line in new}
            rest = {number: line for number, line in self._done.items() if number not in again}
            self._done = rest | self.job.done([line for line in self.lines if line.chunk in again])
        if new and len(self._done) == len(self.job.chunks):
            self._done = self.job.done(self.lines)  # files may be lost after their lines were read
        self.working = self._working()
        return self._status(time.time())

    def summary(self) -> Summary:
        """What the job has cost so far, as it was read."""
        return summary(self.job.chunks, self.lines, self._done)

    def _working(self) -> list[Attempt]:
        """Of the attempts that nobody has told the end of, those that may go on: this machine's by their processes,
        others by their claims, and where there is none by how long they have been silent.
        """
        going = [one for one in self.attempts if one.outcome == "open" and one.chunk not in self._done]
        slowest = max((one.seconds for one in self.attempts if one.outcome == "done"), default=_SILENT)
        patience = min(_SILENT, max(_SILENT_LEAST, _SILENT_CHUNKS * slowest))
        claimed = self.job.claims.taken() if going else set()
        return [one for one in going if self._lives(one, claimed, patience)]

    def _lives(self, one: Attempt, claimed: set[int], patience: float) -> bool:
        host, _, number = one.worker.rpartition(":")
        if host == machine():
            return lives(number)
        if one.chunk in claimed:
            return self.job.claims.holder(one.chunk) == one.worker
        return time.time() - one.begun < patience

    def _status(self, now: float) -> Status:
        working, done = self.working, self._done
        lengths = {one.number: one.length for one in self.job.chunks}
        begun = [line.chunk for line in self.lines if line.event == "begun"]
        merged = any(line.event == "merged" for line in self.lines)
        left = sum(length for number, length in lengths.items() if number not in done)
        fps = speeds(self.attempts, working, now)
        return Status(
            chunks=len(lengths),
            done=len(done),
            frames=self.job.chunks[-1].end,
            frames_done=self.job.chunks[-1].end - left,
            running={one.chunk: one.worker for one in sorted(working, key=lambda one: one.chunk)},
            failed={line.chunk: line.cause for line in self.lines if line.event == "failed" and line.chunk not in done},
            retries=len(begun) - len(set(begun)),
            failures=sum(one.outcome in {"failed", "lost"} for one in self.attempts),
            fps=round(sum(fps.values(), 0.0), 2),
            eta=_eta(left, [(fps[one.worker], lengths[one.chunk], now - one.begun) for one in working]),
            merged=merged,
        )


def status_of(job: Job) -> Status:
    """How far a job is now, by its ledger, its claims and the sizes of its files."""
    return Tally(job).read()


def speeds(past: Iterable[Attempt], working: Iterable[Attempt], now: float) -> Mapping[str, float]:
    """Frames a second of each who works, by what was done lately; of one who has done nothing yet, the mean of all."""
    spent: dict[str, list[tuple[int, float]]] = {}
    for one in past:
        if one.outcome == "done" and one.ended > now - max(_RECENT, 3 * one.seconds):
            spent.setdefault(one.worker, []).append((one.frames, one.seconds))
    mean = _ratio([pair for pairs in spent.values() for pair in pairs])
    return {one.worker: _ratio(spent[one.worker]) if one.worker in spent else mean for one in working}


def _ratio(pairs: Sequence[tuple[int, float]]) -> float:
    return sum(frames for frames, _ in pairs) / max(sum(seconds for _, seconds in pairs), 1e-3) if pairs else 0.0


def _eta(left: int, working: Sequence[tuple[float, int, float]]) -> float | None:
    """Seconds until `left` frames are made, by workers of that speed, at a chunk of that length for so long already."""
    fps = sum(speed for speed, _, _ in working)
    if not left or not fps:
        return None if left else 0.0
    rests = [max(0.0, length / speed - since) for speed, length, since in working if speed]
    under_way = sum(min(speed * since, length) for speed, length, since in working)
    return round(max(*rests, (left - under_way) / fps), 1)


def total(statuses: Sequence[Status]) -> Status:
    """Of several jobs that the same workers are at; the numbers of chunks are no keys there."""
    fps, left = sum(one.fps for one in statuses), sum(one.frames - one.frames_done for one in statuses)
    return Status(
        chunks=sum(one.chunks for one in statuses), done=sum(one.done for one in statuses),
        frames=sum(one.frames for one in statuses), frames_done=sum(one.frames_done for one in statuses),
        running=_numbered(worker for one in statuses for worker in one.running.values()),
        failed=_numbered(cause for one in statuses for cause in one.failed.values()),
        retries=sum(one.retries for one in statuses), failures=sum(one.failures for one in statuses),
        fps=round(fps, 2), eta=round(left / fps, 1) if fps else None, merged=all(one.merged for one in statuses),
    )  # fmt: skip


def _numbered(words: Iterable[str]) -> dict[int, str]:
    return dict(enumerate(words))

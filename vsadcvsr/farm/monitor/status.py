"""Progress of jobs."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from vsadcvsr.farm.monitor.attempts import Attempt, attempts
from vsadcvsr.farm.monitor.summary import Summary, format_duration, summary
from vsadcvsr.farm.store.claims import process_is_alive
from vsadcvsr.farm.store.job import Job
from vsadcvsr.farm.store.ledger import LedgerEntry, machine_name

_SPEED_WINDOW = 600.0
"""Seconds of the past that count for the speed of a worker."""
_SILENCE_MAX, _SILENCE_MIN, _SILENCE_CHUNKS = 3600.0, 600.0, 5
"""Seconds of silence after which a worker without a claim counts as dead: a multiple of the slowest chunk's time,
within these bounds.
"""


@dataclass(frozen=True, kw_only=True)
class Status:
    """Counts of chunks and frames."""

    chunks: int
    done: int
    frames: int
    frames_done: int
    running: dict[int, str]
    """Workers by chunk."""
    failed: dict[int, str]
    """Last cause of each chunk that failed and is not done since."""
    retries: int
    failures: int
    fps: float
    """Speed of all current workers together; 0 if unknown."""
    eta: float | None
    """Remaining seconds."""
    merged: bool

    @property
    def ended(self) -> bool:
        """Whether all chunks are done."""
        return self.merged or self.done == self.chunks

    def as_json(self) -> dict[str, object]:
        """Plain values."""
        return asdict(self)

    def __str__(self) -> str:
        speed = f", {self.fps:.3g} fps" if self.fps else ""
        remaining = f", eta {format_duration(self.eta)}" if self.eta else ""
        entries = [
            f"{self.done} of {self.chunks} chunks done, {self.frames_done} of {self.frames} frames{speed}{remaining}"
        ]
        entries += [f"chunk {number}: {worker} works on it" for number, worker in self.running.items()]
        entries += [f"chunk {number} failed: {cause}" for number, cause in self.failed.items()]
        return "\n".join([*entries, *(["merged"] if self.merged else [])])


class JobTracker:
    """Incremental reader of a job: a second reading processes new lines only. `running` are the attempts in
    progress, as far as can be determined.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.lines: list[LedgerEntry] = []
        self.attempts: list[Attempt] = []
        self.running: list[Attempt] = []
        self._reader = job.ledger.follow(job.key)
        self._done: dict[int, LedgerEntry] = {}

    def read(self) -> Status:
        """The current status."""
        new = self._reader.read_new()
        if new:
            self.lines = sorted([*self.lines, *new], key=lambda entry: entry.at)
            self.attempts = attempts(self.lines)
            changed = {entry.chunk for entry in new}
            unchanged = {number: entry for number, entry in self._done.items() if number not in changed}
            self._done = unchanged | self.job.done([entry for entry in self.lines if entry.chunk in changed])
        if new and len(self._done) == len(self.job.chunks):
            self._done = self.job.done(self.lines)  # files may be lost after their lines were read
        self.running = self._running()
        return self._status(time.time())

    def summary(self) -> Summary:
        """Cost of the job so far."""
        return summary(self.job.chunks, self.lines, self._done)

    def _running(self) -> list[Attempt]:
        """Open attempts that may be in progress: those of this machine by their processes, others by their claims, and
        without a claim by how long they have been silent.
        """
        open_attempts = [
            attempt for attempt in self.attempts if attempt.outcome == "open" and attempt.chunk not in self._done
        ]
        slowest = max((attempt.seconds for attempt in self.attempts if attempt.outcome == "done"), default=_SILENCE_MAX)
        timeout = min(_SILENCE_MAX, max(_SILENCE_MIN, _SILENCE_CHUNKS * slowest))
        claimed = self.job.claims.claimed() if open_attempts else set()
        return [attempt for attempt in open_attempts if self._is_alive(attempt, claimed, timeout)]

    def _is_alive(self, attempt: Attempt, claimed: set[int], timeout: float) -> bool:
        host, _, number = attempt.worker.rpartition(":")
        if host == machine_name():
            return process_is_alive(number)
        if attempt.chunk in claimed:
            return self.job.claims.holder(attempt.chunk) == attempt.worker
        return time.time() - attempt.begun < timeout

    def _status(self, now: float) -> Status:
        running, done = self.running, self._done
        lengths = {chunk.number: chunk.length for chunk in self.job.chunks}
        started = [entry.chunk for entry in self.lines if entry.event == "begun"]
        merged = any(entry.event == "merged" for entry in self.lines)
        remaining = sum(length for number, length in lengths.items() if number not in done)
        fps = speeds(self.attempts, running, now)
        return Status(
            chunks=len(lengths),
            done=len(done),
            frames=self.job.chunks[-1].end,
            frames_done=self.job.chunks[-1].end - remaining,
            running={attempt.chunk: attempt.worker for attempt in sorted(running, key=lambda attempt: attempt.chunk)},
            failed={
                entry.chunk: entry.cause for entry in self.lines if entry.event == "failed" and entry.chunk not in done
            },
            retries=len(started) - len(set(started)),
            failures=sum(attempt.has_failed for attempt in self.attempts),
            fps=round(sum(fps.values(), 0.0), 2),
            eta=_eta(
                remaining, [(fps[attempt.worker], lengths[attempt.chunk], now - attempt.begun) for attempt in running]
            ),
            merged=merged,
        )


def status_of(job: Job) -> Status:
    """The current status of a job, from its ledger, claims and file sizes."""
    return JobTracker(job).read()


def speeds(past: Iterable[Attempt], running: Iterable[Attempt], now: float) -> Mapping[str, float]:
    """Frames per second of each current worker, from its recent chunks; the mean of all for a worker without any."""
    spent: dict[str, list[tuple[int, float]]] = {}
    for attempt in past:
        if attempt.outcome == "done" and attempt.ended > now - max(_SPEED_WINDOW, 3 * attempt.seconds):
            spent.setdefault(attempt.worker, []).append((attempt.frames, attempt.seconds))
    mean = _ratio([pair for pairs in spent.values() for pair in pairs])
    return {attempt.worker: _ratio(spent[attempt.worker]) if attempt.worker in spent else mean for attempt in running}


def _ratio(pairs: Sequence[tuple[int, float]]) -> float:
    return sum(frames for frames, _ in pairs) / max(sum(seconds for _, seconds in pairs), 1e-3) if pairs else 0.0


def _eta(remaining: int, running: Sequence[tuple[float, int, float]]) -> float | None:
    """Seconds until `remaining` frames are rendered, by workers as (speed, length of the chunk, seconds spent on it).
    """
    fps = sum(speed for speed, _, _ in running)
    if not remaining or not fps:
        return None if remaining else 0.0
    waits = [max(0.0, length / speed - elapsed) for speed, length, elapsed in running if speed]
    in_progress = sum(min(speed * elapsed, length) for speed, length, elapsed in running)
    return round(max(*waits, (remaining - in_progress) / fps), 1)


def combined(statuses: Sequence[Status]) -> Status:
    """Status of several jobs with the same workers; its keys are consecutive numbers instead of chunks."""
    fps, remaining = (
        sum(status.fps for status in statuses),
        sum(status.frames - status.frames_done for status in statuses),
    )
    return Status(
        chunks=sum(status.chunks for status in statuses), done=sum(status.done for status in statuses),
        frames=sum(status.frames for status in statuses), frames_done=sum(status.frames_done for status in statuses),
        running=_numbered(worker for status in statuses for worker in status.running.values()),
        failed=_numbered(cause for status in statuses for cause in status.failed.values()),
        retries=sum(status.retries for status in statuses), failures=sum(status.failures for status in statuses),
        fps=round(fps, 2), eta=round(remaining / fps, 1) if fps else None,
        merged=all(status.merged for status in statuses),
    )  # fmt: skip


def _numbered(texts: Iterable[str]) -> dict[int, str]:
    return dict(enumerate(texts))

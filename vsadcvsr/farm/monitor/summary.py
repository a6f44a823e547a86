"""Cost of a job, finished or so far, from chunks and ledger entries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median

from vsadcvsr.farm.monitor.attempts import Attempt, attempts
from vsadcvsr.farm.store.chunk_boundaries import Chunk
from vsadcvsr.farm.store.ledger import LedgerEntry

_MAX_ROWS = 8
"""Workers that are listed in plain text."""

type Span = tuple[float, float]
"""(from, to) in Unix time."""


@dataclass(frozen=True, kw_only=True)
class WorkerSummary:
    """Work of one worker."""

    worker: str
    engine: str
    chunks: int
    frames: int
    failures: int
    seconds: float
    """Time at work, successful or not."""
    fps: float
    """Speed of its successful chunks."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Seconds, and counts of chunks and frames."""

    chunks: int
    done: int
    frames: int
    frames_done: int
    wall: float
    """From the first event to the last."""
    planning: float | None
    """None if unknown."""
    making: float
    """Seconds with any worker at chunks."""
    merging: float | None
    """None if unknown."""
    idle: float
    """Seconds of that without any work."""
    fps: float
    """Frames of the video per second of `making`."""
    retries: int
    failures: int
    slowest: Mapping[str, object] | None
    """The slowest chunk, its seconds, and its worker."""
    workers: Sequence[WorkerSummary]

    def as_json(self) -> dict[str, object]:
        """Plain values."""
        return asdict(self)

    def __str__(self) -> str:
        head = (
            f"{self.done}/{self.chunks} chunks, {self.frames_done}/{self.frames} frames in {format_duration(self.wall)}"
        )
        counts = f"{count_of(self.retries, 'retry')}, {count_of(self.failures, 'failure')}"
        entries = [f"{head}, {self.fps:.3g} fps; {counts}", f"  {self._phases()}"]
        if self.slowest:
            slowest = self.slowest
            entries.append(
                f"  slowest: chunk {slowest['chunk']}, {format_duration(float(str(slowest['seconds'])))} "
                f"on {slowest['worker']}"
            )
        return "\n".join([*entries, *self._rows()])

    def _phases(self) -> str:
        named = {"planning": self.planning, "chunks": self.making, "merging": self.merging}
        known = {name: seconds for name, seconds in named.items() if seconds is not None}
        spent = sum(known.values()) or 1.0
        parts = [f"{name} {format_duration(seconds)} ({seconds / spent:.1%})" for name, seconds in known.items()]
        return ", ".join([*parts, *([f"nobody at work {format_duration(self.idle)}"] if self.idle >= 1 else [])])

    def _rows(self) -> Iterable[str]:
        workers = sorted(self.workers, key=lambda worker: worker.fps)
        width = max((len(worker.worker) for worker in workers[:_MAX_ROWS]), default=0)
        for worker in workers[:_MAX_ROWS]:
            columns = f"{count_of(worker.chunks, 'chunk'):>10}  {worker.frames:>7} frames  {worker.fps:8.3g} fps"
            failures = f"  {count_of(worker.failures, 'failure')}" if worker.failures else ""
            yield f"  {worker.worker:<{width}}  {columns}{failures}"
        if len(workers) > _MAX_ROWS:
            others = f"{len(workers) - _MAX_ROWS} faster workers"
            yield f"  {others}, at {median(worker.fps for worker in workers[_MAX_ROWS:]):.3g} fps each (median)"


def summary(chunks: Sequence[Chunk], entries: Sequence[LedgerEntry], done: Iterable[int]) -> Summary:
    """Summary of entries sorted by time; `done` are the chunks that are stored."""
    tried, finished = attempts(entries), set(done)
    frames_done = sum(chunk.length for chunk in chunks if chunk.number in finished)
    planned, merged = spans_of("planned", entries), spans_of("merged", entries)
    working = [(attempt.begun, attempt.ended) for attempt in tried]
    spans = [*planned, *working, *merged]
    wall = max((end for _, end in spans), default=0.0) - min((begin for begin, _ in spans), default=0.0)
    making = total_length(merge_spans(working))
    successful = [attempt for attempt in tried if attempt.outcome == "done"]
    numbers = [attempt.chunk for attempt in tried]
    return Summary(
        chunks=len(chunks), done=len(finished), frames=chunks[-1].end, frames_done=frames_done,
        wall=round(wall, 3), idle=round(wall - total_length(merge_spans(spans)), 3),
        planning=_last_length(planned), making=round(making, 3), merging=_last_length(merged),
        fps=round(sum(attempt.frames for attempt in successful) / making, 3) if making else 0.0,
        retries=len(numbers) - len(set(numbers)), failures=sum(attempt.has_failed for attempt in tried),
        slowest=_slowest(max(successful, key=lambda attempt: attempt.seconds)) if successful else None,
        workers=_worker_summaries(tried),
    )  # fmt: skip


def spans_of(event: str, entries: Iterable[LedgerEntry]) -> list[Span]:
    """Spans of the events of a kind."""
    return [(entry.at - entry.seconds, entry.at) for entry in entries if entry.event == event]


def merge_spans(spans: Iterable[Span], gap: float = 0.0) -> list[Span]:
    """Union of the spans, in order; gaps of less than `gap` seconds are closed."""
    merged: list[Span] = []
    for begin, end in sorted(spans):
        if merged and begin <= merged[-1][1] + gap:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((begin, end))
    return merged


def total_length(spans: Iterable[Span]) -> float:
    """Seconds in all spans."""
    return sum(end - begin for begin, end in spans)


def format_duration(seconds: float) -> str:
    """Hours, minutes and seconds; below a minute with a tenth."""
    if seconds < 60:
        return f"{max(seconds, 0.0):.1f} s"
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def count_of(count: int, noun: str) -> str:
    """A count with its noun, in the plural where needed."""
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{count} {noun if count == 1 else plural}"


def _slowest(attempt: Attempt) -> dict[str, object]:
    return {"chunk": attempt.chunk, "seconds": round(attempt.seconds, 3), "worker": attempt.worker}


def _last_length(spans: Sequence[Span]) -> float | None:
    return round(total_length(spans[-1:]), 3) if spans else None


def _worker_summaries(history: Iterable[Attempt]) -> list[WorkerSummary]:
    by_worker: dict[str, list[Attempt]] = {}
    for attempt in history:
        by_worker.setdefault(attempt.worker, []).append(attempt)
    return [_worker_summary(worker, history) for worker, history in by_worker.items()]


def _worker_summary(worker: str, history: Sequence[Attempt]) -> WorkerSummary:
    successful = [attempt for attempt in history if attempt.outcome == "done"]
    frames, spent = sum(attempt.frames for attempt in successful), sum(attempt.seconds for attempt in successful)
    return WorkerSummary(
        worker=worker, engine=history[-1].engine, chunks=len(successful), frames=frames,
        failures=sum(attempt.has_failed for attempt in history),
        seconds=round(sum(attempt.seconds for attempt in history if attempt.outcome != "open"), 3),
        fps=round(frames / spent, 3) if spent else 0.0,
    )  # fmt: skip

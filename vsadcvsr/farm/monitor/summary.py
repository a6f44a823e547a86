"""What a job has cost, when it is over or so far. Pure: chunks and lines in, numbers out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median

from vsadcvsr.farm.monitor.attempts import Attempt, attempts
from vsadcvsr.farm.store.chunks import Chunk
from vsadcvsr.farm.store.ledger import Line

_ROWS = 8
"""Workers that are named in plain text."""

type Span = tuple[float, float]
"""From when to when (Unix time)."""


@dataclass(frozen=True, kw_only=True)
class Share:
    """What one worker has done. `seconds` is how long it was at work, in vain or not; `fps` is of what it has made."""

    worker: str
    engine: str
    chunks: int
    frames: int
    failures: int
    seconds: float
    fps: float


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Seconds, and counts of chunks and frames. `wall` is from the first thing to the last, of which `idle` without
    anybody at work; `making` is how long somebody was at chunks, and `fps` the film's frames by that. `planning` and
    `merging` are None where that is not known.
    """

    chunks: int
    done: int
    frames: int
    frames_done: int
    wall: float
    planning: float | None
    making: float
    merging: float | None
    idle: float
    fps: float
    retries: int
    failures: int
    slowest: Mapping[str, object] | None
    """The chunk that took longest, its seconds, and its worker."""
    workers: Sequence[Share]

    def plain(self) -> dict[str, object]:
        """As JSON has it."""
        return asdict(self)

    def __str__(self) -> str:
        head = f"{self.done}/{self.chunks} chunks, {self.frames_done}/{self.frames} frames in {clock(self.wall)}"
        again = f"{counted(self.retries, 'retry')}, {counted(self.failures, 'failure')}"
        lines = [f"{head}, {self.fps:.3g} fps; {again}", f"  {self._parts()}"]
        if self.slowest:
            told = self.slowest
            lines.append(f"  slowest: chunk {told['chunk']}, {clock(float(str(told['seconds'])))} on {told['worker']}")
        return "\n".join([*lines, *self._rows()])

    def _parts(self) -> str:
        named = {"planning": self.planning, "chunks": self.making, "merging": self.merging}
        known = {name: seconds for name, seconds in named.items() if seconds is not None}
        spent = sum(known.values()) or 1.0
        parts = [f"{name} {clock(seconds)} ({seconds / spent:.1%})" for name, seconds in known.items()]
        return ", ".join([*parts, *([f"nobody at work {clock(self.idle)}"] if self.idle >= 1 else [])])

    def _rows(self) -> Iterable[str]:
        slow = sorted(self.workers, key=lambda share: share.fps)
        wide = max((len(share.worker) for share in slow[:_ROWS]), default=0)
        for share in slow[:_ROWS]:
            made = f"{counted(share.chunks, 'chunk'):>10}  {share.frames:>7} frames  {share.fps:8.3g} fps"
            yield f"  {share.worker:<{wide}}  {made}{f'  {counted(share.failures, "failure")}' * bool(share.failures)}"
        if len(slow) > _ROWS:
            others = f"{len(slow) - _ROWS} faster workers"
            yield f"  {others}, at {median(share.fps for share in slow[_ROWS:]):.3g} fps each (median)"


def summary(chunks: Sequence[Chunk], lines: Sequence[Line], done: Iterable[int]) -> Summary:
    """Of what `lines` in the order of their times tell; `done` are the chunks that are there."""
    tried, there = attempts(lines), set(done)
    made = sum(chunk.length for chunk in chunks if chunk.number in there)
    planned, merged = spans_of("planned", lines), spans_of("merged", lines)
    working = [(one.begun, one.ended) for one in tried]
    every = [*planned, *working, *merged]
    wall = max((end for _, end in every), default=0.0) - min((begin for begin, _ in every), default=0.0)
    making = length(united(working))
    whole = [one for one in tried if one.outcome == "done"]
    begun = [one.chunk for one in tried]
    return Summary(
        chunks=len(chunks), done=len(there), frames=chunks[-1].end, frames_done=made,
        wall=round(wall, 3), idle=round(wall - length(united(every)), 3),
        planning=_last(planned), making=round(making, 3), merging=_last(merged),
        fps=round(sum(one.frames for one in whole) / making, 3) if making else 0.0,
        retries=len(begun) - len(set(begun)), failures=sum(map(_is_in_vain, tried)),
        slowest=_told(max(whole, key=lambda one: one.seconds)) if whole else None,
        workers=_shares(tried),
    )  # fmt: skip


def spans_of(event: str, lines: Iterable[Line]) -> list[Span]:
    """When that was done, each time."""
    return [(line.at - line.seconds, line.at) for line in lines if line.event == event]


def united(spans: Iterable[Span], gap: float = 0.0) -> list[Span]:
    """The times that are in any of the spans, in order; what is less than `gap` seconds apart is one."""
    found: list[Span] = []
    for begin, end in sorted(spans):
        if found and begin <= found[-1][1] + gap:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((begin, end))
    return found


def length(spans: Iterable[Span]) -> float:
    """Seconds in all of them."""
    return sum(end - begin for begin, end in spans)


def clock(seconds: float) -> str:
    """Hours, minutes and seconds; below a minute with a tenth."""
    if seconds < 60:
        return f"{max(seconds, 0.0):.1f} s"
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def counted(count: int, noun: str) -> str:
    """That many of them, in words."""
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{count} {noun if count == 1 else plural}"


def _is_in_vain(one: Attempt) -> bool:
    return one.outcome in {"failed", "lost"}


def _told(one: Attempt) -> dict[str, object]:
    return {"chunk": one.chunk, "seconds": round(one.seconds, 3), "worker": one.worker}


def _last(spans: Sequence[Span]) -> float | None:
    return round(length(spans[-1:]), 3) if spans else None


def _shares(tried: Iterable[Attempt]) -> list[Share]:
    by_worker: dict[str, list[Attempt]] = {}
    for one in tried:
        by_worker.setdefault(one.worker, []).append(one)
    return [_share(worker, own) for worker, own in by_worker.items()]


def _share(worker: str, own: Sequence[Attempt]) -> Share:
    made = [one for one in own if one.outcome == "done"]
    frames, spent = sum(one.frames for one in made), sum(one.seconds for one in made)
    return Share(
        worker=worker, engine=own[-1].engine, chunks=len(made), frames=frames, failures=sum(map(_is_in_vain, own)),
        seconds=round(sum(one.seconds for one in own if one.outcome != "open"), 3),
        fps=round(frames / spent, 3) if spent else 0.0,
    )  # fmt: skip

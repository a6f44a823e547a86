"""HTML report of a job: who rendered what and when, speed, failures, and previews."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import resources

from vsadcvsr import html_page
from vsadcvsr.farm.monitor.attempts import Attempt
from vsadcvsr.farm.monitor.status import JobTracker, Status
from vsadcvsr.farm.monitor.summary import Span, merge_spans, spans_of, total_length

_MIN_PAUSE, _PAUSE_SHARE = 5.0, 0.03
"""Seconds without work, and as a share of the time with work, from which on a pause is cut out."""
_RATE_BINS = 120
_MAX_FAILURES_SHOWN = 500
"""Failures that are listed."""


@dataclass(frozen=True, kw_only=True)
class Preview:
    """A frame before and after the network, both of that size, as data URIs."""

    frame: int
    chunk: int
    at: float
    """Time in the video, in seconds."""
    width: int
    height: int
    before: str
    after: str
    note: str = ""
    """Which part of the frame is shown."""
    numbers: Mapping[str, str]
    """Measurements."""


class TimeAxis:
    """A time axis without pauses."""

    def __init__(self, spans: Iterable[Span]) -> None:
        busy = merge_spans(spans)
        self.spans = merge_spans(busy, max(_MIN_PAUSE, _PAUSE_SHARE * total_length(busy)))
        self.length = total_length(self.spans)

    def at(self, moment: float) -> float:
        """Seconds from the start, without the pauses."""
        return sum(max(0.0, min(moment, end) - begin) for begin, end in self.spans)

    def pauses(self) -> list[Span]:
        """Position and length of each pause."""
        ends = zip(self.spans, self.spans[1:], strict=False)
        return [(self.at(before[1]), after[0] - before[1]) for before, after in ends]


def report(tracker: JobTracker, previews: Sequence[Preview] = (), notes: Sequence[str] = ()) -> bytes:
    """The page of a job. `notes` are shown below the previews."""
    status, now = tracker.read(), time.time()
    attempts = [_closed(attempt, tracker.running, now) for attempt in tracker.attempts]
    phases = {name: spans_of(event, tracker.lines) for name, event in (("planning", "planned"), ("merging", "merged"))}
    axis = TimeAxis(
        [
            *((attempt.begun, attempt.ended) for attempt in attempts),
            *(span for spans in phases.values() for span in spans),
        ]
    )
    data = {
        "name": tracker.job.folder.name,
        "facts": _facts(tracker, status),
        "summary": tracker.summary().as_json(),
        "length": axis.length,
        "pauses": axis.pauses(),
        "lanes": [
            {"label": label, "bars": [_bar(attempt, axis) for attempt in history]} for label, history in lanes(attempts)
        ],
        "beside": [
            {"label": name, "bars": [[axis.at(begin), axis.at(end)] for begin, end in spans]}
            for name, spans in phases.items()
            if spans
        ],
        "rates": rates(attempts, axis, _RATE_BINS),
        "samples": [asdict(preview) for preview in previews],
        "notes": list(notes),
        **_failures(attempts),
    }
    template = resources.files("vsadcvsr.farm.monitor").joinpath("report.html").read_text(encoding="utf-8")
    return html_page.render(template, f"Farm: {tracker.job.folder.name}", data)


def _facts(tracker: JobTracker, status: Status) -> list[tuple[str, str]]:
    job, engines = tracker.job, sorted({attempt.engine for attempt in tracker.attempts if attempt.engine})
    command = job.request.get("command")
    state = "merged" if status.merged else "all chunks done, not merged yet" if status.ended else "not done yet"
    begun = min((entry.at - entry.seconds for entry in tracker.lines), default=time.time())
    facts = {
        "State": state,
        "Begun": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(begun)),
        "Engine": ", ".join(engines),
        "FFmpeg": str(job.request.get("ffmpeg", "")),
        "AdcVSR": str(job.request.get("vsadcvsr", "")),
        "Command": shlex.join(map(str, command)) if isinstance(command, list) else "",
        "Page made": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()),
    }
    return [(name, value) for name, value in facts.items() if value]


def _bar(attempt: Attempt, axis: TimeAxis) -> dict[str, object]:
    return {
        "chunk": attempt.chunk, "worker": attempt.worker, "from": round(axis.at(attempt.begun), 3),
        "to": round(axis.at(attempt.ended), 3), "seconds": round(attempt.seconds, 3), "frames": attempt.frames,
        "begun": time.strftime("%H:%M:%S", time.gmtime(attempt.begun)), "outcome": attempt.outcome,
        "cause": attempt.cause,
    }  # fmt: skip


def _closed(attempt: Attempt, running: Sequence[Attempt], now: float) -> Attempt:
    """An open attempt ends now if its worker is running, else it is lost."""
    if attempt.outcome != "open":
        return attempt
    return (
        replace(attempt, ended=now)
        if attempt in running
        else replace(attempt, outcome="lost", cause="no word came of its end")
    )


def _failures(attempts: Sequence[Attempt]) -> dict[str, object]:
    """Failures, and who rendered the chunk in the end."""
    finished_by = {attempt.chunk: attempt.worker for attempt in attempts if attempt.outcome == "done"}
    failed = [attempt for attempt in attempts if attempt.has_failed]
    listed = [
        {
            "begun": time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(attempt.begun)), "chunk": attempt.chunk,
            "worker": attempt.worker, "outcome": attempt.outcome, "cause": attempt.cause,
            "then": finished_by.get(attempt.chunk, ""),
        }
        for attempt in failed[:_MAX_FAILURES_SHOWN]
    ]  # fmt: skip
    return {"trouble": listed, "trouble_more": len(failed) - len(listed)}


def lanes(attempts: Iterable[Attempt]) -> list[tuple[str, list[Attempt]]]:
    """Attempts in rows without overlap, by machine. A worker stays in its row; workers of one machine that ran one
    after the other share a row, which has the machine's name.
    """
    by_worker: dict[str, list[Attempt]] = {}
    for attempt in attempts:
        by_worker.setdefault(attempt.worker, []).append(attempt)
    rows: dict[str, list[list[Attempt]]] = {}
    for worker, history in sorted(by_worker.items(), key=lambda pair: pair[1][0].begun):
        host_rows = rows.setdefault(worker.rpartition(":")[0], [])
        available = next((row for row in host_rows if row[-1].ended <= history[0].begun), None)
        if available is None:
            host_rows.append(list(history))
        else:
            available += history
    return [(_label(host, row), row) for host, host_rows in sorted(rows.items()) for row in host_rows]


def _label(host: str, row: Sequence[Attempt]) -> str:
    workers = {attempt.worker for attempt in row}
    return row[0].worker if len(workers) == 1 else host


def rates(attempts: Iterable[Attempt], axis: TimeAxis, bins: int) -> list[float]:
    """Frames per second in each of a number of equal parts of the axis; a chunk's frames are spread over its time."""
    totals, width = [0.0] * bins, axis.length / bins
    for attempt in attempts:
        begin, end = axis.at(attempt.begun), axis.at(attempt.ended)
        if attempt.outcome != "done" or end <= begin:
            continue
        for number in range(int(begin / width), min(bins, int(end / width) + 1)):
            inside = min(end, (number + 1) * width) - max(begin, number * width)
            totals[number] += max(0.0, inside) / (end - begin) * attempt.frames / width
    return [round(rate, 4) for rate in totals]

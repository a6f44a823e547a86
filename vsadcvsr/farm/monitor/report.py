"""A job on one HTML page that needs nothing else: who made what when, how fast, what went wrong, and some pictures."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import resources

from vsadcvsr import html_page
from vsadcvsr.farm.monitor.attempts import Attempt
from vsadcvsr.farm.monitor.status import Status, Tally
from vsadcvsr.farm.monitor.summary import Span, length, spans_of, united

_PAUSE, _PAUSE_SHARE = 5.0, 0.03
"""Seconds without anybody at work, and what share of the time with somebody, from which on a pause is cut out."""
_BINS = 120
_TROUBLE = 500
"""Failures that are listed."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A picture before and behind the network, both of that size, as addresses that hold them. `at` is its time in the
    film (seconds), `note` what part of it is shown, `numbers` what was measured of it.
    """

    frame: int
    chunk: int
    at: float
    width: int
    height: int
    before: str
    after: str
    note: str = ""
    numbers: Mapping[str, str]


class Axis:
    """Times at which somebody was at work, one behind the other: pauses are cut out."""

    def __init__(self, spans: Iterable[Span]) -> None:
        busy = united(spans)
        self.spans = united(busy, max(_PAUSE, _PAUSE_SHARE * length(busy)))
        self.length = length(self.spans)

    def at(self, moment: float) -> float:
        """Seconds from the beginning, without the pauses."""
        return sum(max(0.0, min(moment, end) - begin) for begin, end in self.spans)

    def pauses(self) -> list[Span]:
        """Where one is cut out, and how long it is."""
        ends = zip(self.spans, self.spans[1:], strict=False)
        return [(self.at(before[1]), after[0] - before[1]) for before, after in ends]


def report(tally: Tally, samples: Sequence[Sample] = (), notes: Sequence[str] = ()) -> bytes:
    """The page of a job that was read. `notes` is what else should be said below the pictures."""
    status, now = tally.read(), time.time()
    shown = [_settled(one, tally.working, now) for one in tally.attempts]
    beside = {name: spans_of(event, tally.lines) for name, event in (("planning", "planned"), ("merging", "merged"))}
    axis = Axis([*((one.begun, one.ended) for one in shown), *(span for spans in beside.values() for span in spans)])
    data = {
        "name": tally.job.folder.name,
        "facts": _facts(tally, status),
        "summary": tally.summary().plain(),
        "length": axis.length,
        "pauses": axis.pauses(),
        "lanes": [{"label": label, "bars": [_bar(one, axis) for one in own]} for label, own in lanes(shown)],
        "beside": [
            {"label": name, "bars": [[axis.at(begin), axis.at(end)] for begin, end in spans]}
            for name, spans in beside.items()
            if spans
        ],
        "rates": rates(shown, axis, _BINS),
        "samples": [asdict(sample) for sample in samples],
        "notes": list(notes),
        **_trouble(shown),
    }
    template = resources.files("vsadcvsr.farm.monitor").joinpath("report.html").read_text(encoding="utf-8")
    return html_page.filled(template, f"Farm: {tally.job.folder.name}", data)


def _facts(tally: Tally, status: Status) -> list[tuple[str, str]]:
    job, engines = tally.job, sorted({one.engine for one in tally.attempts if one.engine})
    command = job.request.get("command")
    state = "merged" if status.merged else "all chunks done, not merged yet" if status.ended else "not done yet"
    begun = min((line.at - line.seconds for line in tally.lines), default=time.time())
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


def _bar(one: Attempt, axis: Axis) -> dict[str, object]:
    return {
        "chunk": one.chunk, "worker": one.worker, "from": round(axis.at(one.begun), 3),
        "to": round(axis.at(one.ended), 3), "seconds": round(one.seconds, 3), "frames": one.frames,
        "begun": time.strftime("%H:%M:%S", time.gmtime(one.begun)), "outcome": one.outcome,
        "cause": one.cause,
    }  # fmt: skip


def _settled(one: Attempt, working: Sequence[Attempt], now: float) -> Attempt:
    """What nobody has told the end of goes on until now if somebody works on it, else it is lost."""
    if one.outcome != "open":
        return one
    return replace(one, ended=now) if one in working else replace(one, outcome="lost", cause="no word came of its end")


def _trouble(shown: Sequence[Attempt]) -> dict[str, object]:
    """What went wrong, and who has made the chunk in the end."""
    made = {one.chunk: one.worker for one in shown if one.outcome == "done"}
    vain = [one for one in shown if one.outcome in {"failed", "lost"}]
    listed = [
        {
            "begun": time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(one.begun)), "chunk": one.chunk,
            "worker": one.worker, "outcome": one.outcome, "cause": one.cause, "then": made.get(one.chunk, ""),
        }
        for one in vain[:_TROUBLE]
    ]  # fmt: skip
    return {"trouble": listed, "trouble_more": len(vain) - len(listed)}


def lanes(tried: Iterable[Attempt]) -> list[tuple[str, list[Attempt]]]:
    """Attempts in rows in which no two are at once, by machines. A worker stays in its row; workers of one machine that
    came one after the other share one, which has the machine's name.
    """
    by_worker: dict[str, list[Attempt]] = {}
    for one in tried:
        by_worker.setdefault(one.worker, []).append(one)
    rows: dict[str, list[list[Attempt]]] = {}
    for worker, own in sorted(by_worker.items(), key=lambda pair: pair[1][0].begun):
        there = rows.setdefault(worker.rpartition(":")[0], [])
        free = next((row for row in there if row[-1].ended <= own[0].begun), None)
        if free is None:
            there.append(list(own))
        else:
            free += own
    return [(_label(host, row), row) for host, found in sorted(rows.items()) for row in found]


def _label(host: str, row: Sequence[Attempt]) -> str:
    workers = {one.worker for one in row}
    return row[0].worker if len(workers) == 1 else host


def rates(tried: Iterable[Attempt], axis: Axis, bins: int) -> list[float]:
    """Frames a second in each of so many equal parts of the axis; a chunk's frames are spread over its time."""
    found, wide = [0.0] * bins, axis.length / bins
    for one in tried:
        begin, end = axis.at(one.begun), axis.at(one.ended)
        if one.outcome != "done" or end <= begin:
            continue
        for number in range(int(begin / wide), min(bins, int(end / wide) + 1)):
            inside = min(end, (number + 1) * wide) - max(begin, number * wide)
            found[number] += max(0.0, inside) / (end - begin) * one.frames / wide
    return [round(rate, 4) for rate in found]

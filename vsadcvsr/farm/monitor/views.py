"""Views of job progress: a terminal display, plain lines, or JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Literal, Protocol, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from vsadcvsr.errors import UsageError
from vsadcvsr.farm.monitor.attempts import Attempt
from vsadcvsr.farm.monitor.status import JobTracker, Status, combined
from vsadcvsr.farm.monitor.summary import Summary, count_of, format_duration
from vsadcvsr.farm.store.job import Job

type Style = Literal["rich", "plain", "json"]
type Snapshot = Sequence[tuple[JobTracker, Status]]

_MIN_INTERVAL, _MAX_INTERVAL = 10.0, 60.0
"""Seconds between plain lines, at least; and at most, without changes."""
_MAX_WORKERS, _MAX_JOBS = 12, 4
"""Workers and jobs that a terminal shows."""


class View(Protocol):
    """Display of progress, called from one thread at a time."""

    def start(self) -> None: ...

    def notify(self, message: str) -> None: ...

    def activity(self, message: str) -> None: ...

    def failed(self, job: Job, item: Attempt) -> None: ...

    def show(self, snapshot: Snapshot) -> None: ...

    def finish(self, finished: Iterable[tuple[Job, Summary]]) -> None: ...


class PlainView:
    """Lines for logs."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._reported_at = -_MAX_INTERVAL
        self._last: list[Status] = []
        self._snapshot: Snapshot = ()

    def start(self) -> None:
        """No-op."""

    def notify(self, message: str) -> None:
        self._write(f"ffadcvsr: {message}")

    def activity(self, message: str) -> None:
        if message:
            self.notify(message)

    def failed(self, job: Job, item: Attempt) -> None:
        self.notify(failure_line(job, item))

    def show(self, snapshot: Snapshot) -> None:
        self._snapshot, now = snapshot, time.monotonic()
        if now - self._reported_at >= (_MIN_INTERVAL if self._has_changed() else _MAX_INTERVAL):
            self._reported_at = now
            self._report()

    def finish(self, finished: Iterable[tuple[Job, Summary]]) -> None:
        if self._has_changed():
            self._report()
        for job, summary in finished:
            self.notify(f"{job.folder.name}: {summary}")

    def _write(self, text: str) -> None:
        self._stream.write(f"{text}\n")  # at once, so that others' lines come before or behind it
        self._stream.flush()

    def _has_changed(self) -> bool:
        return self._last != [status for _, status in self._snapshot]

    def _changed(self) -> list[tuple[JobTracker, Status]]:
        """Jobs with a new status, which then counts as reported."""
        known = dict(enumerate(self._last))
        self._last = [status for _, status in self._snapshot]
        return [item for number, item in enumerate(self._snapshot) if known.get(number) != item[1]]

    def _report(self) -> None:
        for tracker, status in self._changed() or self._snapshot:
            self.notify(f"{tracker.job.folder.name}: {status_line(status)}")
        if len(self._snapshot) > 1:
            whole = combined([status for _, status in self._snapshot])
            self.notify(f"{len(self._snapshot)} jobs: {status_line(whole)}")


class JsonView(PlainView):
    """One object per line: `event` is progress, failed, activity, message or summary."""

    def notify(self, message: str) -> None:
        self._put(event="message", message=message)

    def activity(self, message: str) -> None:
        self._put(event="activity", message=message)

    def failed(self, job: Job, item: Attempt) -> None:
        self._put(event="failed", job=str(job.folder), **asdict(item))

    def show(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        if self._has_changed():
            self._report()

    def finish(self, finished: Iterable[tuple[Job, Summary]]) -> None:
        for job, summary in finished:
            self._put(event="summary", job=str(job.folder), **summary.as_json())

    def _report(self) -> None:
        for tracker, status in self._changed():
            self._put(event="progress", job=str(tracker.job.folder), **status.as_json())

    def _put(self, **fields: object) -> None:
        self._write(json.dumps({"time": round(time.time(), 3), **fields}))


class RichView:
    """A live display at the bottom of a terminal, below the messages."""

    def __init__(self, stream: TextIO) -> None:
        self._live = Live(console=Console(file=stream), auto_refresh=False, vertical_overflow="ellipsis")
        self._snapshot: Snapshot = ()
        self._activity = ""

    def start(self) -> None:
        self._live.start()

    def notify(self, message: str) -> None:
        self._live.console.print(f"ffadcvsr: {message}", markup=False, highlight=False, soft_wrap=True)

    def activity(self, message: str) -> None:
        self._activity = message
        self.show(self._snapshot)

    def failed(self, job: Job, item: Attempt) -> None:
        self.notify(failure_line(job, item))

    def show(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._live.update(
            Group(*_footer(snapshot), *([Text(self._activity, "cyan")] if self._activity else [])), refresh=True
        )

    def finish(self, finished: Iterable[tuple[Job, Summary]]) -> None:
        self._live.stop()
        for job, summary in finished:
            self.notify(f"{job.folder.name}: {summary}")


def _footer(snapshot: Snapshot) -> Iterable[RenderableType]:
    """The unfinished jobs, some of them if there are many, and the total."""
    unfinished = [item for item in snapshot if not item[1].ended] or snapshot[-1:]
    for tracker, status in unfinished[:_MAX_JOBS]:
        yield from _job_rows(tracker, status, rows=max(1, _MAX_WORKERS // min(len(unfinished), _MAX_JOBS)))
    if len(snapshot) > 1:
        ended = sum(status.ended for _, status in snapshot)
        yield Text(
            f"{ended} of {len(snapshot)} jobs done; {status_line(combined([status for _, status in snapshot]))}", "bold"
        )


def _job_rows(tracker: JobTracker, status: Status, *, rows: int) -> Iterable[RenderableType]:
    bar = Table.grid(padding=(0, 1), expand=True)
    bar.add_column(no_wrap=True, max_width=24, style="bold")
    bar.add_column(ratio=1)
    bar.add_column(no_wrap=True, justify="right")
    share = f"{status.frames_done / status.frames:.0%}"
    bar.add_row(tracker.job.folder.name, ProgressBar(total=status.frames, completed=status.frames_done), share)
    yield bar
    yield Padding(Text(status_line(status)), (0, 0, 0, 2))
    now = time.time()
    running = sorted(tracker.running, key=lambda attempt: attempt.begun)
    table = Table.grid(padding=(0, 2))
    for attempt in running[:rows]:
        table.add_row(f"  {attempt.worker}", f"chunk {attempt.chunk}", format_duration(now - attempt.begun))
    if running:
        yield table
    if len(running) > rows:
        yield Text(f"  and {len(running) - rows} more", "dim")


def status_line(status: Status) -> str:
    """A status in one line."""
    parts = [
        f"{status.frames_done}/{status.frames} frames", f"{status.done}/{status.chunks} chunks",
        f"{len(status.running)} at work", f"{status.fps:.3g} fps" if status.fps else "",
        f"eta {format_duration(status.eta)}" if status.eta else "",
        count_of(status.retries, "retry") if status.retries else "",
        f"{len(status.failed)} failed" if status.failed else "", "merged" if status.merged else "",
    ]  # fmt: skip
    return ", ".join(filter(None, parts))


def failure_line(job: Job, attempt: Attempt) -> str:
    """A failed attempt in one line."""
    return f"{job.folder.name}: chunk {attempt.chunk} {attempt.outcome} on {attempt.worker}: {attempt.cause}"


_VIEWS: dict[str, type[PlainView] | type[RichView]] = {"rich": RichView, "plain": PlainView, "json": JsonView}


def view_of(style: Style | None, stream: TextIO) -> View:
    """The view of that style, or the one that suits the stream. Raises UsageError for an unknown style."""
    chosen = style or ("rich" if stream.isatty() else "plain")
    if chosen not in _VIEWS:
        raise UsageError.of("style", chosen, ", ".join(_VIEWS))
    return _VIEWS[chosen](stream)

"""What is seen of jobs that are watched: on a terminal, in plain lines, or in JSON."""

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
from vsadcvsr.farm.monitor.status import Status, Tally, total
from vsadcvsr.farm.monitor.summary import Summary, clock, counted
from vsadcvsr.farm.store.job import Job

type Style = Literal["rich", "plain", "json"]
type Seen = Sequence[tuple[Tally, Status]]

_SOON, _LATE = 10.0, 60.0
"""Seconds between plain lines, at least; and at most, where nothing changes."""
_ROWS, _JOBS = 12, 4
"""Workers and jobs that a terminal shows."""


class View(Protocol):
    """Told what is to be seen, by one thread at a time."""

    def begin(self) -> None: ...

    def say(self, words: str) -> None: ...

    def doing(self, words: str) -> None: ...

    def failed(self, job: Job, one: Attempt) -> None: ...

    def show(self, seen: Seen) -> None: ...

    def end(self, over: Iterable[tuple[Job, Summary]]) -> None: ...


class Plain:
    """Lines for logs."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._told = -_LATE
        self._last: list[Status] = []
        self._seen: Seen = ()

    def begin(self) -> None:
        """Nothing."""

    def say(self, words: str) -> None:
        self._write(f"ffadcvsr: {words}")

    def doing(self, words: str) -> None:
        if words:
            self.say(words)

    def failed(self, job: Job, one: Attempt) -> None:
        self.say(failure(job, one))

    def show(self, seen: Seen) -> None:
        self._seen, now = seen, time.monotonic()
        if now - self._told >= (_SOON if self._has_news() else _LATE):
            self._told = now
            self._tell()

    def end(self, over: Iterable[tuple[Job, Summary]]) -> None:
        if self._has_news():
            self._tell()
        for job, summary in over:
            self.say(f"{job.folder.name}: {summary}")

    def _write(self, text: str) -> None:
        self._stream.write(f"{text}\n")  # at once, so that others' lines come before or behind it
        self._stream.flush()

    def _has_news(self) -> bool:
        return self._last != [status for _, status in self._seen]

    def _changed(self) -> list[tuple[Tally, Status]]:
        """The jobs of which there is something new to tell, which then is told."""
        known = dict(enumerate(self._last))
        self._last = [status for _, status in self._seen]
        return [one for number, one in enumerate(self._seen) if known.get(number) != one[1]]

    def _tell(self) -> None:
        for tally, status in self._changed() or self._seen:
            self.say(f"{tally.job.folder.name}: {told(status)}")
        if len(self._seen) > 1:
            self.say(f"{len(self._seen)} jobs: {told(total([status for _, status in self._seen]))}")


class Json(Plain):
    """One object a line: `event` is progress, failed, doing, said or summary."""

    def say(self, words: str) -> None:
        self._put(event="said", words=words)

    def doing(self, words: str) -> None:
        self._put(event="doing", words=words)

    def failed(self, job: Job, one: Attempt) -> None:
        self._put(event="failed", job=str(job.folder), **asdict(one))

    def show(self, seen: Seen) -> None:
        self._seen = seen
        if self._has_news():
            self._tell()

    def end(self, over: Iterable[tuple[Job, Summary]]) -> None:
        for job, summary in over:
            self._put(event="summary", job=str(job.folder), **summary.plain())

    def _tell(self) -> None:
        for tally, status in self._changed():
            self._put(event="progress", job=str(tally.job.folder), **status.plain())

    def _put(self, **told: object) -> None:
        self._write(json.dumps({"time": round(time.time(), 3), **told}))


class Rich:
    """What stays at the foot of a terminal, below the lines that were said."""

    def __init__(self, stream: TextIO) -> None:
        self._live = Live(console=Console(file=stream), auto_refresh=False, vertical_overflow="ellipsis")
        self._seen: Seen = ()
        self._doing = ""

    def begin(self) -> None:
        self._live.start()

    def say(self, words: str) -> None:
        self._live.console.print(f"ffadcvsr: {words}", markup=False, highlight=False, soft_wrap=True)

    def doing(self, words: str) -> None:
        self._doing = words
        self.show(self._seen)

    def failed(self, job: Job, one: Attempt) -> None:
        self.say(failure(job, one))

    def show(self, seen: Seen) -> None:
        self._seen = seen
        self._live.update(Group(*_foot(seen), *([Text(self._doing, "cyan")] if self._doing else [])), refresh=True)

    def end(self, over: Iterable[tuple[Job, Summary]]) -> None:
        self._live.stop()
        for job, summary in over:
            self.say(f"{job.folder.name}: {summary}")


def _foot(seen: Seen) -> Iterable[RenderableType]:
    """The jobs that are not done yet, some of them where there are many, and what all come to."""
    going = [one for one in seen if not one[1].ended] or seen[-1:]
    for tally, status in going[:_JOBS]:
        yield from _parts(tally, status, rows=max(1, _ROWS // min(len(going), _JOBS)))
    if len(seen) > 1:
        ended = sum(status.ended for _, status in seen)
        yield Text(f"{ended} of {len(seen)} jobs done; {told(total([status for _, status in seen]))}", "bold")


def _parts(tally: Tally, status: Status, *, rows: int) -> Iterable[RenderableType]:
    bar = Table.grid(padding=(0, 1), expand=True)
    bar.add_column(no_wrap=True, max_width=24, style="bold")
    bar.add_column(ratio=1)
    bar.add_column(no_wrap=True, justify="right")
    share = f"{status.frames_done / status.frames:.0%}"
    bar.add_row(tally.job.folder.name, ProgressBar(total=status.frames, completed=status.frames_done), share)
    yield bar
    yield Padding(Text(told(status)), (0, 0, 0, 2))
    now = time.time()
    working = sorted(tally.working, key=lambda one: one.begun)
    table = Table.grid(padding=(0, 2))
    for one in working[:rows]:
        table.add_row(f"  {one.worker}", f"chunk {one.chunk}", clock(now - one.begun))
    if working:
        yield table
    if len(working) > rows:
        yield Text(f"  and {len(working) - rows} more", "dim")


def told(status: Status) -> str:
    """How far a job is, in one line."""
    parts = [
        f"{status.frames_done}/{status.frames} frames", f"{status.done}/{status.chunks} chunks",
        f"{len(status.running)} at work", f"{status.fps:.3g} fps" if status.fps else "",
        f"eta {clock(status.eta)}" if status.eta else "", counted(status.retries, "retry") if status.retries else "",
        f"{len(status.failed)} failed" if status.failed else "", "merged" if status.merged else "",
    ]  # fmt: skip
    return ", ".join(filter(None, parts))


def failure(job: Job, one: Attempt) -> str:
    """What went wrong, in one line."""
    return f"{job.folder.name}: chunk {one.chunk} {one.outcome} on {one.worker}: {one.cause}"


_VIEWS: dict[str, type[Plain] | type[Rich]] = {"rich": Rich, "plain": Plain, "json": Json}


def view_of(style: Style | None, stream: TextIO) -> View:
    """The view of that style, or the one that suits the stream. Raises UsageError for a style that there is not."""
    chosen = style or ("rich" if stream.isatty() else "plain")
    if chosen not in _VIEWS:
        raise UsageError.of("style", chosen, ", ".join(_VIEWS))
    return _VIEWS[chosen](stream)

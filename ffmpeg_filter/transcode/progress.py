"""Progress display: a bar on a terminal, otherwise a line every ten seconds."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Protocol, Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

_LINE_SECONDS = 10.0
"""Seconds between two lines."""


def print_line(message: str, stream: TextIO | None = None) -> None:
    """Prints a line to standard error. A closed standard error is not a failure, as for FFmpeg."""
    with suppress(OSError, ValueError):
        print(message, file=stream or sys.stderr, flush=True)


@contextmanager
def reader_may_leave() -> Iterator[None]:
    """For prints to standard output, which are flushed. A reader that goes away, as `| head` does, is not a failure:
    the rest is discarded.
    """
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python fails at exit, with its own lines


class Reporter(Protocol):
    """Receives every frame passed to the encoder, and messages."""

    def frame(self, seconds: float) -> None:
        """Counts a frame, which begins at `seconds`."""

    def notify(self, message: str) -> None:
        """Prints a permanent line."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


@dataclass
class MessageReporter:
    """Prints messages only."""

    stream: TextIO
    prefix: str = "ffadcvsr: "

    def frame(self, seconds: float) -> None:
        """Ignored."""

    def notify(self, message: str) -> None:
        print_line(f"{self.prefix}{message}", self.stream)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is left to do."""


class LineReporter(MessageReporter):
    """A line every ten seconds and one at the end, in FFmpeg's style."""

    def __init__(self, stream: TextIO, total: int | None) -> None:
        super().__init__(stream)
        self._total = total
        self._started = self._printed = time.monotonic()
        self._count, self._time = 0, 0.0

    def frame(self, seconds: float) -> None:
        self._count, self._time = self._count + 1, max(self._time, seconds)
        if time.monotonic() - self._printed >= _LINE_SECONDS:
            self._printed = time.monotonic()
            self.notify(self._line())

    def _line(self) -> str:
        spent = max(time.monotonic() - self._started, 1e-6)
        fps = self._count / spent
        of = f"/{self._total}" if self._total and self._count <= self._total else ""  # it may be less than there are
        left = f" eta={_clock((self._total - self._count) / fps)}" if self._total and self._count < self._total else ""
        return f"frame={self._count}{of} fps={fps:.1f} time={_clock(self._time)} speed={self._time / spent:.3g}x{left}"

    def __exit__(self, *_: object) -> None:
        if self._count:
            self.notify(self._line())


class BarReporter:
    """A progress bar at the bottom of the terminal."""

    def __init__(self, stream: TextIO, total: int | None) -> None:
        self._started = time.monotonic()
        self._progress = Progress(
            TextColumn("adcvsr"), BarColumn(), TextColumn("{task.completed:.0f}/{task.fields[of]} frames"),
            TextColumn("{task.fields[fps]:.1f} fps {task.fields[speed]:.3g}x"), TimeElapsedColumn(),
            TextColumn("eta"), TimeRemainingColumn(), console=Console(file=stream), transient=False,
        )  # fmt: skip
        self._task = self._progress.add_task("", total=total, of=total or "?", fps=0.0, speed=0.0)

    def frame(self, seconds: float) -> None:
        spent = max(time.monotonic() - self._started, 1e-6)
        task = self._progress.tasks[0]
        done = task.completed + 1
        of = "?" if task.total is not None and done > task.total else task.fields["of"]
        with suppress(OSError):
            self._progress.update(self._task, advance=1, of=of, fps=done / spent, speed=seconds / spent)

    def notify(self, message: str) -> None:
        with suppress(OSError):
            self._progress.console.print(f"ffadcvsr: {message}", markup=False, highlight=False)

    def __enter__(self) -> Self:
        with suppress(OSError):
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._progress.stop()


def make_reporter(total: int | None, *, enabled: bool | None, stream: TextIO | None = None) -> Reporter:
    """The reporter for `total` frames, None if unknown. `enabled` is False for no progress display."""
    out = stream or sys.stderr
    if enabled is False:
        return MessageReporter(out)
    return BarReporter(out, total) if out.isatty() else LineReporter(out, total)


def _clock(seconds: float) -> str:
    whole = max(0.0, seconds)
    return f"{int(whole // 3600):02}:{int(whole // 60 % 60):02}:{whole % 60:05.2f}"

"""How far a job is: one live line on a terminal, a plain line now and then elsewhere, nothing where nobody wants it."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

_PLAIN_EVERY = 10.0  # seconds


def say(words: str, stream: TextIO | None = None) -> None:
    """A line on standard error; one that nobody can read any more is no failure, as it is none to FFmpeg."""
    with suppress(OSError, ValueError):
        print(words, file=stream or sys.stderr, flush=True)


class Reporter(Protocol):
    """Told of every frame that the encoder has been given."""

    def frame(self, seconds: float) -> None:
        """One more frame; it begins `seconds` into the film."""

    def say(self, words: str) -> None:
        """A line that stays."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None: ...


@dataclass
class Quiet:
    """Says what must be said, and counts nothing."""

    stream: TextIO
    prefix: str = "ffadcvsr: "

    def frame(self, seconds: float) -> None:
        """Nothing."""

    def say(self, words: str) -> None:
        say(f"{self.prefix}{words}", self.stream)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        del kind, error, at


class Plain(Quiet):
    """A line every ten seconds and one at the end, in the manner of FFmpeg's own."""

    def __init__(self, stream: TextIO, total: int | None) -> None:
        super().__init__(stream)
        self._total = total
        self._began = self._told = time.monotonic()
        self._count, self._film = 0, 0.0

    def frame(self, seconds: float) -> None:
        self._count, self._film = self._count + 1, max(self._film, seconds)
        if time.monotonic() - self._told >= _PLAIN_EVERY:
            self._told = time.monotonic()
            self.say(self._line())

    def _line(self) -> str:
        spent = max(time.monotonic() - self._began, 1e-6)
        fps = self._count / spent
        of = f"/{self._total}" if self._total and self._count <= self._total else ""  # it may be less than there are
        left = f" eta={_clock((self._total - self._count) / fps)}" if self._total and self._count < self._total else ""
        return f"frame={self._count}{of} fps={fps:.1f} time={_clock(self._film)} speed={self._film / spent:.3g}x{left}"

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        del kind, error, at
        if self._count:
            self.say(self._line())


class Live:
    """A bar that stays at the foot of the terminal."""

    def __init__(self, stream: TextIO, total: int | None) -> None:
        self._began = time.monotonic()
        self._progress = Progress(
            TextColumn("adcvsr"), BarColumn(), TextColumn("{task.completed:.0f}/{task.fields[of]} frames"),
            TextColumn("{task.fields[fps]:.1f} fps {task.fields[speed]:.3g}x"), TimeElapsedColumn(),
            TextColumn("eta"), TimeRemainingColumn(), console=Console(file=stream), transient=False,
        )  # fmt: skip
        self._task = self._progress.add_task("", total=total, of=total or "?", fps=0.0, speed=0.0)

    def frame(self, seconds: float) -> None:
        spent = max(time.monotonic() - self._began, 1e-6)
        task = self._progress.tasks[0]
        done = task.completed + 1
        of = "?" if task.total is not None and done > task.total else task.fields["of"]
        with suppress(OSError):
            self._progress.update(self._task, advance=1, of=of, fps=done / spent, speed=seconds / spent)

    def say(self, words: str) -> None:
        with suppress(OSError):
            self._progress.console.print(f"ffadcvsr: {words}", markup=False, highlight=False)

    def __enter__(self) -> Self:
        with suppress(OSError):
            self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        del kind, error, at
        with suppress(OSError):
            self._progress.stop()


def reporter(total: int | None, *, wanted: bool | None, stream: TextIO | None = None) -> Reporter:
    """For a job of `total` frames, None where that is unknown. `wanted` is what `-stats` or `-nostats` said."""
    out = stream or sys.stderr
    if wanted is False:
        return Quiet(out)
    return Live(out, total) if out.isatty() else Plain(out, total)


def _clock(seconds: float) -> str:
    whole = max(0.0, seconds)
    return f"{int(whole // 3600):02}:{int(whole // 60 % 60):02}:{whole % 60:05.2f}"

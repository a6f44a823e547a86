"""What is done beside the main thread, and told of by a watch."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from ffmpeg_filter.farm.title import Making
from vsadcvsr.errors import FarmError
from vsadcvsr.farm.monitor.watch import Watch


class Errand[Result]:
    """A thread that does one thing for a title, and does not keep the program from ending."""

    def __init__(self, of: Making, reporter: Beside, run: Callable[[Beside], Result]) -> None:
        self.of = of
        self.reporter = reporter
        self._run = run
        self._result: Result | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._go, daemon=True, name="errand")
        self._thread.start()

    @property
    def is_over(self) -> bool:
        return not self._thread.is_alive()

    def result(self) -> Result:
        """What it has come to, once it is over. Raises what it has raised."""
        if self._error is not None:
            raise self._error
        assert self._result is not None, "it is over, and nothing was raised"
        return self._result

    def join(self, seconds: float) -> None:
        """Waits for it, so long at the most."""
        self._thread.join(seconds)

    def _go(self) -> None:
        try:
            self._result = self._run(self.reporter)
        except BaseException as error:  # noqa: BLE001 - it crosses over
            self._error = error


class Beside:
    """A reporter of what is done beside: it counts frames, and interrupts whoever reports one once `stop` is set."""

    def __init__(self, watch: Watch, stop: threading.Event, what: str) -> None:
        self._watch = watch
        self._stop = stop
        self.what = what
        self._count = 0

    def __str__(self) -> str:
        """What is done, and how far it is."""
        return f"{self.what}, frame {self._count}" if self._count else self.what

    def frame(self, seconds: float) -> None:
        """Raises FarmError where all is to end."""
        del seconds
        self._count += 1
        if self._stop.is_set():
            raise FarmError("stopped; what is done stays done")

    def say(self, words: str) -> None:
        self._watch.say(words)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        del kind, error, at

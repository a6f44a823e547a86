"""Background tasks and their progress."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Self

from ffmpeg_filter.farm.title import TitleRun
from vsadcvsr.errors import FarmError
from vsadcvsr.farm.monitor.watch import JobWatcher


class BackgroundTask[Result]:
    """A daemon thread that runs one function for a title."""

    def __init__(self, title_run: TitleRun, reporter: TaskReporter, run: Callable[[TaskReporter], Result]) -> None:
        self.title_run = title_run
        self.reporter = reporter
        self._run = run
        self._result: Result | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, daemon=True, name="farm task")
        self._thread.start()

    @property
    def is_done(self) -> bool:
        return not self._thread.is_alive()

    def result(self) -> Result:
        """The return value of a finished task. Raises what the function raised."""
        if self._error is not None:
            raise self._error
        assert self._result is not None, "it is over, and nothing was raised"
        return self._result

    def join(self, seconds: float) -> None:
        """Waits for the task, at most so many seconds."""
        self._thread.join(seconds)

    def _work(self) -> None:
        try:
            self._result = self._run(self.reporter)
        except BaseException as error:  # noqa: BLE001 - it crosses over
            self._error = error


class TaskReporter:
    """Reporter of a background task: counts frames, and aborts the task once `stop` is set."""

    def __init__(self, watch: JobWatcher, stop: threading.Event, description: str) -> None:
        self._watch = watch
        self._stop = stop
        self.description = description
        self._count = 0

    def __str__(self) -> str:
        """The description, and the number of frames so far."""
        return f"{self.description}, frame {self._count}" if self._count else self.description

    def frame(self, seconds: float) -> None:
        """Counts a frame. Raises FarmError if the run is stopping."""
        del seconds
        self._count += 1
        if self._stop.is_set():
            raise FarmError("stopped; finished chunks are kept")

    def notify(self, message: str) -> None:
        self._watch.notify(message)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is left to do."""

"""Watching of jobs in progress, by their ledgers alone: it does not matter who works, and how that was started."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Iterable
from typing import Self, TextIO

from vsadcvsr.farm.monitor.attempts import Attempt
from vsadcvsr.farm.monitor.status import JobTracker, Status
from vsadcvsr.farm.monitor.views import Style, View, view_of
from vsadcvsr.farm.store.job import Job

_MIN_INTERVAL, _INTERVAL_FACTOR = 1.0, 10
"""Seconds between refreshes, and the ratio of the interval to the duration of a refresh: folders may be slow."""
_MAX_FAILURES_SHOWN = 8
"""Failures that are reported at once."""


class JobWatcher:
    """Shows the progress of jobs from a thread of its own, while it is entered; at the end it shows a summary of those
    that are done. So leave it only when their videos are merged.

    `style` is "rich" (a terminal display), "plain" (occasional lines) or "json" (an object per line); by default what
    suits `stream`, which is standard error. Every method may be called from any thread.
    """

    def __init__(
        self,
        jobs: Iterable[Job] = (),
        *,
        style: Style | None = None,
        stream: TextIO | None = None,
        least: int = logging.INFO,
    ) -> None:
        self._view: View = view_of(style, stream or sys.stderr)
        self._informs, self._warns = least <= logging.INFO, least <= logging.WARNING
        self._trackers = [JobTracker(job) for job in jobs]
        self._statuses: list[Status] = []
        self._reported: list[set[tuple[int, str, float]]] = []
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._is_unreadable = False
        self._broken: OSError | None = None
        self._thread = threading.Thread(target=self._run, daemon=True, name="watch")

    def add(self, job: Job) -> None:
        """Adds a job."""
        with self._lock:
            self._trackers.append(JobTracker(job))

    def notify(self, message: str) -> None:
        """Shows a message."""
        with self._lock:
            self._view.notify(message)

    def inform(self, message: str) -> None:
        """Shows a message, if information is shown."""
        if self._informs:
            self.notify(message)

    def warn(self, message: str) -> None:
        """Shows a message, if warnings are shown."""
        if self._warns:
            self.notify(message)

    def activity(self, message: str) -> None:
        """Shows an activity apart from chunks, such as "merging video.mkv"; empty for none."""
        if self._informs:
            with self._lock:
                self._view.activity(message)

    def refresh(self) -> list[Status]:
        """Refreshes at once. The status of each job, in order of addition."""
        with self._lock:
            self._read()
            self._show()
            return self._statuses

    def wait(self) -> None:
        """Returns when all chunks of all jobs are rendered. Raises OSError if nothing can be shown any more."""
        while not all(status.ended for status in self._statuses):
            self._stop.wait(0.2)
            if self._broken is not None:
                raise self._broken

    def __enter__(self) -> Self:
        if self._informs:
            self._view.start()
        self.refresh()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        if self._broken is not None:
            return  # the jobs go on without those who watched them
        try:
            self._refresh_quietly()
        finally:
            ended = [tracker for tracker, status in zip(self._trackers, self._statuses, strict=False) if status.ended]
            if self._informs:
                self._view.finish([(tracker.job, tracker.summary()) for tracker in ended])

    def _run(self) -> None:
        pause = _MIN_INTERVAL
        try:
            while not self._stop.wait(pause):
                started = time.monotonic()
                self._refresh_quietly()
                pause = max(_MIN_INTERVAL, _INTERVAL_FACTOR * (time.monotonic() - started))
        except OSError as error:
            self._broken = error

    def _refresh_quietly(self) -> None:
        """As `refresh`, but reports an unreadable folder once: on a network it may come back."""
        try:
            self._read()
        except OSError as error:
            if not self._is_unreadable:
                self.warn(f"the job cannot be read now: {error}")
            self._is_unreadable = True
        else:
            self._is_unreadable = False
            self._show()

    def _read(self) -> None:
        with self._lock:
            self._statuses = [tracker.read() for tracker in self._trackers]

    def _show(self) -> None:
        with self._lock:
            snapshot = list(zip(self._trackers, self._statuses, strict=False))
            for number, (tracker, _) in enumerate(snapshot):
                self._report_failures(number, tracker)
            if self._informs:
                self._view.show(snapshot)

    def _report_failures(self, number: int, tracker: JobTracker) -> None:
        """Reports failures since the last refresh; those before the first are not reported."""
        failed = {_key(attempt): attempt for attempt in tracker.attempts if attempt.has_failed}
        if number == len(self._reported):
            self._reported.append(set(failed))
        new = [attempt for key, attempt in failed.items() if key not in self._reported[number]]
        self._reported[number] |= failed.keys()
        if not self._warns:
            return
        for attempt in new[:_MAX_FAILURES_SHOWN]:
            self._view.failed(tracker.job, attempt)
        if len(new) > _MAX_FAILURES_SHOWN:
            self._view.notify(f"{tracker.job.folder.name}: {len(new) - _MAX_FAILURES_SHOWN} more failures")


def _key(attempt: Attempt) -> tuple[int, str, float]:
    return attempt.chunk, attempt.worker, attempt.begun

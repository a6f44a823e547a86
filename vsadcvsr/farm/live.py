"""Jobs watched while others work on them. The ledger is all that is looked at: who works, and how it was started, does
not matter.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterable
from types import TracebackType
from typing import Self, TextIO

from vsadcvsr.farm.job import Job
from vsadcvsr.farm.status import Status, Tally
from vsadcvsr.farm.views import Style, View, view_of

_LEAST, _SHARE = 1.0, 10
"""Seconds between two looks, and how many times longer than a look that is: folders may be slow."""


class Watch:
    """Shows how far jobs are, from a thread of its own, for as long as it is entered; a summary follows.

    `style` is "rich" (a terminal's own), "plain" (a line now and then) or "json" (one object a line); by default what
    suits `stream`, which is standard error. Every method may be called from any thread.
    """

    def __init__(self, jobs: Iterable[Job] = (), *, style: Style | None = None, stream: TextIO | None = None) -> None:
        self._view: View = view_of(style, stream or sys.stderr)
        self._tallies = [Tally(job) for job in jobs]
        self._last: list[tuple[Job, Status]] = []
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._go_on, daemon=True, name="watch")

    def add(self, job: Job) -> None:
        """One more job, which was planned only now."""
        with self._lock:
            self._tallies.append(Tally(job))

    def say(self, words: str) -> None:
        """A line that stays."""
        with self._lock:
            self._view.say(words)

    def doing(self, words: str) -> None:
        """What is done beside the chunks now, such as "merging film.mkv"; empty for nothing."""
        with self._lock:
            self._view.doing(words)

    def tick(self) -> list[Status]:
        """Looks and shows at once. What is known of each job, in the order in which they were given."""
        with self._lock:
            self._last = [(one.job, one.read()) for one in self._tallies]
            self._view.show(self._last)
            return [status for _, status in self._last]

    def wait(self) -> None:
        """Returns when no chunk of any job is left to be made."""
        while not all(status.ended for _, status in self._last) or not self._last:
            self._over.wait(0.2)

    def __enter__(self) -> Self:
        self._view.begin()
        self.tick()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        del kind, error, at
        self._over.set()
        self._thread.join()
        self.tick()
        self._view.end()

    def _go_on(self) -> None:
        pause = _LEAST
        while not self._over.wait(pause):
            begun = time.monotonic()
            self.tick()
            pause = max(_LEAST, _SHARE * (time.monotonic() - begun))

"""Jobs watched while others work on them. The ledger is all that is looked at: who works, and how it was started, does
not matter.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Iterable
from types import TracebackType
from typing import Self, TextIO

from vsadcvsr.farm.monitor.attempts import Attempt
from vsadcvsr.farm.monitor.status import Status, Tally
from vsadcvsr.farm.monitor.views import Style, View, view_of
from vsadcvsr.farm.store.job import Job

_LEAST, _SHARE = 1.0, 10
"""Seconds between two looks, and how many times longer than a look that is: folders may be slow."""
_MOST = 8
"""Failures that are told of at once."""


class Watch:
    """Shows how far jobs are, from a thread of its own, for as long as it is entered; at the end there is a summary of
    those that are done. So leave it only when their films are merged.

    `style` is "rich" (a terminal's own), "plain" (a line now and then) or "json" (one object a line); by default what
    suits `stream`, which is standard error. `least` is a level of `logging`: above INFO nothing is shown but what is
    said, above WARNING no failure that is made good either. Every method may be called from any thread.
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
        self._tallies = [Tally(job) for job in jobs]
        self._statuses: list[Status] = []
        self._told: list[set[tuple[int, str, float]]] = []
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._is_away = False
        self._broken: OSError | None = None
        self._thread = threading.Thread(target=self._go_on, daemon=True, name="watch")

    def add(self, job: Job) -> None:
        """One more job, which was planned only now."""
        with self._lock:
            self._tallies.append(Tally(job))

    def say(self, words: str) -> None:
        """A line that stays."""
        with self._lock:
            self._view.say(words)

    def inform(self, words: str) -> None:
        """A line of information."""
        if self._informs:
            self.say(words)

    def warn(self, words: str) -> None:
        """A line on what is wrong and may be made good."""
        if self._warns:
            self.say(words)

    def doing(self, words: str) -> None:
        """What is done beside the chunks now, such as "merging film.mkv"; empty for nothing."""
        if self._informs:
            with self._lock:
                self._view.doing(words)

    def tick(self) -> list[Status]:
        """Looks and shows at once. What is known of each job, in the order in which they were given."""
        with self._lock:
            self._read()
            self._show()
            return self._statuses

    def wait(self) -> None:
        """Returns when no chunk of any job is left to be made. Raises OSError where nothing can be shown any more."""
        while not all(status.ended for status in self._statuses):
            self._over.wait(0.2)
            if self._broken is not None:
                raise self._broken

    def __enter__(self) -> Self:
        if self._informs:
            self._view.begin()
        self.tick()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        del kind, error, at
        self._over.set()
        self._thread.join()
        if self._broken is not None:
            return  # who listens no longer does not end what was listened to
        try:
            self._look()
        finally:
            over = [tally for tally, status in zip(self._tallies, self._statuses, strict=False) if status.ended]
            if self._informs:
                self._view.end([(tally.job, tally.summary()) for tally in over])

    def _go_on(self) -> None:
        pause = _LEAST
        try:
            while not self._over.wait(pause):
                begun = time.monotonic()
                self._look()
                pause = max(_LEAST, _SHARE * (time.monotonic() - begun))
        except OSError as error:
            self._broken = error

    def _look(self) -> None:
        """As `tick`, but a folder that cannot be read now is said once: on a network it may come back."""
        try:
            self._read()
        except OSError as error:
            if not self._is_away:
                self.warn(f"the job cannot be read now: {error}")
            self._is_away = True
        else:
            self._is_away = False
            self._show()

    def _read(self) -> None:
        with self._lock:
            self._statuses = [tally.read() for tally in self._tallies]

    def _show(self) -> None:
        with self._lock:
            known = list(zip(self._tallies, self._statuses, strict=False))
            for number, (tally, _) in enumerate(known):
                self._tell_of_failures(number, tally)
            if self._informs:
                self._view.show(known)

    def _tell_of_failures(self, number: int, tally: Tally) -> None:
        """Says what went wrong since the last time; what had gone wrong before the first is told in no words."""
        vain = {_key(one): one for one in tally.attempts if one.outcome in {"failed", "lost"}}
        if number == len(self._told):
            self._told.append(set(vain))
        new = [one for key, one in vain.items() if key not in self._told[number]]
        self._told[number] |= vain.keys()
        if not self._warns:
            return
        for one in new[:_MOST]:
            self._view.failed(tally.job, one)
        if len(new) > _MOST:
            self._view.say(f"{tally.job.folder.name}: {len(new) - _MOST} more failures")


def _key(one: Attempt) -> tuple[int, str, float]:
    return one.chunk, one.worker, one.begun

"""The titles of a farm: of a batch they are planned, made and merged at once, so that workers take the next title's
chunks while the last ones of this one are made and while it is merged.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from ffmpeg_filter.farm import exit_status, finish
from ffmpeg_filter.farm.tasks import Beside, Errand
from ffmpeg_filter.farm.title import Making
from vsadcvsr.errors import AdcvsrError, FarmError, one_line
from vsadcvsr.farm.cluster.scheduler import Dispatch, Ended, GoneError
from vsadcvsr.farm.cluster.workers import Crew
from vsadcvsr.farm.monitor.watch import Watch
from vsadcvsr.farm.store.job import Job

_STEP = 0.2
"""Seconds between two looks at what goes on."""
_AHEAD = 2
"""Chunks for each worker that should wait: where there are fewer, the next title is planned."""
_MENDED = 3
"""How many times chunks that were lost after they were made are made again."""
_TELL = 10.0
"""Seconds between two words on how far plans and merges are."""
_LAST_WORDS = 5.0
"""Seconds for what goes on to end when it has to."""


class Works:
    """All titles, from their plans to their films."""

    def __init__(self, hands: Crew, watch: Watch, left: Iterable[Making]) -> None:
        self._hands = hands
        self._watch = watch
        self._left = deque(left)
        self._is_batch = len(self._left) > 1
        self._dispatch = Dispatch(hands, watch.warn)
        self._stop = threading.Event()
        self._planning: Errand[Job] | None = None
        self._made: list[Making] = []
        self._merging: list[Errand[str]] = []
        self._mended: Counter[Making] = Counter()
        self._errors: list[BaseException] = []
        self._told = ("", 0.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        del kind, error, at
        self._stop.set()
        self._dispatch.close()
        for errand in self._errands():
            errand.join(_LAST_WORDS)

    def finish(self) -> None:
        """Returns when all titles have ended, well or not."""
        while self._made or self._merging or self._planning or self._left:
            self._plan_ahead()
            for ended in self._dispatch.step(_STEP):
                self._chunks_ended(ended)
            self._collect()
            self._tell()

    def status(self) -> int:
        """The exit status of all together. Raises the error of a title that is alone."""
        if self._errors and not self._is_batch:
            raise self._errors[0]
        statuses = [exit_status.status_for(error) for error in self._errors]
        return exit_status.RETRY if exit_status.RETRY in statuses else max(statuses, default=exit_status.OK)

    def _plan_ahead(self) -> None:
        """Plans the next title while workers still have something to do."""
        wanted = _AHEAD * max(1, len(self._hands.posts))
        if self._planning or not self._left or self._dispatch.waiting >= wanted:
            return
        making = self._left.popleft()
        self._planning = Errand(making, self._beside(f"planning {making.title.output}"), making.plan)

    def _begin(self, making: Making) -> None:
        """Has the chunks of a planned title made."""
        self._made.append(making)
        self._dispatch.add(making.job)

    def _chunks_ended(self, ended: Ended) -> None:
        making = next(one for one in self._made if one.job is ended.job)
        self._made.remove(making)
        if isinstance(ended.error, GoneError):
            self._found(making)
        elif ended.error is not None:
            self._fail(making, ended.error)
        else:
            beside = self._beside(f"merging {making.title.output}")
            self._merging.append(Errand(making, beside, lambda live: making.merge(live, self._watch.tick)))

    def _collect(self) -> None:
        """Takes up what was done beside."""
        if self._planning and self._planning.is_over:
            planned, self._planning = self._planning, None
            try:
                self._watch.add(planned.result())
                self._watch.inform(finish.described(planned.result()))
                self._begin(planned.of)
            except (AdcvsrError, OSError) as error:
                self._fail(planned.of, error)
        for merged in [one for one in self._merging if one.is_over]:
            self._merging.remove(merged)
            self._merged(merged)

    def _merged(self, errand: Errand[str]) -> None:
        making = errand.of
        try:
            self._watch.inform(errand.result())
        except (AdcvsrError, OSError) as error:
            if len(making.job.done()) < len(making.job.chunks) and self._mended[making] < _MENDED:
                self._mended[making] += 1
                self._watch.warn(f"{making.title.output}: {error}; they are made again")
                self._begin(making)
            else:
                self._fail(making, error)

    def _fail(self, making: Making, error: BaseException) -> None:
        self._errors.append(error)
        if self._is_batch:
            self._watch.say(f"{making.title.output} is not made: {one_line(error)}")

    def _found(self, making: Making) -> None:
        try:
            self._watch.inform(making.elsewhere())
        except FarmError as error:
            self._fail(making, error)

    def _beside(self, what: str) -> Beside:
        return Beside(self._watch, self._stop, what)

    def _errands(self) -> list[Errand[Job] | Errand[str]]:
        return [*([self._planning] if self._planning else []), *self._merging]

    def _tell(self) -> None:
        """Shows what goes on beside, when it changes and now and then."""
        names, now = "; ".join(errand.reporter.what for errand in self._errands()), time.monotonic()
        if names != self._told[0] or (names and now - self._told[1] > _TELL):
            self._told = names, now
            self._watch.doing("; ".join(str(errand.reporter) for errand in self._errands()))

"""Scheduling of a batch of titles on a worker pool.

The next title is planned while chunks of the current one are rendered, and a finished title is merged in the
background, so that workers are never idle.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Iterable
from typing import Self

from ffmpeg_filter.farm import exit_status, finish
from ffmpeg_filter.farm.background_task import BackgroundTask, TaskReporter
from ffmpeg_filter.farm.title import TitleRun
from vsadcvsr.errors import AdcvsrError, FarmError, one_line
from vsadcvsr.farm.cluster.scheduler import JobRemovedError, JobResult, Scheduler
from vsadcvsr.farm.cluster.workers import WorkerPool
from vsadcvsr.farm.monitor.watch import JobWatcher
from vsadcvsr.farm.store.job import Job

_POLL_SECONDS = 0.2
"""Seconds between two polls of the scheduler."""
_QUEUED_PER_WORKER = 2
"""Queued chunks per worker below which the next title is planned."""
_MAX_RERENDERS = 3
"""How often a title's chunks are rendered again when they are missing or damaged at the merge."""
_SHOW_SECONDS = 10.0
"""Seconds between two progress lines of plans and merges."""
_CLOSE_SECONDS = 5.0
"""Seconds to wait for background tasks when the run is aborted."""


class BatchRunner:
    """Plans, renders and merges titles. A single title is a batch of one."""

    def __init__(self, pool: WorkerPool, watch: JobWatcher, titles: Iterable[TitleRun]) -> None:
        self._pool = pool
        self._watch = watch
        self._waiting = deque(titles)
        self._is_batch = len(self._waiting) > 1
        self._scheduler = Scheduler(pool, watch.warn)
        self._stop = threading.Event()
        self._planning: BackgroundTask[Job] | None = None
        self._rendering: list[TitleRun] = []
        self._merging: list[BackgroundTask[str]] = []
        self._rerenders: Counter[TitleRun] = Counter()
        self._errors: list[BaseException] = []
        self._shown = ("", 0.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._scheduler.close()
        for task in self._tasks():
            task.join(_CLOSE_SECONDS)

    def run(self) -> None:
        """Runs until every title has finished or failed."""
        while self._rendering or self._merging or self._planning or self._waiting:
            self._plan_next()
            for ended in self._scheduler.step(_POLL_SECONDS):
                self._on_chunks_ended(ended)
            self._collect_tasks()
            self._show_tasks()

    def exit_status(self) -> int:
        """The exit status of the run. Raises the error of a title that is the only one."""
        if self._errors and not self._is_batch:
            raise self._errors[0]
        statuses = [exit_status.status_for(error) for error in self._errors]
        return exit_status.RETRY if exit_status.RETRY in statuses else max(statuses, default=exit_status.OK)

    def _plan_next(self) -> None:
        """Starts planning the next title if the queue is short."""
        enough = _QUEUED_PER_WORKER * max(1, len(self._pool.workers))
        if self._planning or not self._waiting or self._scheduler.unassigned >= enough:
            return
        title_run = self._waiting.popleft()
        self._planning = BackgroundTask(title_run, self._reporter(f"planning {title_run.title.output}"), title_run.plan)

    def _queue_chunks(self, title_run: TitleRun) -> None:
        """Queues the chunks of a planned title."""
        self._rendering.append(title_run)
        self._scheduler.add(title_run.job)

    def _on_chunks_ended(self, ended: JobResult) -> None:
        """Starts the merge of a title whose chunks are done, or records its failure."""
        title_run = next(title_run for title_run in self._rendering if title_run.job is ended.job)
        self._rendering.remove(title_run)
        if isinstance(ended.error, JobRemovedError):
            self._on_removed(title_run)
        elif ended.error is not None:
            self._fail(title_run, ended.error)
        else:
            reporter = self._reporter(f"merging {title_run.title.output}")
            self._merging.append(
                BackgroundTask(title_run, reporter, lambda reporter: title_run.merge(reporter, self._watch.refresh))
            )

    def _collect_tasks(self) -> None:
        """Handles background tasks that have finished."""
        if self._planning and self._planning.is_done:
            planned, self._planning = self._planning, None
            try:
                self._watch.add(planned.result())
                self._watch.inform(finish.plan_summary(planned.result()))
                self._queue_chunks(planned.title_run)
            except (AdcvsrError, OSError) as error:
                self._fail(planned.title_run, error)
        for merged in [task for task in self._merging if task.is_done]:
            self._merging.remove(merged)
            self._on_merged(merged)

    def _on_merged(self, task: BackgroundTask[str]) -> None:
        """Reports a merged title; queues its chunks again if some were missing or damaged."""
        title_run = task.title_run
        try:
            self._watch.inform(task.result())
        except (AdcvsrError, OSError) as error:
            if len(title_run.job.done()) < len(title_run.job.chunks) and self._rerenders[title_run] < _MAX_RERENDERS:
                self._rerenders[title_run] += 1
                self._watch.warn(f"{title_run.title.output}: {error}; they are made again")
                self._queue_chunks(title_run)
            else:
                self._fail(title_run, error)

    def _fail(self, title_run: TitleRun, error: BaseException) -> None:
        self._errors.append(error)
        if self._is_batch:
            self._watch.notify(f"{title_run.title.output} is not made: {one_line(error)}")

    def _on_removed(self, title_run: TitleRun) -> None:
        """Handles a title whose job folder another run has removed."""
        try:
            self._watch.inform(title_run.removed_job_message())
        except FarmError as error:
            self._fail(title_run, error)

    def _reporter(self, description: str) -> TaskReporter:
        return TaskReporter(self._watch, self._stop, description)

    def _tasks(self) -> list[BackgroundTask[Job] | BackgroundTask[str]]:
        return [*([self._planning] if self._planning else []), *self._merging]

    def _show_tasks(self) -> None:
        """Shows the background tasks when they change, and every few seconds."""
        names, now = "; ".join(task.reporter.description for task in self._tasks()), time.monotonic()
        if names != self._shown[0] or (names and now - self._shown[1] > _SHOW_SECONDS):
            self._shown = names, now
            self._watch.activity("; ".join(str(task.reporter) for task in self._tasks()))

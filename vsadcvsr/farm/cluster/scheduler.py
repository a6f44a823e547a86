"""Scheduling of jobs on a worker pool, chunk by chunk. The ledger and the claims are authoritative: others may help."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from vsadcvsr.errors import AdcvsrError, FarmError
from vsadcvsr.farm.cluster.chunk_queue import ChunkQueue, Failure
from vsadcvsr.farm.cluster.protocol import WorkerReply, is_final
from vsadcvsr.farm.cluster.workers import WorkerHandle, WorkerPool
from vsadcvsr.farm.retry_limits import MAX_START_FAILURES, MAX_WORKER_FAILURES
from vsadcvsr.farm.store.job import Job

_RETRY_SECONDS = 1.0
"""Seconds until a chunk that another worker holds is tried again, and between checks of a job folder."""
_WAIT_NOTICE_SECONDS = 30.0
"""Seconds without a worker between two notices of that."""
_KILLED = "the worker's process was ended (by hand, or for want of memory)"
_NODE_LOST = "the worker's node is gone"


class JobResult(NamedTuple):
    """A finished job: its chunks are rendered, or `error` says why they cannot be."""

    job: Job
    error: AdcvsrError | None = None


class Task(NamedTuple):
    """A worker's task: a chunk, or to open the job if there is none."""

    job: ActiveJob
    number: int | None = None


@dataclass(eq=False)
class ActiveJob:
    """A job in progress."""

    job: Job
    queue: ChunkQueue
    engine: str = ""
    """Engine label of its frames, once known."""
    ready: set[WorkerHandle] = field(default_factory=set)
    """Workers that have opened the job."""
    rejected: dict[WorkerHandle, AdcvsrError] = field(default_factory=dict)
    """Workers that cannot work on it, and why."""
    failures: dict[WorkerHandle, int] = field(default_factory=dict)
    """Failures in a row of each worker."""
    reported: set[str] = field(default_factory=set)
    """Messages that the user has seen."""
    start_failures: int = 0
    """Workers in a row that ended while opening the job."""
    error: AdcvsrError | None = None
    checked_at: float = 0.0

    @classmethod
    def resume(cls, job: Job) -> ActiveJob:
        """A job with the chunks that are not done."""
        done = job.done()
        numbers = (chunk.number for chunk in job.chunks if chunk.number not in done)
        return cls(job, ChunkQueue(numbers), next((line.engine for line in done.values()), ""))


class Scheduler:
    """Assigns the chunks of jobs to workers, those of earlier jobs first; `on_message` shows a message to the user."""

    def __init__(self, pool: WorkerPool, on_message: Callable[[str], None]) -> None:
        self._pool = pool
        self._on_message = on_message
        self._jobs: list[ActiveJob] = []
        self._had_workers = time.monotonic()

    @property
    def unassigned(self) -> int:
        """Chunks without a worker."""
        return sum(len(active.queue) for active in self._jobs)

    def add(self, job: Job) -> None:
        """Adds a job, or one of which chunks were lost."""
        self._jobs.append(ActiveJob.resume(job))

    def step(self, seconds: float) -> list[JobResult]:
        """Works for about that number of seconds; returns the jobs that have finished. Raises FarmError if no worker
        can be started.
        """
        if self.unassigned:
            self._pool.scale_up(self.unassigned + sum(worker.task is not None for worker in self._pool.workers))
        self._report_waiting()
        for worker in self._pool.idle():
            self._assign(worker)
        for worker, task, reply in self._pool.wait(seconds):
            if isinstance(task, Task):
                self._receive(worker, task, reply)
        return list(self._finished_jobs())

    def _report_waiting(self) -> None:
        now = time.monotonic()
        if not self.unassigned or any(worker.name for worker in self._pool.workers):
            self._had_workers = now
        elif now - self._had_workers > _WAIT_NOTICE_SECONDS:
            self._had_workers = now
            self._on_message("still waiting for a worker to start: the cluster may be busy with something else")

    def close(self) -> None:
        """Stops all work at once, and cleans up."""
        busy = [(worker.name, worker.task) for worker in self._pool.workers if isinstance(worker.task, Task)]
        self._pool.close()
        for name, task in busy:
            if task.number is not None and task.job.job.exists:
                task.job.job.abandon(task.number, name, "the run was stopped")

    def _assign(self, worker: WorkerHandle) -> None:
        for active in self._jobs:
            if worker in active.rejected or active.error or not active.queue:
                continue
            folder = str(active.job.folder)
            if worker not in active.ready:
                self._pool.submit(worker, "open", folder, active.job.key, task=Task(active))
                return
            others = {other.name for other in self._pool.workers if other is not worker and other in active.ready}
            number = active.queue.take(worker.name, others, time.monotonic())
            if number is not None:
                self._pool.submit(worker, "make", folder, number, task=Task(active, number))
                return

    def _receive(self, worker: WorkerHandle, task: Task, reply: WorkerReply | None) -> None:
        active, number = task
        for message in (message for message in (reply.messages if reply else ()) if message not in active.reported):
            active.reported.add(message)
            self._on_message(f"{active.job.folder.name}: {message}")
        if reply is None:
            self._on_died(worker, task)
        elif reply.error is not None and self._is_removed(active):
            return
        elif number is None:
            self._on_opened(worker, active, reply)
        elif reply.holder:
            active.queue.defer(number, time.monotonic() + _RETRY_SECONDS)
        elif (error := reply.error) is not None:
            self._on_failed(worker, active, number, error)
        else:
            active.queue.mark_done(number)
            active.failures.pop(worker, None)

    def _on_opened(self, worker: WorkerHandle, active: ActiveJob, reply: WorkerReply) -> None:
        error = reply.error
        if error is None and active.engine not in {"", reply.engine}:
            error = FarmError(
                f"its engine is {reply.engine}, but the other chunks are upscaled with {active.engine}; "
                "set backend, device and precision, so that all workers use the same"
            )
        if error is not None:
            self._reject(worker, active, error)
            return
        active.engine, active.start_failures = reply.engine, 0
        active.ready.add(worker)

    def _on_failed(self, worker: WorkerHandle, active: ActiveJob, number: int, error: AdcvsrError) -> None:
        active.queue.mark_failed(number, Failure(worker.name, str(error)))
        if is_final(error):
            active.error = active.error or error
        active.failures[worker] = active.failures.get(worker, 0) + 1
        if active.failures[worker] >= MAX_WORKER_FAILURES:
            self._reject(worker, active, error)

    def _reject(self, worker: WorkerHandle, active: ActiveJob, error: AdcvsrError) -> None:
        active.ready.discard(worker)
        active.rejected[worker] = error
        self._on_message(f"{worker.name} does not work on {active.job.folder.name}: {error}")

    def _on_died(self, worker: WorkerHandle, task: Task) -> None:
        active, number = task
        cause = _KILLED if self._pool.node_is_alive(worker) else _NODE_LOST
        for other in self._jobs:
            other.ready.discard(worker)
            other.rejected.pop(worker, None)
        if number is None:
            active.start_failures += 1
            if active.start_failures >= MAX_START_FAILURES:
                active.error = active.error or FarmError(
                    f"{active.start_failures} workers ended as they loaded the model: {cause}"
                )
        elif not self._is_removed(active):
            active.queue.mark_failed(number, Failure(worker.name, cause))
            active.job.abandon(number, worker.name, cause)

    def _finished_jobs(self) -> Iterator[JobResult]:
        for active in [*self._jobs]:
            self._fail_if_impossible(active)
            if active.queue.is_over or active.error:
                self._jobs.remove(active)
                yield JobResult(active.job, active.error)

    def _fail_if_impossible(self, active: ActiveJob) -> None:
        """Fails a job that cannot be finished."""
        workers = self._pool.workers
        if failure := active.queue.fatal_failure:
            active.error = active.error or FarmError(failure)
        elif workers and all(worker in active.rejected for worker in workers):
            active.error = active.error or active.rejected[workers[-1]]
        if time.monotonic() - active.checked_at > _RETRY_SECONDS:
            active.checked_at = time.monotonic()
            active.queue.drop(active.job.done())
            self._is_removed(active)

    def _is_removed(self, active: ActiveJob) -> bool:
        """Whether a job was removed, which then is its error."""
        if active.job.exists:
            return False
        active.error = JobRemovedError(f"{active.job.folder} is gone")
        return True


class JobRemovedError(FarmError):
    """A job folder was removed, presumably by a run of the same command that has finished the output."""

"""Worker process of a farm: renders chunks of any job, and keeps models loaded between chunks."""

from __future__ import annotations

import socket
import time
from dataclasses import replace
from pathlib import Path

from ffmpeg_filter.farm.job_context import chdir_to_job
from ffmpeg_filter.farm.render import ChunkRenderer
from vsadcvsr.errors import AdcvsrError, FarmError
from vsadcvsr.farm.cluster.protocol import WorkerReply
from vsadcvsr.farm.store.fingerprints import ChangedError
from vsadcvsr.farm.store.job import Job, has_job
from vsadcvsr.farm.worker import Worker

_OPEN_JOBS = 2
"""Jobs that are kept open, since the last chunks of one overlap with the first of the next."""
_MAX_MESSAGES = 10
"""Messages that are passed on per chunk."""
_JOB_SECONDS = 5.0
"""Seconds to wait until a job file written on another machine appears in a network folder."""


class ChunkWorker:
    """The object in a worker process. `driver` names the run that it works for; CPU backends use `threads` threads."""

    def __init__(self, driver: str, threads: int) -> None:
        self._driver = driver
        self._threads = threads
        self._workers: dict[str, Worker] = {}
        self._keys: dict[str, str] = {}
        self._messages: list[str] = []

    def open(self, folder: str, key: str) -> WorkerReply:
        """Opens a job: the engine's label, or the error."""
        try:
            job = _wait_for_job(Path(folder), key)
            chdir_to_job(job.request)
            job.remove_unfinished()
            renderer = ChunkRenderer(job, on_message=self._messages.append, threads=self._threads)
            self._workers[folder], self._keys[folder] = Worker(job, renderer.render, renderer.engine), key
        except (AdcvsrError, OSError) as error:
            return WorkerReply.from_error(error)
        for other in [opened for opened in self._workers if opened != folder][: len(self._workers) - _OPEN_JOBS]:
            del self._workers[other]
        return WorkerReply(engine=renderer.engine)

    def make(self, folder: str, number: int) -> WorkerReply:
        """Renders a chunk: no error if it is done, or the name of another worker that holds it."""
        reply = self.open(folder, self._keys[folder]) if folder not in self._workers else WorkerReply()
        if not reply.cause:
            reply = self._render(self._workers[folder], number)
        messages = tuple(dict.fromkeys(self._messages))
        self._messages.clear()
        return replace(reply, messages=messages[:_MAX_MESSAGES])

    def _render(self, worker: Worker, number: int) -> WorkerReply:
        job = worker.job
        try:
            chdir_to_job(job.request)
            with job.claims.claim(number, self._driver) as has_claim:
                if not has_claim:
                    return WorkerReply(holder=job.claims.holder(number) or "another worker")
                worker.process(number)
        except (AdcvsrError, OSError) as error:
            return WorkerReply.from_error(error)
        return WorkerReply()


def _wait_for_job(folder: Path, key: str) -> Job:
    """The job, once its file is visible here. Raises FarmError or ChangedError."""
    end = time.monotonic() + _JOB_SECONDS
    while not has_job(folder):
        if time.monotonic() > end:
            raise FarmError(
                f"{folder} is not visible on {socket.gethostname()}; it has to be on storage that all nodes see "
                "under one name (-farm_folder)"
            )
        time.sleep(0.2)
    job = Job.read(folder)
    if job.key != key:
        raise ChangedError(f"{folder} holds another plan on {socket.gethostname()}; is it the same storage everywhere?")
    return job

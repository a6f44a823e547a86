"""A process of a farm that makes chunks of whatever jobs it is handed; models stay loaded from one to the next."""

from __future__ import annotations

import socket
import time
from dataclasses import replace
from pathlib import Path

from ffmpeg_filter.farm.job_context import enter
from ffmpeg_filter.farm.render import Renderer
from vsadcvsr.errors import AdcvsrError, FarmError
from vsadcvsr.farm.cluster.protocol import Answer
from vsadcvsr.farm.store.fingerprints import ChangedError
from vsadcvsr.farm.store.job import Job
from vsadcvsr.farm.worker import Worker

_KEPT = 2
"""Jobs that are kept open: the last chunks of one are made beside the first of the next."""
_MOST = 10
"""Lines that are told of one chunk."""
_PATIENCE = 5.0
"""Seconds until a folder on a network has to show what another machine has written."""


class Site:
    """One process, for `patron`, whose engines run on `threads` threads of a CPU where the command says nothing."""

    def __init__(self, patron: str, threads: int) -> None:
        self._patron = patron
        self._threads = threads
        self._workers: dict[str, Worker] = {}
        self._keys: dict[str, str] = {}
        self._said: list[str] = []

    def open(self, folder: str, key: str) -> Answer:
        """The engine that is ready, or why none is."""
        try:
            job = _seen(Path(folder), key)
            enter(job.request)
            job.sweep()
            renderer = Renderer(job, say=self._said.append, threads=self._threads)
            self._workers[folder], self._keys[folder] = Worker(job, renderer.render, renderer.engine), key
        except (AdcvsrError, OSError) as error:
            return Answer.of(error)
        for other in [one for one in self._workers if one != folder][: len(self._workers) - _KEPT]:
            del self._workers[other]
        return Answer(engine=renderer.engine)

    def make(self, folder: str, number: int) -> Answer:
        """An answer without an error if the chunk is done; or who else works on it."""
        answer = self.open(folder, self._keys[folder]) if folder not in self._workers else Answer()
        if not answer.cause:
            answer = self._made(self._workers[folder], number)
        said = tuple(dict.fromkeys(self._said))
        self._said.clear()
        return replace(answer, said=said[:_MOST])

    def _made(self, worker: Worker, number: int) -> Answer:
        job = worker.job
        try:
            enter(job.request)
            with job.claims.held(number, self._patron) as ours:
                if not ours:
                    return Answer(holder=job.claims.holder(number) or "somebody")
                worker.make(number)
        except (AdcvsrError, OSError) as error:
            return Answer.of(error)
        return Answer()


def _seen(folder: Path, key: str) -> Job:
    """The job, as whoever planned it sees it. Raises FarmError or ChangedError."""
    end = time.monotonic() + _PATIENCE
    while not (folder / "job.json").exists():
        if time.monotonic() > end:
            raise FarmError(
                f"{folder} is not to be seen on {socket.gethostname()}; it has to be on storage that all nodes see "
                "under one name (-farm_folder)"
            )
        time.sleep(0.2)
    job = Job.read(folder)
    if job.key != key:
        raise ChangedError(f"{folder} holds another plan on {socket.gethostname()}; is it the same storage everywhere?")
    return job

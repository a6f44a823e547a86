"""Benchmark of sleeping workers on Ray, started on this machine.

`python -m vsadcvsr.bench.farm.on_ray FOLDER CHUNKS SECONDS 1 2 4` prints the results for these numbers of workers; it
runs in its own process, since Ray leaves threads behind.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from vsadcvsr.bench.farm.workers import Scaling, Sleeper, plan_job
from vsadcvsr.commands import status_of_subprocess
from vsadcvsr.errors import AdcvsrError, FarmError
from vsadcvsr.farm.cluster.connection import Cluster, connect
from vsadcvsr.farm.cluster.protocol import WorkerReply
from vsadcvsr.farm.cluster.scheduler import Scheduler
from vsadcvsr.farm.cluster.workers import WorkerPool, WorkerResources
from vsadcvsr.farm.store.job import Job
from vsadcvsr.farm.worker import Worker

_CORES = 0.01
"""Cores that a sleeping worker reserves, so that many fit."""
_TIMEOUT = 120.0


class SleepingWorker:
    """A worker process whose GPU sleeps for `seconds` a chunk."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._workers: dict[str, Worker] = {}

    def open(self, folder: str, key: str) -> WorkerReply:
        """Ready at once."""
        job = Job.read(Path(folder))
        assert job.key == key, "one machine, one folder"
        self._workers[folder] = Worker(job, Sleeper(job, self._seconds).render, "sleeper")
        return WorkerReply(engine="sleeper")

    def make(self, folder: str, number: int) -> WorkerReply:
        """Nothing, or why not."""
        worker = self._workers[folder]
        try:
            with worker.job.claims.claim(number):
                worker.process(number)
        except (AdcvsrError, OSError) as error:
            return WorkerReply.from_error(error)
        return WorkerReply()


def scaling(cluster: Cluster, folder: Path, *, workers: int, chunks: int, seconds: float) -> Scaling:
    """Results of a job in a new `folder` on `workers` running workers. Raises FarmError if one fails."""
    job = plan_job(folder, chunks)
    factory, resources = f"{__spec__.name}:SleepingWorker", WorkerResources(_CORES, 0.0)
    pool = WorkerPool(cluster, factory, [seconds], resources, limit=workers)
    dispatch = Scheduler(pool, lambda _: None)
    try:
        _wait_for_workers(pool, workers)
        dispatch.add(job)
        began = time.perf_counter()
        while not (ended := dispatch.step(1.0)):
            pass
        elapsed = time.perf_counter() - began
    finally:
        dispatch.close()
    if ended[0].error is not None:
        raise ended[0].error
    efficiency = round(chunks * seconds / workers / elapsed, 4)
    return Scaling(workers=workers, seconds=round(elapsed, 4), efficiency=efficiency, storage_calls={})


def _wait_for_workers(pool: WorkerPool, workers: int) -> None:
    end = time.monotonic() + _TIMEOUT
    while len(pool.idle()) < workers:
        if time.monotonic() > end:
            raise FarmError(f"{len(pool.idle())} of {workers} workers started within {_TIMEOUT:.0f} s")
        pool.scale_up(workers)
        pool.wait(0.1)


def main(words: Sequence[str]) -> int:
    """Runs a job for each number of workers, and prints all results as one line of JSON."""
    folder, chunks, seconds = Path(words[0]), int(words[1]), float(words[2])
    with connect("local") as cluster:
        results = [
            scaling(cluster, folder / f"{count} on Ray", workers=int(count), chunks=chunks, seconds=seconds)
            for count in words[3:]
        ]
    sys.stdout.write(json.dumps([asdict(result) for result in results]) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(status_of_subprocess("farm_ray", main, "FOLDER", "CHUNKS", "SECONDS"))

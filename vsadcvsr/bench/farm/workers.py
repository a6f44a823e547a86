"""Benchmark of farm workers whose GPU sleeps: their share of useful time when 1, 2 or 4 of them share a job.

`python -m vsadcvsr.bench.farm.workers JOB SECONDS` is one of them: it begins when a line comes on its standard input,
and prints its results at the end.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vsadcvsr.commands import status_of_subprocess
from vsadcvsr.errors import FarmError
from vsadcvsr.farm.store.chunk_boundaries import Chunk
from vsadcvsr.farm.store.job import Job
from vsadcvsr.farm.worker import Worker

_COUNTED_CALLS = ("open", "os.listdir", "os.scandir", "os.link", "os.rename", "os.remove", "os.utime")
"""Calls to the storage that are counted, by Python's audit events; sizes and fsync are not among them."""


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """Results of a number of workers on one job."""

    workers: int
    seconds: float
    """From the first worker's start to the last one's end."""
    efficiency: float
    """Share of that time in which they slept, which stands for work."""
    storage_calls: dict[str, float]
    """Calls to the storage per chunk."""


class Sleeper:
    """Renders empty chunks by sleeping for `seconds` each."""

    def __init__(self, job: Job, seconds: float) -> None:
        self.job, self.seconds = job, seconds

    def render(self, chunk: Chunk) -> Path:
        """A file of a few bytes."""
        time.sleep(self.seconds)
        self.job.chunk_folder.mkdir(exist_ok=True)
        path = self.job.unfinished_path(chunk.number, ".bin")
        path.write_bytes(f"pictures {chunk.begin} to {chunk.end}".encode())
        return path


def plan_job(folder: Path, chunks: int) -> Job:
    """A job without a source, of `chunks` chunks of four frames each."""
    divided = tuple(Chunk(number, 4 * number, 4 * number + 4, 4 * number, 4 * number + 4) for number in range(chunks))
    return Job(folder=folder, request={}, recipe={}, sources=[], chunks=divided).write()


def scaling(folder: Path, *, workers: int, chunks: int, seconds: float) -> Scaling:
    """Results of a job in a new `folder` by `workers` processes that start together. Raises FarmError if one fails."""
    job = plan_job(folder, chunks)
    with _running(job, workers, seconds) as processes:
        results = _results_of(processes)
    length = max(result["end"] for result in results) - min(result["begin"] for result in results)
    calls: Counter[str] = Counter()
    for result in results:
        calls.update(result["storage_calls"])
    return Scaling(
        workers=workers,
        seconds=round(length, 4),
        efficiency=round(chunks * seconds / workers / length, 4),
        storage_calls={name: round(calls[name] / chunks, 2) for name in _COUNTED_CALLS if calls[name]},
    )


def _results_of(processes: Sequence[subprocess.Popen[str]]) -> list[dict[str, Any]]:
    for process in processes:
        assert process.stdout is not None
        process.stdout.readline()
    for process in processes:
        assert process.stdin is not None
        with suppress(BrokenPipeError):
            process.stdin.write("\n")
            process.stdin.flush()
    outputs = [process.communicate() for process in processes]
    if failed := [errors for process, (_, errors) in zip(processes, outputs, strict=True) if process.returncode]:
        raise FarmError(f"a worker failed: {failed[0].strip().splitlines()[-1]}")
    return [json.loads(out.splitlines()[-1]) for out, _ in outputs]


@contextmanager
def _running(job: Job, workers: int, seconds: float) -> Iterator[list[subprocess.Popen[str]]]:
    command = [sys.executable, "-m", __spec__.name, str(job.folder), str(seconds)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, **pipes) for _ in range(workers)]  # type: ignore[call-overload]  # as above
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()


def main(words: Sequence[str]) -> int:
    """One worker, from the line that it waits for to the end of the job."""
    job = Job.read(Path(words[0]))
    worker = Worker(job, Sleeper(job, float(words[1])).render, "sleeper")
    calls: Counter[str] = Counter()
    sys.addaudithook(lambda event, _: calls.update([event]) if event in _COUNTED_CALLS else None)
    _print_json({})
    sys.stdin.readline()
    calls.clear()
    begin = time.time()
    count = sum(1 for _ in worker.process_all())
    _print_json({"begin": begin, "end": time.time(), "made": count, "storage_calls": dict(calls)})
    return 0


def _print_json(words: object) -> None:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(status_of_subprocess("farm_workers", main, "JOB", "SECONDS"))

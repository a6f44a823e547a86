"""Benchmark of reading the ledger of many workers."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from vsadcvsr.bench.farm.workers import Sleeper, plan_job
from vsadcvsr.bench.timing import timed_call
from vsadcvsr.farm.store.job import Job
from vsadcvsr.farm.store.ledger import LedgerEntry
from vsadcvsr.farm.worker import Worker, verified_entries

_PICTURES = b"pictures"


@dataclass(frozen=True, kw_only=True)
class LedgerReading:
    """Seconds for ledgers of `lines` in `files`: reading all (`first`), reading them again (`again`), the overhead of
    one chunk (`between`), and the check before the merge that every chunk is complete (`finished`).
    """

    files: int
    lines: int
    first: float
    again: float
    between: float
    finished: float


def measure_reading(folder: Path, *, files: int, chunks: int) -> LedgerReading:
    """Readings of a job with all chunks but three done: two lines each, in the ledgers of `files` workers."""
    job = plan_job(folder, chunks)
    _fill(job, files, chunks - 3)
    job = Job.read(folder)
    first, count = timed_call(job.entries)
    again, _ = timed_call(job.entries)
    worker = Worker(job, Sleeper(job, 0).render, "sleeper")
    worker.process_next()  # reads the ledger, as the first one does
    worker.process_next()
    between, _ = timed_call(worker.process_next)
    ended, _ = timed_call(lambda: verified_entries(Job.read(folder)))
    return LedgerReading(files=files, lines=len(count), first=first, again=again, between=between, finished=ended)


def _fill(job: Job, files: int, chunks: int) -> None:
    written: list[list[str]] = [[] for _ in range(files)]
    total = hashlib.sha256(_PICTURES).hexdigest()
    (job.folder / "ledger").mkdir()
    job.chunk_folder.mkdir()
    for number in range(chunks):
        name, worker = f"{number:05}-{total[:16]}.bin", f"far:{number % files}"
        (job.chunk_folder / name).write_bytes(_PICTURES)
        begun = LedgerEntry(event="begun", plan=job.key, worker=worker, at=number, chunk=number, engine="sleeper")
        done = replace(begun, event="done", at=number + 0.5, file=name, checksum=total, bytes=len(_PICTURES), frames=4)
        written[number % files] += [json.dumps(asdict(begun)), json.dumps(asdict(done))]
    for number, lines in enumerate(written):
        (job.folder / "ledger" / f"{number:05}.jsonl").write_text("".join(f"{line}\n" for line in lines))

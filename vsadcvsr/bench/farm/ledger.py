"""What the ledger of many workers costs each of them: a folder as they would leave it, and the time to read it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from vsadcvsr.bench.farm.workers import Sleeper, planned
from vsadcvsr.bench.timing import clocked
from vsadcvsr.farm.store.job import Job
from vsadcvsr.farm.store.ledger import Line
from vsadcvsr.farm.worker import Worker, finished

_PICTURES = b"pictures"


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Seconds with so many lines in so many files: to read all of them, to read them again, for a chunk that takes none
    to make, and to see before the merge that every chunk is whole.
    """

    files: int
    lines: int
    first: float
    again: float
    between: float
    finished: float


def reading(folder: Path, *, files: int, chunks: int) -> Reading:
    """A job of which all chunks but three are done: two lines each, in so many workers' files."""
    job = planned(folder, chunks)
    _fill(job, files, chunks - 3)
    job = Job.read(folder)
    first, count = clocked(job.lines)
    again, _ = clocked(job.lines)
    worker = Worker(job, Sleeper(job, 0).render, "sleeper")
    worker.make_next()  # reads the ledger, as the first one does
    worker.make_next()
    between, _ = clocked(worker.make_next)
    ended, _ = clocked(lambda: finished(Job.read(folder)))
    return Reading(files=files, lines=len(count), first=first, again=again, between=between, finished=ended)


def _fill(job: Job, files: int, chunks: int) -> None:
    written: list[list[str]] = [[] for _ in range(files)]
    total = hashlib.sha256(_PICTURES).hexdigest()
    (job.folder / "ledger").mkdir()
    job.store.mkdir()
    for number in range(chunks):
        name, worker = f"{number:05}-{total[:16]}.bin", f"far:{number % files}"
        (job.store / name).write_bytes(_PICTURES)
        begun = Line(event="begun", plan=job.key, worker=worker, at=number, chunk=number, engine="sleeper")
        done = replace(begun, event="done", at=number + 0.5, file=name, checksum=total, bytes=len(_PICTURES), frames=4)
        written[number % files] += [json.dumps(asdict(begun)), json.dumps(asdict(done))]
    for number, lines in enumerate(written):
        (job.folder / "ledger" / f"{number:05}.jsonl").write_text("".join(f"{line}\n" for line in lines))

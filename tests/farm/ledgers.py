"""Ledgers written by hand: what workers of many machines would have told, at times of our choosing."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from vsadcvsr.farm.store.job import Job
from vsadcvsr.farm.store.ledger import Event, LedgerEntry


def line(event: Event, at: float, chunk: int = -1, worker: str = "far:1", **more: object) -> LedgerEntry:
    """A line of the plan "p"."""
    return LedgerEntry(event=event, plan="p", worker=worker, at=at, chunk=chunk, **more)  # type: ignore[arg-type]


def made(begin: float, ended: float, chunk: int, worker: str = "far:1", frames: int = 25) -> list[LedgerEntry]:
    """The two lines of a chunk that was made."""
    done = line("done", ended, chunk, worker, frames=frames, seconds=ended - begin, engine="e")
    return [line("begun", begin, chunk, worker), done]


def note(job: Job, *lines: LedgerEntry, file: str = "far.jsonl") -> Path:
    """Writes lines into the job's ledger, in its plan's name, and files for the chunks that are done."""
    folder = job.folder / "ledger"
    folder.mkdir(exist_ok=True)
    job.chunk_folder.mkdir(exist_ok=True)
    with (folder / file).open("a") as ledger:
        for entry in lines:
            row = {**asdict(entry), "plan": job.key}
            if entry.event == "done":
                row |= {"file": f"{entry.chunk}.bin", "bytes": 4}
                (job.chunk_folder / f"{entry.chunk}.bin").write_bytes(b"four")
            ledger.write(json.dumps(row) + "\n")
    return folder / file

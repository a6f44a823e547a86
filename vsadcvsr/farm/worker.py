"""Rendering of chunks, one by one, by a function of the host."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Container, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from vsadcvsr.errors import AdcvsrError, FarmError, one_line, shortened_list
from vsadcvsr.farm.retry_limits import MAX_WORKER_FAILURES
from vsadcvsr.farm.store.chunk_boundaries import Chunk
from vsadcvsr.farm.store.fingerprints import ChangedError
from vsadcvsr.farm.store.job import Job, checksum, sync_folder
from vsadcvsr.farm.store.ledger import LedgerEntry, worker_name

_MAX_NAMED = 20
"""Missing chunks that an error names."""

type Render = Callable[[Chunk], Path]
"""Renders a chunk: returns a complete, verified file inside the job's chunk folder, which the caller may rename."""


class Worker:
    """Renders chunks of a job with `render`; `engine` is the label of its engine. Rendering may be interrupted at any
    point, and repeated.
    """

    def __init__(self, job: Job, render: Render, engine: str = "") -> None:
        self.job = job
        self.name = worker_name()
        self._render = render
        self._engine = engine

    def process(self, number: int) -> LedgerEntry:
        """The ledger entry of a chunk, rendered now unless it was done before.

        Raises ChangedError if no new attempt can help, and whatever `render` raises; the ledger has the cause.
        """
        chunk = self.job.chunk(number)
        entry = self.job.verified_entry(number)
        return self._process(chunk) if entry is None else entry

    def _process(self, chunk: Chunk) -> LedgerEntry:
        started = LedgerEntry(event="begun", plan=self.job.key, worker=self.name, at=time.time(), chunk=chunk.number)
        started = replace(started, engine=self._engine)
        self.job.ledger.append(started)
        try:
            self._check_engine()
            entry = self._store(self._render(chunk), chunk, started)
        except BaseException as error:
            cause = one_line(error) or type(error).__name__
            with suppress(OSError):  # the disk may be full, which may also be the cause
                self.job.ledger.append(replace(started, event="failed", at=time.time(), cause=cause))
            raise
        self.job.ledger.append(entry)
        return entry

    def process_all(self) -> Iterator[LedgerEntry]:
        """Renders all chunks that are neither done nor claimed by others; yields their entries.

        Failed chunks are left for the end, where FarmError lists them with their causes. Raises ChangedError at once,
        and FarmError after several failures in a row, which are not the chunks' fault.
        """
        failures: dict[int, str] = {}
        in_a_row, contended = 0, False
        while in_a_row < MAX_WORKER_FAILURES and (number := self._next(failures, contended)) is not None:
            with self.job.claims.claim(number) as claimed:
                contended = not claimed
                if not claimed or self._is_done(number):
                    continue
                try:
                    yield self._process(self.job.chunk(number))
                    in_a_row = 0
                except ChangedError:
                    raise
                except (AdcvsrError, OSError) as error:
                    failures[number] = one_line(error)
                    in_a_row += 1
        if failures:
            raise FarmError("; ".join(f"chunk {number} failed: {cause}" for number, cause in failures.items()))

    def process_next(self) -> LedgerEntry | None:
        """Renders the first chunk that is neither done nor claimed by others; None if there is none."""
        contended = False
        while (number := self._next((), contended)) is not None:
            with self.job.claims.claim(number) as claimed:
                contended = not claimed
                if claimed and not self._is_done(number):
                    return self._process(self.job.chunk(number))
        return None

    def _next(self, excluded: Container[int], contended: bool) -> int | None:
        """The first open chunk; a random one under contention, where all workers would try the first."""
        waiting = self._waiting(excluded)
        return (random.choice(waiting) if contended else waiting[0]) if waiting else None

    def _waiting(self, excluded: Container[int]) -> list[int]:
        """Chunks that no worker has started, from two directory listings; if there are none, those whose attempts have
        failed.
        """
        numbers = [chunk.number for chunk in self.job.chunks if chunk.number not in excluded]
        started = self.job.claims.claimed() | self.job.stored_chunks()
        if new := [number for number in numbers if number not in started]:
            return new
        done = self.job.done()
        return [number for number in numbers if number not in done and not self.job.claims.holder(number)]

    def _is_done(self, number: int) -> bool:
        return number in self.job.stored_chunks() and number in self.job.done()

    def _store(self, path: Path, chunk: Chunk, started: LedgerEntry) -> LedgerEntry:
        """Renames a file after its checksum, so that a chunk that is rendered twice overwrites no verified file."""
        digest = checksum(path)
        with path.open("rb+") as file:
            os.fsync(file.fileno())
        name = f"{chunk.number:05}-{digest[:16]}{path.suffix}"
        size = path.stat().st_size
        path.replace(self.job.chunk_folder / name)
        sync_folder(self.job.chunk_folder)
        now = time.time()
        return replace(
            started, event="done", at=now, file=name, checksum=digest, bytes=size, frames=chunk.length,
            seconds=round(now - started.at, 3),
        )  # fmt: skip

    def _check_engine(self) -> None:
        """Checks the engines of the stored chunks, if several were at work: this reads the whole ledger."""
        if len(self.job.engines(self._engine)) <= 1:
            return
        stored = self.job.stored_chunks()
        engines = {entry.engine for entry in self.job.entries() if entry.event == "done" and entry.chunk in stored}
        check_same_engine({self._engine, *engines})


def check_same_engine(labels: set[str]) -> None:
    """Raises ChangedError if one video would have frames of different engines, which differ in their last bits."""
    if len(labels) > 1:
        raise ChangedError(
            f"chunks of one video were upscaled with different engines: {', '.join(sorted(labels))}; set backend, "
            "device and precision in the plan, so that all machines use the same"
        )


def verified_entries(job: Job) -> list[LedgerEntry]:
    """The entries of all chunks, in order, each file verified by its checksum.

    Raises FarmError if chunks are missing or damaged; workers can render them again.
    """
    done = job.done()
    latest = [done.get(chunk.number) for chunk in job.chunks]
    entries = [entry if entry is not None and job.is_whole(entry) else None for entry in latest]
    missing = [str(number) for number, entry in enumerate(entries) if entry is None]
    if missing:
        shown = shortened_list(missing, _MAX_NAMED)
        raise FarmError(f"{len(missing)} of {len(entries)} chunks are missing: {shown}; run `ffadcvsr farm work`")
    present = [entry for entry in entries if entry is not None]
    check_same_engine({entry.engine for entry in present})
    return present

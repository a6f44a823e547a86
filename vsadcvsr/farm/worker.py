"""Chunks made, one by one, by whatever is handed in to make them."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Container, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from vsadcvsr.errors import AdcvsrError, FarmError, one_line
from vsadcvsr.farm.store.chunks import Chunk
from vsadcvsr.farm.store.fingerprints import ChangedError
from vsadcvsr.farm.store.job import Job, checksum, settle
from vsadcvsr.farm.store.ledger import Line, worker_name

_TOO_MANY = 3
"""Failures in a row after which a worker gives up."""

type Render = Callable[[Chunk], Path]
"""Makes a chunk: a whole file, looked at again, inside the job's folder of chunks, which is the caller's to rename."""


class Worker:
    """Makes chunks of a job with `render`, on the engine of that label. What it does may be done twice, or be cut short
    anywhere.
    """

    def __init__(self, job: Job, render: Render, engine: str = "") -> None:
        self.job = job
        self.name = worker_name()
        self._render = render
        self._engine = engine

    def make(self, number: int) -> Line:
        """The ledger's line of a chunk that is done, by now at the latest.

        Raises ChangedError where no new attempt can help, and whatever `render` raises; the ledger has the cause.
        """
        chunk = self.job.chunk(number)
        line = self.job.checked(number)
        return self._make(chunk) if line is None else line

    def _make(self, chunk: Chunk) -> Line:
        begun = Line(event="begun", plan=self.job.key, worker=self.name, at=time.time(), chunk=chunk.number)
        begun = replace(begun, engine=self._engine)
        self.job.ledger.append(begun)
        try:
            self._check_engine()
            line = self._adopt(self._render(chunk), chunk, begun)
        except BaseException as error:
            cause = one_line(error) or type(error).__name__
            with suppress(OSError):  # a full disk, perhaps, which is the cause
                self.job.ledger.append(replace(begun, event="failed", at=time.time(), cause=cause))
            raise
        self.job.ledger.append(line)
        return line

    def make_all(self) -> Iterator[Line]:
        """Makes what is neither done nor claimed by others, until nothing is left; each line as it comes.

        A chunk that fails is left for the end, at which FarmError says which and why. Raises ChangedError at once, and
        so it does after several failures in a row, for these are not the chunks' fault.
        """
        failures: dict[int, str] = {}
        in_a_row, crowd = 0, False
        while in_a_row < _TOO_MANY and (number := self._next(failures, crowd)) is not None:
            with self.job.claims.held(number) as ours:
                crowd = not ours
                if not ours or self._is_done(number):
                    continue
                try:
                    yield self._make(self.job.chunk(number))
                    in_a_row = 0
                except ChangedError:
                    raise
                except (AdcvsrError, OSError) as error:
                    failures[number] = one_line(error)
                    in_a_row += 1
        if failures:
            raise FarmError("; ".join(f"chunk {number} failed: {cause}" for number, cause in failures.items()))

    def make_next(self) -> Line | None:
        """Makes the first chunk that is neither done nor claimed by others; None where there is none."""
        crowd = False
        while (number := self._next((), crowd)) is not None:
            with self.job.claims.held(number) as ours:
                crowd = not ours
                if ours and not self._is_done(number):
                    return self._make(self.job.chunk(number))
        return None

    def _next(self, passed: Container[int], crowd: bool) -> int | None:
        """The first chunk that waits for somebody; any of them in a crowd, whose members would all try the first."""
        waiting = self._waiting(passed)
        return (random.choice(waiting) if crowd else waiting[0]) if waiting else None

    def _waiting(self, passed: Container[int]) -> list[int]:
        """The chunks that nobody has begun, by two listings; where there are none, those that were begun in vain."""
        numbers = [chunk.number for chunk in self.job.chunks if chunk.number not in passed]
        begun = self.job.claims.taken() | self.job.stored()
        if fresh := [number for number in numbers if number not in begun]:
            return fresh
        done = self.job.done()
        return [number for number in numbers if number not in done and not self.job.claims.holder(number)]

    def _is_done(self, number: int) -> bool:
        return number in self.job.stored() and number in self.job.done()

    def _adopt(self, made: Path, chunk: Chunk, begun: Line) -> Line:
        """Gives a file the name of its content: one that is made twice overwrites none that is trusted."""
        total = checksum(made)
        with made.open("rb+") as file:
            os.fsync(file.fileno())
        name = f"{chunk.number:05}-{total[:16]}{made.suffix}"
        size = made.stat().st_size
        made.replace(self.job.store / name)
        settle(self.job.store)
        now = time.time()
        return replace(
            begun, event="done", at=now, file=name, checksum=total, bytes=size, frames=chunk.length,
            seconds=round(now - begun.at, 3),
        )  # fmt: skip

    def _check_engine(self) -> None:
        """Looks what has made the chunks that are there, where that is not of one kind: it takes all of the ledger."""
        if len(self.job.engines(self._engine)) <= 1:
            return
        stored = self.job.stored()
        made = {line.engine for line in self.job.lines() if line.event == "done" and line.chunk in stored}
        check_engines({self._engine, *made})


def check_engines(labels: set[str]) -> None:
    """Raises ChangedError where pictures of different engines would be in one film: they differ in their last bits."""
    if len(labels) > 1:
        raise ChangedError(
            f"machines of different kinds work on one film: {', '.join(sorted(labels))}; plan with backend, device and "
            "precision set, so that all do the same"
        )


def finished(job: Job) -> list[Line]:
    """The lines of all chunks, in order, each file read to its end and found whole.

    Raises FarmError, which another run of the workers cures, where chunks are missing or damaged.
    """
    done = job.done()
    found = [done.get(chunk.number) for chunk in job.chunks]
    lines = [line if line is not None and job.is_whole(line) else None for line in found]
    missing = [str(number) for number, line in enumerate(lines) if line is None]
    if missing:
        shown = ", ".join(missing[:20]) + (" …" if len(missing) > 20 else "")
        raise FarmError(f"of {len(lines)} chunks, {len(missing)} wait to be done: {shown}; run ffadcvsr farm work")
    there = [line for line in lines if line is not None]
    check_engines({line.engine for line in there})
    return there

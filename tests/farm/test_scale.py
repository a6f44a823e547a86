"""What many workers on many chunks would feel first: how often the same is read."""

from __future__ import annotations

import os
import pickle
import time
from collections import Counter
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from tests.farm.jobs import Maker
from vsadcvsr.farm.store.chunk_boundaries import Chunk, plan_chunks
from vsadcvsr.farm.store.fingerprints import ChangedError
from vsadcvsr.farm.store.job import Job
from vsadcvsr.farm.store.ledger import Ledger, LedgerEntry
from vsadcvsr.farm.worker import Worker, verified_entries


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often files were opened, by the names of their folders."""
    count: Counter[str] = Counter()
    path_open = Path.open

    def noted(self: Path, *more: Any, **named: Any) -> Any:
        count[self.parent.name] += 1
        return path_open(self, *more, **named)

    monkeypatch.setattr(Path, "open", noted)
    return count


def test_lines_are_read_once(job: Job, opened: Counter[str]) -> None:
    list(Worker(Job.read(job.folder), Maker(job)).process_all())
    assert len(job.entries()) == 8
    opened.clear()
    assert len(job.entries()) == 8
    assert opened["ledger"] == 0


def test_lines_whose_file_was_removed_are_forgotten(tmp_path: Path) -> None:
    for at in (1.0, 2.0):
        Ledger(tmp_path).append(LedgerEntry(event="begun", plan="a", worker="w", at=at))
    ledger = Ledger(tmp_path)
    first = min(tmp_path.iterdir(), key=lambda path: path.read_text())
    assert [line.at for line in ledger.read("a")] == [1.0, 2.0]
    first.unlink()
    assert [line.at for line in ledger.read("a")] == [2.0]


def test_a_job_that_was_sent_to_another_process_has_a_ledger_file_of_its_own(job: Job) -> None:
    for item in (job, pickle.loads(pickle.dumps(job))):
        item.ledger.append(LedgerEntry(event="begun", plan=job.key, worker="w", at=time.time()))
        assert item.entries()
    assert len(list((job.folder / "ledger").iterdir())) == 2


def test_a_video_is_found_finished_by_reading_the_ledger_once(job: Job, opened: Counter[str]) -> None:
    for chunk in job.chunks:
        Worker(Job.read(job.folder), Maker(job)).process(chunk.number)
    opened.clear()
    assert len(verified_entries(Job.read(job.folder))) == 4
    assert opened["ledger"] == 4  # each worker's file


def test_a_worker_looks_at_the_claims_of_no_chunk_while_there_are_others(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    chunks: list[int] = []
    monkeypatch.setattr(job.claims, "holder", chunks.append)
    with ExitStack() as others:
        for number in (0, 1):
            others.enter_context(job.claims.claim(number))
        line = Worker(job, Maker(job)).process_next()
    assert line is not None
    assert (line.chunk, chunks) == (2, [])


def test_of_many_who_begin_at_once_few_try_for_the_same_chunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty who all begin while the others are at it, and of whom none has seen a claim of another's."""
    chunks = plan_chunks([Fraction(n) for n in range(800)], [], seconds=Fraction(2), margin=0)
    job = Job(folder=tmp_path / "job", request={}, recipe={}, sources=[], chunks=chunks).write()
    monkeypatch.setattr(job.claims, "claimed", set)
    tried: list[Path] = []
    take = job.claims._acquire

    def noted(path: Path, *more: str) -> bool:
        tried.append(path)
        return take(path, *more)

    def begin_another(_: Chunk) -> None:
        if next(others, None) is not None:
            Worker(job, maker).process_next()

    monkeypatch.setattr(job.claims, "_acquire", noted)
    others, maker = iter(range(19)), Maker(job, begin_another)
    Worker(job, maker).process_next()
    assert len(set(maker.made)) == 20
    assert len(tried) < 20 + 19 + 10  # the first for all, one more for all but its owner, and some bad luck


def test_a_chunk_of_a_dead_worker_comes_when_no_other_is_left(job: Job) -> None:
    long_ago = time.time() - 3600
    with job.claims.claim(0):
        os.utime(job.folder / "claims" / "00000.json", (long_ago, long_ago))
        maker = Maker(job)
        list(Worker(job, maker).process_all())
    assert maker.made == [1, 2, 3, 0]


def test_two_kinds_of_engines_that_begin_at_once_find_each_other_soon(job: Job) -> None:
    other = Worker(Job.read(job.folder), Maker(job), "cpu")

    def begin_another(chunk: Chunk) -> None:
        if chunk.number == 0:
            other.process(3)

    making = Worker(job, Maker(job, begin_another), "cuda").process_all()
    assert next(making).chunk == 0
    with pytest.raises(ChangedError, match="cpu, cuda"):
        next(making)


def test_a_worker_does_not_read_the_ledger_for_every_chunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chunks = plan_chunks([Fraction(n) for n in range(60)], [], seconds=Fraction(2), margin=0)
    job = Job(folder=tmp_path / "job", request={}, recipe={}, sources=[], chunks=chunks).write()
    read: list[str] = []
    whole = job.ledger.read

    def noted(plan: str) -> list[LedgerEntry]:
        read.append(plan)
        return whole(plan)

    monkeypatch.setattr(job.ledger, "read", noted)
    assert len(list(Worker(job, Maker(job)).process_all())) == 29
    assert len(read) == 1  # at the end

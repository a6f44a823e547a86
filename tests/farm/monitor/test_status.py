"""How far a job is, out of a ledger that grows."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.farm.ledgers import line, made, note
from vsadcvsr.farm.monitor.status import JobTracker, status_of
from vsadcvsr.farm.store.job import Job
from vsadcvsr.farm.store.ledger import machine_name


def test_a_second_reading_opens_only_what_has_grown(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    note(job, *made(1, 2, 0), file="old.jsonl")
    tracker = JobTracker(job)
    tracker.read()
    opened: list[str] = []
    real = Path.open

    def noted(path: Path, *rest: Any, **more: Any) -> Any:
        opened.append(path.name)
        return real(path, *rest, **more)

    monkeypatch.setattr(Path, "open", noted)
    tracker.read()
    assert opened == []
    note(job, *made(3, 4, 1), file="new.jsonl")
    opened.clear()
    assert tracker.read().done == 2
    assert opened == ["new.jsonl"]


def test_half_a_line_is_read_when_it_is_whole(job: Job) -> None:
    path = note(job, line("begun", 1, 0))
    text = path.read_bytes()
    path.write_bytes(text[:40])
    tracker = JobTracker(job)
    assert tracker.read().retries == 0
    assert tracker.lines == []
    path.write_bytes(text)
    tracker.read()
    assert [entry.event for entry in tracker.lines] == ["begun"]


def test_a_growing_ledger_ends_as_if_it_were_read_at_once(job: Job) -> None:
    tracker = JobTracker(job)
    late, early = made(3, 6, 0, "far:1"), made(1, 4, 1, "far:2")
    for item in (late, early, [line("begun", 7, 2)], [line("failed", 8, 2, cause="x")], made(9, 10, 2)):
        note(job, *item)
        tracker.read()
    whole = JobTracker(job)
    assert tracker.read() == whole.read()
    assert tracker.attempts == whole.attempts


def test_who_works_is_told_with_speed_and_time_left(job: Job) -> None:
    now = time.time()
    note(job, *made(now - 20, now - 10, 0, "far:1"), line("begun", now - 5, 1), line("begun", now, 2, "far:2"))
    status = status_of(job)
    assert status.running == {1: "far:1", 2: "far:2"}
    assert status.fps == pytest.approx(5, abs=0.1)  # 2.5 of the first, and as much is thought of the second
    assert status.eta == pytest.approx((75 - 2.5 * 5) / 5, abs=0.5)


def test_the_last_chunk_decides_when_the_end_is(job: Job) -> None:
    now = time.time()
    first = [item for number in range(3) for item in made(now - 40 + 10 * number, now - 30 + 10 * number, number)]
    note(job, *first, line("begun", now, 3))
    assert status_of(job).eta == pytest.approx(10, abs=0.5)


def test_a_worker_of_this_machine_that_is_gone_does_not_work(job: Job) -> None:
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    host, now = machine_name(), time.time()
    own = line("begun", now, 0, f"{host}:{os.getpid()}")
    note(job, own, line("begun", now, 1, f"{host}:{int(gone.stdout)}"))
    assert status_of(job).running == {0: own.worker}


def test_a_worker_far_away_that_has_been_silent_for_long_does_not_work(job: Job) -> None:
    note(job, line("begun", time.time() - 1e5, 0), line("begun", time.time() - 60, 1, "far:2"))
    assert status_of(job).running == {1: "far:2"}


def test_how_long_silence_is_suffered_depends_on_how_long_chunks_take(job: Job) -> None:
    now = time.time()
    silent = line("begun", now - 700, 1, "far:2")
    note(job, silent)
    assert status_of(job).running == {1: "far:2"}
    note(job, *made(1, 5, 0), file="quick.jsonl")
    assert status_of(job).running == {}


def test_a_claim_without_a_sign_of_life_is_no_work(job: Job) -> None:
    note(job, line("begun", time.time(), 1, "far:2"))
    claims = job.folder / "claims"
    claims.mkdir()
    (claims / "00001.json").write_text('{"worker": "far:2", "token": "x"}')
    assert status_of(job).running == {1: "far:2"}
    os.utime(claims / "00001.json", (1, 1))
    assert status_of(job).running == {}


def test_a_file_that_is_lost_makes_its_chunk_open_again(job: Job) -> None:
    tracker = JobTracker(job)
    note(job, *made(1, 2, 0), *made(2, 3, 1), *made(3, 4, 2))
    assert tracker.read().done == 3
    (job.chunk_folder / "1.bin").unlink()
    note(job, *made(4, 5, 3))
    assert (tracker.read().done, tracker.read().ended) == (3, False)


def test_a_chunk_that_is_started_again_is_read_again(job: Job) -> None:
    tracker = JobTracker(job)
    note(job, *made(1, 2, 0))
    assert tracker.read().done == 1
    (job.chunk_folder / "0.bin").unlink()
    note(job, line("begun", 5, 0))
    assert tracker.read().done == 0


def test_a_merged_job_has_ended(job: Job) -> None:
    assert not status_of(job).ended
    note(job, line("merged", 9, seconds=1))
    assert status_of(job).ended

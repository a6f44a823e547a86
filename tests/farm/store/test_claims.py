"""Who works on what: one worker on a chunk, as long as it lives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.farm.jobs import Maker
from vsadcvsr.farm.store import claims
from vsadcvsr.farm.store.job import Job
from vsadcvsr.farm.store.ledger import machine_name
from vsadcvsr.farm.worker import Worker


def test_a_chunk_that_another_worker_has_is_passed_over(job: Job) -> None:
    maker = Maker(job)
    with job.claims.claim(0) as ours:
        assert ours
        assert str(os.getpid()) in job.claims.holder(0)
        list(Worker(Job.read(job.folder), maker).process_all())
    assert maker.made == [1, 2, 3]
    assert job.claims.holder(0) == ""


def test_a_claim_is_had_by_one_alone(job: Job) -> None:
    with job.claims.claim(0) as ours, Job.read(job.folder).claims.claim(0) as theirs:
        assert (ours, theirs) == (True, False)


def _process_that_has_ended() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_the_claim_of_a_worker_that_died_is_taken_over(job: Job) -> None:
    with job.claims.claim(0):
        path = job.folder / "claims" / "00000.json"
        data = json.loads(path.read_text())
        host = data["worker"].rpartition(":")[0]
        path.write_text(json.dumps({**data, "worker": f"{host}:{_process_that_has_ended()}"}))
        with Job.read(job.folder).claims.claim(0) as ours:
            assert ours


def test_of_several_who_find_a_claim_dead_at_once_one_takes_it_over(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    path = job.folder / "claims" / "00000.json"
    path.parent.mkdir()
    path.write_text('{"worker": "elsewhere:1", "token": "x"}')
    os.utime(path, (1, 1))
    meeting, is_dead, seen = threading.Barrier(4), claims._is_dead, threading.local()

    def dead_for_all(path: Path) -> bool:
        dead = is_dead(path)
        if not hasattr(seen, "dead"):
            seen.dead = dead
            meeting.wait(20)
        return dead

    monkeypatch.setattr(claims, "_is_dead", dead_for_all)
    results: list[bool] = []
    leaving = threading.Barrier(4)

    def take() -> None:
        with Job.read(job.folder).claims.claim(0) as ours:
            results.append(ours)
            leaving.wait(20)

    takers = [threading.Thread(target=take) for _ in range(4)]
    for taker in takers:
        taker.start()
    for taker in takers:
        taker.join()
    assert sorted(results) == [False, False, False, True]
    assert not list(path.parent.iterdir())


def test_whoever_dies_while_it_takes_a_claim_over_is_no_obstacle_for_long(job: Job) -> None:
    path = job.folder / "claims" / "00000.json"
    path.parent.mkdir()
    for name in (path.name, f"{path.name}.taking"):
        path.with_name(name).write_text(
            json.dumps({"worker": f"{machine_name()}:{_process_that_has_ended()}", "token": "x"})
        )
    results = []
    for _ in range(2):
        with job.claims.claim(0) as ours:
            results.append(ours)
    assert results == [False, True]


def test_a_claim_of_another_machine_holds_until_it_is_silent_for_long(job: Job) -> None:
    path = job.folder / "claims" / "00000.json"
    path.parent.mkdir()
    path.write_text('{"worker": "elsewhere:1", "token": "x"}')
    with job.claims.claim(0) as ours:
        assert not ours
    os.utime(path, (1, 1))
    with job.claims.claim(0) as ours:
        assert ours


def test_what_a_dead_worker_had_half_made_is_removed(job: Job) -> None:
    host = machine_name()
    job.chunk_folder.mkdir()
    names = (
        f"00001.{host}.{_process_that_has_ended()}.part.mkv",
        f"00001.{host}.{os.getpid()}.part.mkv",
        "00002.x.1.part.mkv",
    )
    for name in names:
        (job.chunk_folder / name).write_bytes(b"half")
    job.remove_unfinished()
    assert sorted(path.name for path in job.chunk_folder.iterdir()) == sorted(names[1:])


def test_a_claim_dies_with_its_driver(job: Job) -> None:
    (job.folder / "claims").mkdir()
    claim = {"worker": "elsewhere:1", "driver": f"{machine_name()}:{_process_that_has_ended()}", "token": "x"}
    (job.folder / "claims" / "00001.json").write_text(json.dumps(claim))
    assert not job.claims.holder(1)
    with job.claims.claim(1, driver="here:2") as has_claim:
        assert has_claim
        assert json.loads((job.folder / "claims" / "00001.json").read_text())["driver"] == "here:2"


def test_processes_of_another_container_on_this_machine_are_not_taken_for_ours(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside, ended = machine_name(), _process_that_has_ended()
    monkeypatch.setattr("os.readlink", lambda _: "pid:[4026532001]")
    assert machine_name() == f"{outside}.4026532001"
    part = job.chunk_folder / f"00001.{outside}.{ended}.part.mkv"
    job.chunk_folder.mkdir()
    part.write_bytes(b"half")
    (job.folder / "claims").mkdir()
    claim = {"worker": f"{outside}:{ended}", "token": "x"}
    (job.folder / "claims" / "00001.json").write_text(json.dumps(claim))
    job.remove_unfinished()
    assert part.exists()
    assert job.claims.holder(1) == claim["worker"]

"""What runs in a worker process, without the cluster around it."""

from __future__ import annotations

import os
from pathlib import Path
from socket import gethostname
from typing import Any

import pytest

from ffmpeg_filter.farm import worker
from ffmpeg_filter.farm.worker import ChunkWorker
from tests.ffmpeg_filter.farms import TEMPORAL, farm, planned
from vsadcvsr import backends
from vsadcvsr.errors import FarmError
from vsadcvsr.farm.cluster.protocol import WorkerReply
from vsadcvsr.farm.store.fingerprints import ChangedError
from vsadcvsr.farm.store.job import Job
from vsadcvsr.farm.store.ledger import worker_name


@pytest.fixture(autouse=True)
def no_wait_for_jobs(in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_JOB_SECONDS", 0.0)


@pytest.fixture
def job() -> Job:
    planned()
    return Job.read(Path("job").resolve())


def opened(job: Job) -> ChunkWorker:
    site = ChunkWorker("driver:1", 1)
    assert site.open(str(job.folder), job.key) == WorkerReply(engine="nearest/cpu/fp32")
    return site


def test_it_makes_chunks_wherever_it_was_started(job: Job, tmp_path: Path) -> None:
    site = opened(job)
    os.chdir("/")
    assert site.make(str(job.folder), 1) == WorkerReply()
    assert list(job.done()) == [1]
    assert list((job.folder / "claims").iterdir()) == []


def test_chunks_claimed_by_another_worker_are_left_to_it(job: Job) -> None:
    site = opened(job)
    with job.claims.claim(0) as ours:
        assert ours
        assert site.make(str(job.folder), 0).holder == worker_name()
    assert job.done() == {}


def test_a_folder_that_is_not_to_be_seen_is_named_with_the_machine(tmp_path: Path) -> None:
    error = ChunkWorker("", 1).open(str(tmp_path / "elsewhere"), "key").error
    assert isinstance(error, FarmError)
    assert f"elsewhere is not visible on {gethostname()}; it has to be on storage" in str(error)
    assert not (tmp_path / "elsewhere").exists()


def test_another_plan_under_the_same_name_is_noticed(job: Job) -> None:
    error = ChunkWorker("", 1).open(str(job.folder), "other").error
    assert isinstance(error, ChangedError)
    assert "holds another plan" in str(error)


def test_a_source_that_is_another_here_is_noticed(job: Job) -> None:
    os.truncate("clip.mkv", 5000)
    error = ChunkWorker("", 1).open(str(job.folder), job.key).error
    assert isinstance(error, ChangedError)
    assert "clip.mkv has changed since it was planned" in str(error)


def test_errors_come_as_answers_with_their_kind(job: Job) -> None:
    site = opened(job)
    Path("clip.mkv").unlink()
    error = site.make(str(job.folder), 0).error
    assert isinstance(error, ChangedError)
    assert "the decoder ends before frame" in str(error)


def test_a_job_that_was_removed_is_not_begun_again(job: Job) -> None:
    site = opened(job)
    job.remove(*(path for path in job.folder.iterdir() if path.is_file()))
    assert site.make(str(job.folder), 0).error is not None
    assert not job.folder.exists()


def test_of_many_jobs_the_last_two_stay_open_and_others_are_opened_again(job: Job) -> None:
    site = opened(job)
    others = []
    for name in ("second", "third"):
        arguments = f"--chunk-seconds 0.4 -- -i clip.mkv -vf {TEMPORAL} -c:v ffv1 {name}.mkv"
        assert farm("plan", Path(name), arguments) == 0
        others.append(Job.read(Path(name).resolve()))
        assert site.open(str(others[-1].folder), others[-1].key).error is None
    assert list(site._workers) == [str(other.folder) for other in others]
    assert site.make(str(job.folder), 0) == WorkerReply()
    assert list(site._workers) == [str(others[1].folder), str(job.folder)]


def test_what_programs_complain_of_comes_with_the_answer() -> None:
    job = planned("-c:v libx264 -crf 20 -x264-params no-such-thing=1")
    answer = opened(Job.read(job.folder.resolve())).make(str(job.folder.resolve()), 0)
    assert answer.error is None
    assert any("no-such-thing" in words for words in answer.messages)


@pytest.mark.parametrize(("message", "threads"), [("", 3), (":threads=1", 1)])
def test_engines_have_the_threads_of_their_worker_unless_the_command_says_otherwise(
    message: str, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads_of: list[object] = []
    load = backends.load

    def noted(path: Path, **options: Any) -> backends.Backend:
        threads_of.append(options["threads"])
        return load(path, **options)

    job = Job.read(planned(network=TEMPORAL + message).folder.resolve())
    monkeypatch.setattr(backends, "load", noted)
    site = ChunkWorker("", 3)
    assert site.open(str(job.folder), job.key).error is None
    assert site.make(str(job.folder), 0) == WorkerReply()
    assert set(threads_of) == {threads}


def test_an_error_of_no_kind_that_we_know_is_one_of_the_farms() -> None:
    assert isinstance(WorkerReply.from_error(OSError("No space left on device")).error, FarmError)
    assert str(WorkerReply.from_error(ValueError()).error) == "ValueError"
    assert WorkerReply().error is None


def test_after_a_run_of_its_own_a_job_may_be_merged_by_hand(job: Job) -> None:
    site = opened(job)
    assert [site.make(str(job.folder), number) for number in range(3)] == [WorkerReply()] * 3
    assert farm("merge", job.folder) == 0

"""Chunks made, made again, and not made twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.farm.jobs import Maker, planned
from vsadcvsr.errors import FarmError, MediaError
from vsadcvsr.farm.monitor.status import status_of
from vsadcvsr.farm.store.chunk_boundaries import Chunk
from vsadcvsr.farm.store.fingerprints import ChangedError
from vsadcvsr.farm.store.job import Job
from vsadcvsr.farm.worker import Worker, verified_entries


def test_all_chunks_are_made_and_finished(job: Job) -> None:
    lines = list(Worker(job, Maker(job)).process_all())
    assert [line.chunk for line in lines] == [0, 1, 2, 3]
    assert [line.frames for line in verified_entries(job)] == [25, 25, 25, 25]
    assert all((job.chunk_folder / line.file).read_bytes().startswith(b"pictures") for line in lines)


def test_what_is_done_is_not_done_again_by_anybody(job: Job) -> None:
    Worker(job, Maker(job)).process(2)
    maker = Maker(job)
    worker = Worker(Job.read(job.folder), maker)
    worker.process(2)
    list(worker.process_all())
    assert maker.made == [0, 1, 3]


def test_next_makes_one_chunk(job: Job) -> None:
    worker = Worker(job, Maker(job))
    first, second = worker.process_next(), worker.process_next()
    assert first is not None
    assert second is not None
    assert [first.chunk, second.chunk] == [0, 1]


def test_next_of_a_job_that_is_done_makes_nothing(job: Job) -> None:
    worker = Worker(job, Maker(job))
    list(worker.process_all())
    assert worker.process_next() is None


def test_a_chunk_that_is_cut_short_is_made_again(job: Job) -> None:
    line = Worker(job, Maker(job)).process(1)
    (job.chunk_folder / line.file).write_bytes(b"pic")
    with pytest.raises(FarmError, match="chunks are missing: 0, 1, 2, 3"):
        verified_entries(job)
    maker = Maker(job)
    Worker(job, maker).process(1)
    assert maker.made == [1]


def test_an_error_names_a_few_of_many_missing_chunks(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vsadcvsr.farm.worker._MAX_NAMED", 2)
    with pytest.raises(FarmError, match="4 of 4 chunks are missing: 0, 1 and 2 more; run"):
        verified_entries(job)


def test_a_chunk_with_other_bytes_of_the_same_number_is_found_out_and_made_again(job: Job) -> None:
    lines = list(Worker(job, Maker(job)).process_all())
    path = job.chunk_folder / lines[3].file
    path.write_bytes(path.read_bytes()[::-1])
    with pytest.raises(FarmError, match="1 of 4 chunks are missing: 3;"):
        verified_entries(job)
    maker = Maker(job)
    list(Worker(job, maker).process_all())
    assert maker.made == [3]
    assert len(verified_entries(job)) == 4


def test_a_file_without_its_line_is_not_trusted(job: Job) -> None:
    list(Worker(job, Maker(job)).process_all())
    for path in (job.folder / "ledger").iterdir():
        path.unlink()
    maker = Maker(job)
    list(Worker(job, maker).process_all())
    assert maker.made == [0, 1, 2, 3]


def test_a_line_of_another_plan_is_not_trusted(job: Job, tmp_path: Path) -> None:
    list(Worker(job, Maker(job)).process_all())
    other = planned(tmp_path / "other", seconds=2)
    (job.folder / "job.json").write_bytes((other.folder / "job.json").read_bytes())
    assert Job.read(job.folder).done() == {}


def test_a_failure_is_raised_and_its_cause_kept(job: Job) -> None:
    def fail(_: Chunk) -> None:
        raise MediaError("the encoder was killed\nby signal 9")

    with pytest.raises(MediaError):
        Worker(job, Maker(job, fail)).process(1)
    assert status_of(job).failed == {1: "the encoder was killed by signal 9"}
    Worker(job, Maker(job)).process(1)
    status = status_of(job)
    assert (status.failed, status.retries, status.done) == ({}, 1, 1)


def test_one_chunk_that_fails_does_not_keep_the_others_from_being_made(job: Job) -> None:
    def fail(chunk: Chunk) -> None:
        if chunk.number == 1:
            raise OSError("No space left on device")

    maker = Maker(job, fail)
    with pytest.raises(FarmError, match=r"^chunk 1 failed: No space left on device$"):
        list(Worker(job, maker).process_all())
    assert maker.made == [0, 2, 3]


def test_after_three_failures_in_a_row_a_worker_gives_up(job: Job) -> None:
    tried: list[int] = []

    def fail(chunk: Chunk) -> None:
        tried.append(chunk.number)
        raise OSError("No space left on device")

    with pytest.raises(FarmError, match="chunk 2 failed"):
        list(Worker(job, Maker(job, fail)).process_all())
    assert tried == [0, 1, 2]


def test_what_cannot_be_cured_ends_a_worker_at_once(job: Job) -> None:
    def fail(_: Chunk) -> None:
        raise ChangedError("the source has changed")

    with pytest.raises(ChangedError):
        list(Worker(job, Maker(job, fail)).process_all())
    assert status_of(job).retries == 0


def test_another_engine_may_begin_again_where_the_chunks_of_one_were_removed(job: Job) -> None:
    line = Worker(job, Maker(job), "ort/cuda/fp16").process(0)
    (job.chunk_folder / line.file).unlink()
    assert Worker(job, Maker(job), "ort/cpu/fp32").process(0).engine == "ort/cpu/fp32"


def test_engines_of_two_kinds_do_not_work_on_one_video(job: Job) -> None:
    Worker(job, Maker(job), "ort/cuda/fp16").process(0)
    with pytest.raises(ChangedError, match=r"ort/cpu/fp32, ort/cuda/fp16.*backend, device and precision"):
        Worker(job, Maker(job), "ort/cpu/fp32").process(1)

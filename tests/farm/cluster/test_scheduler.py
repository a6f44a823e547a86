"""Chunks handed out to workers that are no processes: each answers as a test says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from tests.farm.jobs import Maker, planned
from vsadcvsr.errors import FarmError, FormatError, MediaError
from vsadcvsr.farm.cluster.protocol import WorkerReply
from vsadcvsr.farm.cluster.scheduler import JobRemovedError, JobResult, Scheduler
from vsadcvsr.farm.cluster.workers import WorkerHandle, WorkerPool
from vsadcvsr.farm.monitor.status import status_of
from vsadcvsr.farm.store.fingerprints import ChangedError
from vsadcvsr.farm.store.job import Job
from vsadcvsr.farm.worker import Worker, verified_entries

type Behave = Callable[[str, Job, int], WorkerReply | None]
"""What a worker does with a chunk; None if it dies of it."""


def well(name: str, job: Job, number: int) -> WorkerReply:
    Worker(job, Maker(job)).process(number)
    return WorkerReply()


@dataclass
class Actors:
    """A crew of so many, whose answers come at once."""

    count: int = 2
    behave: Behave = well
    opens: Callable[[str], WorkerReply | None] = lambda _: WorkerReply(engine="stub")
    workers: list[WorkerHandle] = field(default_factory=list)
    asked: list[tuple[str, str, int]] = field(default_factory=list)
    hired: int = 0

    def scale_up(self, demand: int) -> None:
        for _ in range(min(self.count, demand) - len(self.workers)):
            self.hired += 1
            self.workers.append(WorkerHandle(actor=None, name=f"w{self.hired}", node="here"))

    def idle(self) -> list[WorkerHandle]:
        return [post for post in self.workers if post.task is None]

    def submit(self, post: WorkerHandle, verb: str, *arguments: object, task: object) -> None:
        post.task, post.reply = task, (verb, arguments)

    def wait(self, seconds: float) -> list[tuple[WorkerHandle, object, WorkerReply | None]]:
        del seconds
        return [self._answer(post) for post in [*self.workers] if post.reply is not None]

    def node_is_alive(self, post: WorkerHandle) -> bool:
        return post.node == "here"

    def close(self) -> None:
        self.workers = []

    def _answer(self, post: WorkerHandle) -> tuple[WorkerHandle, object, WorkerReply | None]:
        (verb, words), work = post.reply, post.task
        post.reply = post.task = None
        if not (Path(words[0]) / "job.json").exists():
            return post, work, WorkerReply.from_error(FarmError("no such job"))
        job = Job.read(Path(words[0]))
        if verb == "make":
            self.asked.append((post.name, job.folder.name, words[1]))
        answer = self.opens(post.name) if verb == "open" else self.behave(post.name, job, words[1])
        if answer is None:
            self.workers.remove(post)
        return post, work, answer


def dispatched(actors: Actors, *jobs: Job) -> tuple[list[JobResult], list[str]]:
    """What became of each job, in the order in which they ended, and what was said."""
    messages: list[str] = []
    dispatch = Scheduler(cast(WorkerPool, actors), messages.append)
    for job in jobs:
        dispatch.add(job)
    ended: list[JobResult] = []
    for _ in range(100):
        ended += dispatch.step(0)
        if len(ended) == len(jobs):
            return ended, messages
    raise AssertionError("it does not end")


def test_all_chunks_are_made_by_all_workers(job: Job) -> None:
    actors = Actors()
    assert dispatched(actors, job) == ([JobResult(job)], [])
    assert sorted(number for _, _, number in actors.asked) == [0, 1, 2, 3]
    assert {name for name, _, _ in actors.asked} == {"w1", "w2"}


def test_what_is_done_already_is_asked_of_nobody(job: Job) -> None:
    Worker(job, Maker(job)).process(1)
    actors = Actors(opens=lambda _: WorkerReply())
    dispatched(actors, job)
    assert sorted(number for _, _, number in actors.asked) == [0, 2, 3]


def test_no_more_workers_are_hired_than_there_are_chunks(job: Job) -> None:
    actors = Actors(count=50)
    dispatched(actors, job)
    assert actors.hired == 4


def test_a_worker_that_dies_leaves_its_chunk_to_others_and_no_claim(job: Job) -> None:
    def dies(name: str, job: Job, number: int) -> WorkerReply | None:
        if name != "w1":
            return well(name, job, number)
        job.chunk_folder.mkdir(exist_ok=True)
        (job.chunk_folder / f"{number:05}.w1.part.mkv").write_bytes(b"half")
        (job.folder / "claims").mkdir(exist_ok=True)
        (job.folder / "claims" / f"{number:05}.json").write_text('{"worker": "w1"}')
        return None

    ended, _ = dispatched(Actors(behave=dies), job)
    assert ended == [JobResult(job)]
    assert len(verified_entries(job)) == 4
    assert not list(job.chunk_folder.glob("*.part*"))
    assert status_of(job).failures == 1
    causes = [line.cause for line in job.entries() if line.event == "failed"]
    assert causes == ["the worker's process was ended (by hand, or for want of memory)"]


def test_a_chunk_that_kills_three_workers_ends_the_job(job: Job) -> None:
    def poison(name: str, job: Job, number: int) -> WorkerReply | None:
        return None if number == 2 else well(name, job, number)

    ended, _ = dispatched(Actors(behave=poison), job)
    with pytest.raises(FarmError, match=r"chunk 2 failed 3 times, on w\d, w\d, w\d: the worker's process was ended"):
        raise_(ended)


def test_what_a_worker_fails_at_is_done_by_another(job: Job) -> None:
    def full(name: str, job: Job, number: int) -> WorkerReply | None:
        return WorkerReply.from_error(OSError("No space left on device")) if name == "w1" else well(name, job, number)

    actors = Actors(behave=full)
    ended, messages = dispatched(actors, job)
    assert ended == [JobResult(job)]
    assert [number for name, _, number in actors.asked if name == "w1"] == [0, 2]
    assert messages == []


def test_a_worker_with_three_failures_in_a_row_gets_no_more_of_that_job(job: Job) -> None:
    actors = Actors(count=1, behave=lambda *_: WorkerReply.from_error(MediaError("the encoder was killed")))
    ended, messages = dispatched(actors, job)
    assert [number for _, _, number in actors.asked] == [0, 1, 2]
    assert messages == ["w1 does not work on job: the encoder was killed"]
    with pytest.raises(MediaError, match="the encoder was killed"):
        raise_(ended)


@pytest.mark.parametrize("error", [ChangedError("the source has changed"), FormatError("a film of another kind")])
def test_what_nobody_can_cure_ends_a_job_at_once_as_what_it_was(job: Job, error: Exception) -> None:
    actors = Actors(count=1, behave=lambda *_: WorkerReply.from_error(error))
    ended, _ = dispatched(actors, job)
    assert (type(ended[0].error), str(ended[0].error)) == (type(error), str(error))
    assert len(actors.asked) == 1


def test_a_model_that_kills_whoever_loads_it_ends_the_job(job: Job) -> None:
    actors = Actors(count=1, opens=lambda _: None)
    ended, _ = dispatched(actors, job)
    with pytest.raises(FarmError, match="3 workers ended as they loaded the model: the worker's process was ended"):
        raise_(ended)
    assert actors.hired == 3


def test_a_node_that_cannot_do_a_job_is_named_and_the_others_do_it(job: Job) -> None:
    def opens(name: str) -> WorkerReply:
        return (
            WorkerReply.from_error(ChangedError("ffmpeg is 5 on this machine"))
            if name == "w1"
            else WorkerReply(engine="stub")
        )

    ended, messages = dispatched(Actors(opens=opens), job)
    assert ended == [JobResult(job)]
    assert messages == ["w1 does not work on job: ffmpeg is 5 on this machine"]


def test_where_no_node_can_the_reason_is_the_end(job: Job) -> None:
    actors = Actors(opens=lambda _: WorkerReply.from_error(ChangedError("ffmpeg is 5 on this machine")))
    ended, _ = dispatched(actors, job)
    with pytest.raises(ChangedError, match="ffmpeg is 5 on this machine"):
        raise_(ended)
    assert actors.asked == []


def test_what_workers_say_is_told_once(job: Job) -> None:
    def talks(name: str, job: Job, number: int) -> WorkerReply:
        well(name, job, number)
        return WorkerReply(messages=("x264: a warning",))

    assert dispatched(Actors(behave=talks), job)[1] == ["job: x264: a warning"]


def test_waiting_for_a_busy_cluster_is_reported(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vsadcvsr.farm.cluster.scheduler._WAIT_NOTICE_SECONDS", 0.0)
    messages: list[str] = []
    dispatch = Scheduler(cast(WorkerPool, Actors(count=0)), messages.append)
    dispatch.add(job)
    dispatch.step(0)
    dispatch.step(0)
    assert messages[0] == "still waiting for a worker to start: the cluster may be busy with something else"


def test_a_worker_with_another_engine_is_named_and_left_out(job: Job) -> None:
    actors = Actors(opens=lambda name: WorkerReply(engine="stub" if name == "w1" else "other"))
    ended, messages = dispatched(actors, job)
    assert ended == [JobResult(job)]
    assert {name for name, _, _ in actors.asked} == {"w1"}
    assert messages[0].startswith("w2 does not work on job: its engine is other, but the other chunks are")


def test_what_somebody_else_makes_is_waited_for(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vsadcvsr.farm.cluster.scheduler._RETRY_SECONDS", 0.0)
    chunks: list[int] = []

    def shared(name: str, job: Job, number: int) -> WorkerReply:
        chunks.append(number)
        return WorkerReply(holder="slurm:1") if number == 0 and chunks.count(0) < 3 else well(name, job, number)

    assert dispatched(Actors(behave=shared), job)[0] == [JobResult(job)]
    assert (chunks.count(0), status_of(job).done) == (3, 4)


def test_workers_go_on_with_the_next_job_while_the_last_chunks_of_one_are_made(tmp_path: Path) -> None:
    first, second = planned(tmp_path / "first"), planned(tmp_path / "second", of="another")
    actors = Actors(count=3)
    ended, _ = dispatched(actors, first, second)
    assert [item.job for item in ended] == [first, second]
    assert [folder for _, folder, _ in actors.asked] == ["first"] * 4 + ["second"] * 4
    assert actors.asked[3][1] != actors.asked[4][1]


def test_a_job_that_fails_does_not_keep_another_from_being_made(tmp_path: Path) -> None:
    first, second = planned(tmp_path / "first"), planned(tmp_path / "second", of="another")

    def bad(name: str, job: Job, number: int) -> WorkerReply:
        return WorkerReply.from_error(OSError("unreadable")) if job.folder.name == "first" else well(name, job, number)

    ended, _ = dispatched(Actors(behave=bad), first, second)
    assert {item.job.folder.name: item.error is None for item in ended} == {"first": False, "second": True}


def test_a_job_whose_folder_is_removed_is_given_up_and_nothing_is_put_there(job: Job) -> None:
    def ends(name: str, job: Job, number: int) -> WorkerReply:
        job.remove()
        return WorkerReply.from_error(FarmError("gone"))

    ended, _ = dispatched(Actors(count=1, behave=ends), job)
    assert isinstance(ended[0].error, JobRemovedError)
    assert not job.folder.exists()


def test_at_a_sudden_end_claims_and_halves_are_taken_away(job: Job) -> None:
    actors = Actors(count=1)
    dispatch = Scheduler(cast(WorkerPool, actors), lambda _: None)
    dispatch.add(job)
    while not actors.workers or actors.workers[0].reply is None or actors.workers[0].reply[0] != "make":
        dispatch.step(0)
        for post in actors.idle():
            dispatch._assign(post)
    job.chunk_folder.mkdir()
    (job.chunk_folder / "00000.w1.part.mkv").write_bytes(b"half")
    dispatch.close()
    assert list(job.chunk_folder.iterdir()) == []
    assert status_of(job).failed == {0: "the run was stopped"}


def raise_(ended: list[JobResult]) -> None:
    (result,) = ended
    assert result.error is not None
    raise result.error

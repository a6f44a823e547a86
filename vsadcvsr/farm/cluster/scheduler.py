"""Jobs handed out to workers, chunk by chunk. The ledger and the claims stay the truth: others may help."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from vsadcvsr.errors import AdcvsrError, FarmError
from vsadcvsr.farm.cluster.chunk_queue import TOO_MANY, Failure, Queue
from vsadcvsr.farm.cluster.protocol import Answer, is_final
from vsadcvsr.farm.cluster.workers import Crew, Post
from vsadcvsr.farm.store.job import Job

_LATER = 1.0
"""Seconds until a chunk that somebody else works on is asked for again, and between two looks at a job's folder."""
_LONG = 30.0
"""Seconds without a worker after which that is said, and again."""
_KILLED = "the worker's process was ended (by hand, or for want of memory)"
_GONE = "the worker's node is gone"


class Ended(NamedTuple):
    """A job that needs no worker any more: its chunks are made, or `error` says why they never will be."""

    job: Job
    error: AdcvsrError | None = None


class Work(NamedTuple):
    """What a worker was asked for: a chunk, or to get ready if there is none."""

    desk: Desk
    number: int | None = None


@dataclass(eq=False)
class Desk:
    """A job that is worked on. `engine` is what its pictures are made by, once that is known, and `stillborn` how many
    workers in a row have ended before they were ready for it.
    """

    job: Job
    queue: Queue
    engine: str = ""
    ready: set[Post] = field(default_factory=set)
    refused: dict[Post, AdcvsrError] = field(default_factory=dict)
    strikes: dict[Post, int] = field(default_factory=dict)
    said: set[str] = field(default_factory=set)
    stillborn: int = 0
    error: AdcvsrError | None = None
    looked: float = 0.0

    @classmethod
    def of(cls, job: Job) -> Desk:
        """All that is not done already."""
        done = job.done()
        numbers = (chunk.number for chunk in job.chunks if chunk.number not in done)
        return cls(job, Queue(numbers), next((line.engine for line in done.values()), ""))


class Dispatch:
    """Hands out the chunks of jobs, those of earlier jobs first; `say` is told what the user should know."""

    def __init__(self, crew: Crew, say: Callable[[str], None]) -> None:
        self._crew = crew
        self._say = say
        self._desks: list[Desk] = []
        self._had_workers = time.monotonic()

    @property
    def waiting(self) -> int:
        """Chunks that nobody works on."""
        return sum(len(desk.queue) for desk in self._desks)

    def add(self, job: Job) -> None:
        """One more job, or one of which chunks were lost."""
        self._desks.append(Desk.of(job))

    def step(self, seconds: float) -> list[Ended]:
        """Goes on for about so long, and tells which jobs have ended. Raises FarmError where no worker can be had."""
        if self.waiting:
            self._crew.fill(self.waiting + sum(post.work is not None for post in self._crew.posts))
        self._complain_of_waiting()
        for post in self._crew.idle():
            self._employ(post)
        for post, work, answer in self._crew.wait(seconds):
            if isinstance(work, Work):
                self._heard(post, work, answer)
        return list(self._ended())

    def _complain_of_waiting(self) -> None:
        now = time.monotonic()
        if not self.waiting or any(post.name for post in self._crew.posts):
            self._had_workers = now
        elif now - self._had_workers > _LONG:
            self._had_workers = now
            self._say("still waiting for a worker to start: the cluster may be busy with something else")

    def close(self) -> None:
        """Ends all work at once, and clears up behind it."""
        at_work = [(post.name, post.work) for post in self._crew.posts if isinstance(post.work, Work)]
        self._crew.close()
        for name, work in at_work:
            if work.number is not None and work.desk.job.is_there:
                work.desk.job.abandon(work.number, name, "the run was stopped")

    def _employ(self, post: Post) -> None:
        for desk in self._desks:
            if post in desk.refused or desk.error or not desk.queue:
                continue
            folder = str(desk.job.folder)
            if post not in desk.ready:
                self._crew.ask(post, "open", folder, desk.job.key, work=Work(desk))
                return
            others = {one.name for one in self._crew.posts if one is not post and one in desk.ready}
            number = desk.queue.take(post.name, others, time.monotonic())
            if number is not None:
                self._crew.ask(post, "make", folder, number, work=Work(desk, number))
                return

    def _heard(self, post: Post, work: Work, answer: Answer | None) -> None:
        desk, number = work
        for words in (one for one in (answer.said if answer else ()) if one not in desk.said):
            desk.said.add(words)
            self._say(f"{desk.job.folder.name}: {words}")
        if answer is None:
            self._buried(post, work)
        elif answer.error is not None and self._is_gone(desk):
            return
        elif number is None:
            self._opened(post, desk, answer)
        elif answer.holder:
            desk.queue.put_back(number, time.monotonic() + _LATER)
        elif (error := answer.error) is not None:
            self._failed(post, desk, number, error)
        else:
            desk.queue.done(number)
            desk.strikes.pop(post, None)

    def _opened(self, post: Post, desk: Desk, answer: Answer) -> None:
        error = answer.error
        if error is None and desk.engine not in {"", answer.engine}:
            error = FarmError(
                f"its engine is {answer.engine}, and {desk.engine} makes this film; set backend, device and precision, "
                "so that all do the same"
            )
        if error is not None:
            self._refuse(post, desk, error)
            return
        desk.engine, desk.stillborn = answer.engine, 0
        desk.ready.add(post)

    def _failed(self, post: Post, desk: Desk, number: int, error: AdcvsrError) -> None:
        desk.queue.failed(number, Failure(post.name, str(error)))
        if is_final(error):
            desk.error = desk.error or error
        desk.strikes[post] = desk.strikes.get(post, 0) + 1
        if desk.strikes[post] >= TOO_MANY:
            self._refuse(post, desk, error)

    def _refuse(self, post: Post, desk: Desk, error: AdcvsrError) -> None:
        desk.ready.discard(post)
        desk.refused[post] = error
        self._say(f"{post.name} does not work on {desk.job.folder.name}: {error}")

    def _buried(self, post: Post, work: Work) -> None:
        desk, number = work
        cause = _KILLED if self._crew.lives(post) else _GONE
        for one in self._desks:
            one.ready.discard(post)
            one.refused.pop(post, None)
        if number is None:
            desk.stillborn += 1
            if desk.stillborn >= TOO_MANY:
                desk.error = desk.error or FarmError(
                    f"{desk.stillborn} workers ended as they loaded the model: {cause}"
                )
        elif not self._is_gone(desk):
            desk.queue.failed(number, Failure(post.name, cause))
            desk.job.abandon(number, post.name, cause)

    def _ended(self) -> Iterator[Ended]:
        for desk in [*self._desks]:
            self._judge(desk)
            if desk.queue.is_over or desk.error:
                self._desks.remove(desk)
                yield Ended(desk.job, desk.error)

    def _judge(self, desk: Desk) -> None:
        """Gives a job up where there is no hope."""
        posts = self._crew.posts
        if hopeless := desk.queue.hopeless:
            desk.error = desk.error or FarmError(hopeless)
        elif posts and all(post in desk.refused for post in posts):
            desk.error = desk.error or desk.refused[posts[-1]]
        if time.monotonic() - desk.looked > _LATER:
            desk.looked = time.monotonic()
            desk.queue.drop(desk.job.done())
            self._is_gone(desk)

    def _is_gone(self, desk: Desk) -> bool:
        """Whether a job was removed: then that is what is wrong with it, and nothing else."""
        if desk.job.is_there:
            return False
        desk.error = GoneError(f"{desk.job.folder} is gone")
        return True


class GoneError(FarmError):
    """A job's folder was removed, by a run of the same command that has made the film, one hopes."""

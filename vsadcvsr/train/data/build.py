"""Samples made ahead of training, so that the cores can spend themselves on learning.

A shard (see `vsadcvsr.train.data.dataset`) depends on the seed and its number alone: any number of processes and
machines may fill one pool, and the same command again makes what is missing.
`python -m vsadcvsr.train.data.build --help` fills one.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from vsadcvsr.commands import check_least, share, status
from vsadcvsr.errors import MediaError, UsageError
from vsadcvsr.extras import needs
from vsadcvsr.spec import SCALE
from vsadcvsr.train import options
from vsadcvsr.train.options import SHARD

with needs("train", "a pool", __name__, options.pool):
    import cv2

    from vsadcvsr.train.data.dataset import TRUTH, Pixels, shard_file, write_shard
    from vsadcvsr.train.data.exclusion import Exclusion
    from vsadcvsr.train.data.library import ROOM, Library, Sources, busier
    from vsadcvsr.train.degradations.mix import MIX, Mix

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """All that the samples of a pool depend on, and where they go."""

    sources: Sources
    out: Path
    seed: int = 0
    mix: Mix = MIX

    def missing(self, shards: range) -> list[int]:
        """The shards that are not there, or not whole."""
        kinds = (TRUTH, "low")
        return [number for number in shards if not all(shard_file(self.out, number, kind).exists() for kind in kinds)]


def sample(library: Library, mix: Mix, rng: np.random.Generator) -> tuple[Pixels, Pixels]:
    """A clip and what is left of it at a quarter of its size."""
    kind = mix.draw(rng)
    truth = busier(library.still if kind.still else library.clip, rng)
    worn = kind.wear(truth.astype(np.float32) * np.float32(1 / 255), rng)
    times = library.sources.frames // len(truth)
    return np.repeat(truth, times, axis=0), np.repeat(worn, times, axis=0)


def make_shard(library: Library, plan: Plan, number: int) -> None:
    """Writes shard `number`; MediaError where the pool has no room."""
    rng = np.random.default_rng((plan.seed, number))
    truths, worn = zip(*(sample(library, plan.mix, rng) for _ in range(SHARD)), strict=True)
    try:
        write_shard(plan.out, number, "low", np.stack(worn))
        write_shard(plan.out, number, TRUTH, np.stack(truths))
    except OSError as error:
        raise MediaError(f"shard {number} cannot be written to {plan.out} ({error}); make room and go on") from error


def fill(plan: Plan, shards: range, *, jobs: int, room: int = ROOM) -> int:
    """Makes what is missing of the shards with `jobs` processes, shows how far it is, and returns how many it made.

    `room` is for all processes together, in bytes. Files of no use are named on the log, once each. An interrupt waits
    for the shards in hand.
    """
    plan.out.mkdir(parents=True, exist_ok=True)
    missing = plan.missing(shards)
    bad: set[Path] = set()
    with _progress() as bars:
        bar = bars.add_task("shards", total=len(missing))
        for found in _made(plan, missing, min(jobs, len(missing)), room):
            for path in sorted(found.keys() - bad):
                _log.warning("left out: %s", found[path])
            bad |= found.keys()
            bars.advance(bar)
    if bad:
        _log.warning("%d files were left out", len(bad))
    return len(missing)


def _progress() -> Progress:
    parts = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    return Progress(*parts, console=console, disable=not console.is_terminal)


def _made(plan: Plan, numbers: Sequence[int], jobs: int, room: int) -> Iterator[dict[Path, str]]:
    """Makes the shards; after each, the files that turned out to be bad."""
    if jobs < 2:
        cv2.setNumThreads(1)
        library = Library(plan.sources, room)
        for number in numbers:
            make_shard(library, plan, number)
            yield library.bad
        return
    given = (plan, room // jobs)
    with ProcessPoolExecutor(jobs, get_context("spawn"), _Worker.begin, given) as workers:
        try:
            yield from _shared(workers, iter(numbers), 2 * jobs)
        except BrokenProcessPool as error:
            raise MediaError("a process of the pool was killed, perhaps for memory; lower --jobs or --room") from error
        finally:
            workers.shutdown(cancel_futures=True)


def _shared(workers: ProcessPoolExecutor, numbers: Iterator[int], ahead: int) -> Iterator[dict[Path, str]]:
    """What `_Worker.make` returns for each number, as it comes; so many are given out ahead."""
    given: set[Future[dict[Path, str]]] = set()
    while True:
        with _deaf():
            given |= {workers.submit(_Worker.make, number) for number in islice(numbers, ahead - len(given))}
        if not given:
            return
        done, given = wait(given, return_when=FIRST_COMPLETED)
        yield from (one.result() for one in done)


@contextmanager
def _deaf() -> Iterator[None]:
    """An interrupt waits for the end, and processes that are started meanwhile never hear of it."""
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Worker:
    """What a process of the pool holds between shards."""

    plan: Plan
    library: Library

    @classmethod
    def begin(cls, plan: Plan, room: int) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the shard in hand is finished; the parent gives no more
        cv2.setNumThreads(1)
        cls.plan, cls.library = plan, Library(plan.sources, room)

    @classmethod
    def make(cls, number: int) -> dict[Path, str]:
        make_shard(cls.library, cls.plan, number)
        return cls.library.bad


def _checked(given: argparse.Namespace) -> range:
    """The shards that are asked for; UsageError where a number is out of bounds."""
    check_least(given, {"count": 1, "frames": 1, "jobs": 1, "room": 1, "seed": 0, "size": 32})
    if given.size % SCALE:
        raise UsageError.of("--size", given.size, f"a multiple of {SCALE}")
    part, parts = share(given.part)
    return range(part, -(-given.count // SHARD), parts)


def main(arguments: Sequence[str] | None = None) -> int:
    """Fills a pool from the command line. Raises AdcvsrError."""
    given = options.pool().parse_args(arguments)
    shards, mix = _checked(given), Mix.of(given.mix)
    exclude = Exclusion.read(given.exclude)
    if unmatched := exclude.unmatched(given.folders):
        _log.warning("%d names of --exclude match no file, %s first", len(unmatched), unmatched[0])
    sources = Sources.of(given.folders, frames=given.frames, size=given.size, exclude=exclude)
    fill(Plan(sources, given.out, given.seed, mix), shards, jobs=given.jobs, room=given.room << 20)
    return 0


if __name__ == "__main__":
    raise SystemExit(status("pool", main, stopped="stopped; every shard is whole, and the same command makes the rest"))

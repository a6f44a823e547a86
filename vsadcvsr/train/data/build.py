"""Building of datasets: samples are made in advance, so that the cores are free for training.

A shard (see `vsadcvsr.train.data.dataset`) depends on the seed and its number alone: any number of processes and
machines may build one pool, and the same command again makes what is missing. `python -m vsadcvsr.train.data.build
--help` lists the options.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice, takewhile
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from vsadcvsr.commands import check_minimums, parse_share, status
from vsadcvsr.errors import MediaError, UsageError
from vsadcvsr.extras import needs
from vsadcvsr.train import options
from vsadcvsr.train.options import SHARD_CLIPS

with needs("train", "a pool", __name__, options.build_options):
    import cv2

    from vsadcvsr.train.data.exclusion import Exclusion
    from vsadcvsr.train.data.library import CACHE_BYTES, ClipLibrary, SourceFiles, prefer_detailed
    from vsadcvsr.train.data.shards import (
        LOW,
        MAX_SIDE,
        TRUTH,
        Pixels,
        check_pool_scale,
        shard_bytes,
        shard_numbers,
        shard_path,
        write_shard,
    )
    from vsadcvsr.train.degradations.mix import MIX, Mix

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DatasetPlan:
    """Everything that the samples of a pool depend on, and its folder."""

    sources: SourceFiles
    out: Path
    seed: int = 0
    mix: Mix = MIX
    scale: int = 4
    compressed: bool = False
    limit: int = 0
    """Most bytes of the pool; 0: no limit."""

    def missing(self, shards: range) -> list[int]:
        """Shards that are missing or incomplete."""
        kinds = (TRUTH, LOW)
        return [number for number in shards if not all(shard_path(self.out, number, kind).exists() for kind in kinds)]

    def size(self) -> int:
        """Bytes of the pool's shards."""
        return shard_bytes(self.out, shard_numbers(self.out))

    def until_full(self, numbers: Iterable[int]) -> Iterator[int]:
        """The numbers, as long as the pool is within its limit."""
        return takewhile(lambda _: not self.limit or self.size() <= self.limit, numbers)

    def trim(self, numbers: Iterable[int]) -> None:
        """Deletes the last of these shards until the pool is within its limit."""
        present = sorted(set(numbers) & set(shard_numbers(self.out))) if self.limit else []
        while present and self.size() > self.limit:
            number = present.pop()
            for kind in (TRUTH, LOW):
                shard_path(self.out, number, kind).unlink(missing_ok=True)


def make_sample(library: ClipLibrary, mix: Mix, rng: np.random.Generator, scale: int) -> tuple[Pixels, Pixels]:
    """A clip and its degraded version, `scale` times smaller."""
    kind = mix.draw(rng)
    truth = prefer_detailed(library.still if kind.is_still else library.clip, rng)
    degraded = kind.degrade(truth.astype(np.float32) * np.float32(1 / 255), rng, scale)
    repeats = library.sources.frames // len(truth)
    return np.repeat(truth, repeats, axis=0), np.repeat(degraded, repeats, axis=0)


def make_shard(library: ClipLibrary, plan: DatasetPlan, number: int) -> None:
    """Writes shard `number`; MediaError if the disk is full."""
    rng = np.random.default_rng((plan.seed, number))
    truths, degraded = zip(*(make_sample(library, plan.mix, rng, plan.scale) for _ in range(SHARD_CLIPS)), strict=True)
    try:
        write_shard(plan.out, number, LOW, np.stack(degraded), compressed=plan.compressed)
        write_shard(plan.out, number, TRUTH, np.stack(truths), compressed=plan.compressed)
    except OSError as error:
        raise MediaError(f"shard {number} cannot be written to {plan.out} ({error}); make room and go on") from error


def build_shards(plan: DatasetPlan, shards: range, *, jobs: int, cache_bytes: int = CACHE_BYTES) -> int:
    """Makes the missing shards with `jobs` processes, shows progress, and returns how many it made.

    `cache_bytes` is for all processes together. Unusable files are logged, once each. An interrupt waits for the shards
    in progress. A pool with a limit has the first shards that are within it together, whatever the number of processes.
    """
    plan.out.mkdir(parents=True, exist_ok=True)
    check_pool_scale(plan.out, plan.scale)
    missing = plan.missing(shards)
    unusable: set[Path] = set()
    with _progress() as bars, _trimmed(plan, missing):
        bar = bars.add_task("shards", total=len(missing))
        for unusable_files in _make_shards(plan, plan.until_full(missing), min(jobs, len(missing)), cache_bytes):
            for path in sorted(unusable_files.keys() - unusable):
                _log.warning("left out: %s", unusable_files[path])
            unusable |= unusable_files.keys()
            bars.advance(bar)
    if unusable:
        _log.warning("%d files were left out", len(unusable))
    return len(missing) - len(plan.missing(shards))


@contextmanager
def _trimmed(plan: DatasetPlan, missing: Sequence[int]) -> Iterator[None]:
    """Trims the pool at the end, also at that of an interrupt. UsageError if nothing is left."""
    if plan.limit and plan.size() > plan.limit:
        raise UsageError(f"the pool {plan.out} is larger than --mib {plan.limit >> 20} already; name another folder")
    try:
        yield
    finally:
        plan.trim(missing)
    if not shard_numbers(plan.out):
        raise UsageError(f"{SHARD_CLIPS} samples take more than --mib {plan.limit >> 20}; allow more, or --compress")


def _progress() -> Progress:
    parts = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    return Progress(*parts, console=console, disable=not console.is_terminal)


def _make_shards(plan: DatasetPlan, numbers: Iterator[int], jobs: int, cache_bytes: int) -> Iterator[dict[Path, str]]:
    """Makes the shards; yields the unusable files after each."""
    if jobs < 2:
        cv2.setNumThreads(1)
        library = ClipLibrary(plan.sources, cache_bytes)
        for number in numbers:
            make_shard(library, plan, number)
            yield library.unusable
        return
    arguments = (plan, cache_bytes // jobs)
    with ProcessPoolExecutor(jobs, get_context("spawn"), _BuildProcess.start, arguments) as workers:
        try:
            yield from _completed(workers, numbers, 2 * jobs)
        except BrokenProcessPool as error:
            message = "a process of the pool was killed, perhaps for memory; lower --jobs or --cache-mib"
            raise MediaError(message) from error
        finally:
            workers.shutdown(cancel_futures=True)


def _completed(workers: ProcessPoolExecutor, numbers: Iterator[int], limit: int) -> Iterator[dict[Path, str]]:
    """Results of `_BuildProcess.make` for each number, as they come; at most `limit` are queued."""
    futures: set[Future[dict[Path, str]]] = set()
    while True:
        with _sigint_blocked():
            futures |= {workers.submit(_BuildProcess.make, number) for number in islice(numbers, limit - len(futures))}
        if not futures:
            return
        done, futures = wait(futures, return_when=FIRST_COMPLETED)
        yield from (future.result() for future in done)


@contextmanager
def _sigint_blocked() -> Iterator[None]:
    """Blocks interrupts until the end of the context, for processes that are started in it as well."""
    if sys.platform == "win32":
        yield
        return
    previous = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, previous)


class _BuildProcess:
    """State of a process of the pool between shards."""

    plan: DatasetPlan
    library: ClipLibrary

    @classmethod
    def start(cls, plan: DatasetPlan, cache_bytes: int) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the shard in hand is finished; the parent gives no more
        cv2.setNumThreads(1)
        cls.plan, cls.library = plan, ClipLibrary(plan.sources, cache_bytes)

    @classmethod
    def make(cls, number: int) -> dict[Path, str]:
        make_shard(cls.library, cls.plan, number)
        return cls.library.unusable


def _shard_range(arguments: argparse.Namespace) -> range:
    """The shards that are asked for; UsageError where a number is out of bounds."""
    minimums = {"count": 1, "mib": 0, "frames": 1, "jobs": 1, "cache_mib": 1, "seed": 0, "size": 8 * arguments.scale}
    check_minimums(arguments, minimums)
    if arguments.size % arguments.scale:
        raise UsageError.of("--size", arguments.size, f"a multiple of the scale, {arguments.scale}")
    if arguments.compress and arguments.frames * arguments.size > MAX_SIDE:
        raise UsageError.of("frames x size", arguments.frames * arguments.size, f"up to {MAX_SIDE} with --compress")
    part, parts = parse_share(arguments.part)
    if arguments.mib and parts > 1:
        raise UsageError("--mib is a limit of a whole pool, which a --part cannot know; leave one of them out")
    return range(part, -(-arguments.count // SHARD_CLIPS), parts)


def main(arguments: Sequence[str] | None = None) -> int:
    """Builds a pool from the command line. Raises AdcvsrError."""
    values = options.build_options().parse_args(arguments)
    shards, mix = _shard_range(values), Mix.parse(values.mix)
    exclude = Exclusion.read(values.exclude)
    if unmatched := exclude.unmatched(values.folders):
        _log.warning("%d names of --exclude match no file, %s first", len(unmatched), unmatched[0])
    sources = SourceFiles.scan(values.folders, frames=values.frames, size=values.size, exclude=exclude)
    plan = DatasetPlan(
        sources, values.out, values.seed, mix, values.scale, compressed=values.compress, limit=values.mib << 20
    )
    build_shards(plan, shards, jobs=values.jobs, cache_bytes=values.cache_mib << 20)
    return 0


if __name__ == "__main__":
    raise SystemExit(status("pool", main, stopped="stopped; every shard is whole, and the same command makes the rest"))

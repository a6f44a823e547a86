"""Labelling of a pool by a teacher, once for every clip: `python -m vsadcvsr.train.teachers.label`.

The same command again goes on with the shards that have none yet; several processes may each take a part.
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from vsadcvsr.commands import share, status
from vsadcvsr.errors import UsageError
from vsadcvsr.extras import needs
from vsadcvsr.train import options

with needs("train", "a teacher", __name__, options.teach):
    from vsadcvsr.train.data.dataset import TRUTH, shard_file, shard_numbers, write_shard
    from vsadcvsr.train.teachers.base import Lesson, Teacher, asked

_PLAIN = 10.0  # seconds between lines off a terminal
_log = logging.getLogger(__name__)


def unanswered(folder: Path, name: str, part: int, parts: int) -> list[int]:
    """The shards of this part that lack the teacher's answers; UsageError where there are no shards at all."""
    numbers = shard_numbers(folder)
    if not numbers:
        raise UsageError.of("pool", str(folder), "a folder that `python -m vsadcvsr.train.data.build` has filled")
    return [number for number in numbers[part::parts] if not shard_file(folder, number, name).exists()]


def lessons(folder: Path, number: int) -> list[Lesson]:
    """The clips of a shard, read as they are needed."""
    low, truth = (np.load(shard_file(folder, number, kind), mmap_mode="r") for kind in ("low", TRUTH))
    return [Lesson(*clips) for clips in zip(low, truth, strict=True)]


def teach(teacher: Teacher, folder: Path, numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Answers these shards one by one; after each clip, how many are done and how many there are."""
    count = {number: len(np.load(shard_file(folder, number, "low"), mmap_mode="r")) for number in numbers}
    done, whole = 0, sum(count.values())
    for number in numbers:
        answers = []
        for lesson in lessons(folder, number):
            answers.append(asked(teacher, lesson))
            done += 1
            if len(answers) == count[number]:
                write_shard(folder, number, teacher.name, np.stack(answers))
            yield done, whole


def dove(given: argparse.Namespace) -> Teacher:
    """DOVE as the command line asks for it."""
    from vsadcvsr.train.teachers.dove import Dove, DoveTeacher
    from vsadcvsr.train.teachers.dove_tiles import Pieces

    if given.weights is None:
        raise UsageError("DOVE needs its weights; name their folder with --weights")
    pieces = Pieces(given.chunk, given.chunk_overlap, tuple(given.tile), tuple(given.tile_overlap))
    chosen = {"device": given.device, "precision": given.precision, "whole_vae": given.whole_vae}
    return DoveTeacher(Dove.load(given.weights, prompt=given.prompt, **chosen), pieces, given.seed)


TEACHERS: dict[str, Callable[[argparse.Namespace], Teacher]] = {"dove": dove}
"""Those who answer clips; `python -m vsadcvsr.train.teachers.pairs` is for systems that have answered whole videos."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Fills a pool with answers from the command line."""
    given = options.teach().parse_args(arguments)
    numbers = unanswered(given.pool, given.teacher, *share(given.part))
    if not numbers:
        _log.info("%s has answered everything in %s", given.teacher, given.pool)
        return 0
    _watched(teach(TEACHERS[given.teacher](given), given.pool, numbers), given.teacher)
    return 0


def _watched(steps: Iterator[tuple[int, int]], name: str) -> None:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal) as bars:
        bar, begin, said = bars.add_task(name, total=None), time.monotonic(), 0.0
        for done, whole in steps:
            bars.update(bar, completed=done, total=whole)
            spent = time.monotonic() - begin
            if not console.is_terminal and (spent - said > _PLAIN or done == whole):
                _log.info("%s: clip %d of %d, %.2f s a clip", name, done, whole, spent / done)
                said = spent


if __name__ == "__main__":
    raise SystemExit(status("teach", main))

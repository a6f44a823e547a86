"""Labelling of a pool by a teacher, once for every clip: `python -m vsadcvsr.train.teachers.label`.

The same command again resumes with the shards that have no targets yet; several processes may each take a part.
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

from vsadcvsr.commands import parse_share, status
from vsadcvsr.errors import UsageError
from vsadcvsr.extras import needs
from vsadcvsr.train import options

with needs("train", "a teacher", __name__, options.label_options):
    from vsadcvsr.train.data.shards import LOW, TRUTH, clip_count, read_shard, shard_numbers, shard_path, write_shard
    from vsadcvsr.train.teachers.base import Teacher, TeacherInput, checked_target, teacher_name

_LINE_SECONDS = 10.0  # seconds between lines off a terminal
_log = logging.getLogger(__name__)


def unlabelled(folder: Path, name: str, part: int, parts: int) -> list[int]:
    """The shards of this part without the teacher's targets; UsageError if there are no shards at all."""
    numbers = shard_numbers(folder)
    if not numbers:
        raise UsageError(f"no samples in pool {folder}; fill it with `python -m vsadcvsr.train.data.build`")
    return [number for number in numbers[part::parts] if not shard_path(folder, number, name).exists()]


def teacher_inputs(folder: Path, number: int) -> list[TeacherInput]:
    """The clips of a shard."""
    low, truth = (read_shard(shard_path(folder, number, kind)) for kind in (LOW, TRUTH))
    scale = truth.shape[2] // low.shape[2]
    return [TeacherInput(*clips, scale=scale) for clips in zip(low, truth, strict=True)]


def label_shards(teacher: Teacher, folder: Path, numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Labels these shards; yields the number of finished clips and of all clips after each."""
    count = {number: clip_count(shard_path(folder, number, LOW)) for number in numbers}
    done, total = 0, sum(count.values())
    for number in numbers:
        targets = []
        for sample in teacher_inputs(folder, number):
            targets.append(checked_target(teacher, sample))
            done += 1
            if len(targets) == count[number]:
                write_shard(folder, number, teacher.name, np.stack(targets))
            yield done, total


def dove(arguments: argparse.Namespace) -> Teacher:
    """DOVE as the command line asks for it."""
    from vsadcvsr.train.teachers.dove import DoveModel, DoveTeacher
    from vsadcvsr.train.teachers.dove_tiles import DoveTiling

    if arguments.weights is None:
        raise UsageError("DOVE needs its weights; name their folder with --weights")
    tiling = DoveTiling(arguments.chunk, arguments.chunk_overlap, tuple(arguments.tile), tuple(arguments.tile_overlap))
    loading = {"device": arguments.device, "precision": arguments.precision, "whole_vae": arguments.whole_vae}
    return DoveTeacher(DoveModel.load(arguments.weights, prompt=arguments.prompt, **loading), tiling, arguments.seed)


def spandrel(arguments: argparse.Namespace) -> Teacher:
    """An image network of a file that spandrel knows, such as RealESRGAN_x4plus.pth."""
    from vsadcvsr.train.teachers.image import load_teacher

    if arguments.weights is None:
        raise UsageError("the teacher spandrel needs a network; name its file with --weights")
    return load_teacher(arguments.weights, arguments.name or "spandrel", arguments.precision)


TEACHERS: dict[str, Callable[[argparse.Namespace], Teacher]] = {"dove": dove, "spandrel": spandrel}
"""Those who answer clips; `python -m vsadcvsr.train.teachers.pairs` is for systems that have answered whole videos."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Fills a pool with answers from the command line."""
    values = options.label_options().parse_args(arguments)
    name = teacher_name(values.name or values.teacher)
    numbers = unlabelled(values.pool, name, *parse_share(values.part))
    if not numbers:
        _log.info("%s has answered everything in %s", name, values.pool)
        return 0
    _with_progress(label_shards(TEACHERS[values.teacher](values), values.pool, numbers), name)
    return 0


def _with_progress(steps: Iterator[tuple[int, int]], name: str) -> None:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal) as bars:
        bar, start, reported = bars.add_task(name, total=None), time.monotonic(), 0.0
        for done, total in steps:
            bars.update(bar, completed=done, total=total)
            spent = time.monotonic() - start
            if not console.is_terminal and (spent - reported > _LINE_SECONDS or done == total):
                _log.info("%s: clip %d of %d, %.2f s a clip", name, done, total, spent / done)
                reported = spent


if __name__ == "__main__":
    raise SystemExit(status("teach", main))

"""The end of a job: its merge noted, its plan and its report in words."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from ffmpeg_filter.farm.job_context import Kitchen
from ffmpeg_filter.farm.merge import merge
from ffmpeg_filter.transcode.progress import Reporter
from vsadcvsr import html_page
from vsadcvsr.farm.monitor.report import report
from vsadcvsr.farm.monitor.status import Tally
from vsadcvsr.farm.store.job import Job
from vsadcvsr.farm.store.ledger import Line, worker_name


def described(job: Job) -> str:
    """A plan in one line."""
    frames, recipe = job.chunks[-1].end, job.recipe
    how = "chunks are encoded by themselves and joined as they are"
    if recipe["mode"] == "lossless":
        how = f"chunks are kept without loss and encoded as one film at the merge ({recipe['why']})"
    begin = "" if recipe["shift"] is not None else "; each chunk is decoded from the beginning of the film"
    return f"{frames} frames in {len(job.chunks)} chunks in {job.folder}; {how}{begin}"


def conclude(kitchen: Kitchen, lines: Sequence[Line], live: Reporter) -> None:
    """Merges, and notes it in the ledger."""
    job, output, begun = kitchen.job, kitchen.plan.output.path, time.time()
    merge(kitchen, lines, live)
    size, now = output.stat().st_size if output.is_file() else 0, time.time()
    merged = Line(event="merged", plan=job.key, worker=worker_name(), at=now, bytes=size, seconds=round(now - begun, 3))
    job.ledger.append(merged)


def is_merged(job: Job, output: Path) -> bool:
    """Whether the film is there, as it was merged."""
    sizes = {line.bytes for line in job.lines() if line.event == "merged"}
    return output.is_file() and output.stat().st_size in sizes


def draw(job: Job, out: Path, count: int = 4) -> None:
    """Writes the page of a job, with so many pictures. Raises MediaError where it cannot be written."""
    from ffmpeg_filter.farm.previews import samples

    html_page.write(out, report(Tally(job), *samples(job, count)))

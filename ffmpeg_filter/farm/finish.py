"""Completion of a job: plan summary, merge with its ledger line, and report page."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from ffmpeg_filter.farm.job_context import JobContext
from ffmpeg_filter.farm.merge import merge
from ffmpeg_filter.transcode.progress import Reporter
from vsadcvsr import html_page
from vsadcvsr.farm.monitor.report import report
from vsadcvsr.farm.monitor.status import JobTracker
from vsadcvsr.farm.store.job import Job
from vsadcvsr.farm.store.ledger import LedgerEntry, worker_name


def plan_summary(job: Job) -> str:
    """A plan in one line."""
    frames, spec = job.chunks[-1].end, job.recipe
    method = "chunks are encoded by themselves and joined as they are"
    if spec["mode"] == "lossless":
        method = f"chunks are lossless and encoded as one video by the merge ({spec['reason']})"
    seeking = "" if spec["pts_shift"] is not None else "; each chunk is decoded from the beginning of the source"
    return f"{frames} frames in {len(job.chunks)} chunks in {job.folder}; {method}{seeking}"


def merge_and_record(context: JobContext, lines: Sequence[LedgerEntry], reporter: Reporter) -> None:
    """Merges the chunks and appends a line to the ledger."""
    job, output, started = context.job, context.split.output.path, time.time()
    merge(context, lines, reporter)
    size, now = output.stat().st_size if output.is_file() else 0, time.time()
    merged = LedgerEntry(
        event="merged", plan=job.key, worker=worker_name(), at=now, bytes=size, seconds=round(now - started, 3)
    )
    job.ledger.append(merged)


def is_merged(job: Job, output: Path) -> bool:
    """Whether the output exists with the size that the ledger records."""
    sizes = {line.bytes for line in job.entries() if line.event == "merged"}
    return output.is_file() and output.stat().st_size in sizes


def write_report(job: Job, path: Path, count: int = 4) -> None:
    """Writes the report page of a job with `count` comparison images. Raises MediaError if it cannot be written."""
    from ffmpeg_filter.farm.previews import samples

    html_page.write(path, report(JobTracker(job), *samples(job, count)))

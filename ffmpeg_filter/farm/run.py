"""`-farm ADDRESS`: titles are planned and merged on this machine, and their chunks rendered on a Ray cluster.

A title is one input file of a batch with the command for it; without a batch, the command itself is the only title.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence

from ffmpeg_filter.command.argv import Command
from ffmpeg_filter.farm import exit_status
from ffmpeg_filter.farm.batch import BatchRunner
from ffmpeg_filter.farm.exit_status import sigterm_raises
from ffmpeg_filter.farm.options import parse_options, parse_titles
from ffmpeg_filter.farm.title import TitleRun
from vsadcvsr.errors import AdcvsrError
from vsadcvsr.farm.cluster import connection, workers
from vsadcvsr.farm.cluster.workers import WorkerPool
from vsadcvsr.farm.monitor.summary import count_of
from vsadcvsr.farm.monitor.watch import JobWatcher
from vsadcvsr.farm.store.ledger import worker_name

WORKER_CLASS = "ffmpeg_filter.farm.worker:ChunkWorker"
"""Import path of the class that runs in worker processes."""


def run(command: Command) -> int:
    """Runs a command with -farm and returns the exit status. Raises the errors of a local run, and FarmError."""
    options, requested = parse_options(command), parse_titles(command)
    connection.check_address(options.address)
    runs = [TitleRun(title, options) for title in requested]
    pending = [title_run for title_run in runs if not title_run.is_done]
    if len(pending) < len(runs) and options.min_level <= logging.INFO:
        exit_status.print_message(
            f"{len(runs) - len(pending)} of {len(runs)} outputs exist already; -y overwrites them"
        )
    if not pending:
        return exit_status.OK
    for title_run in pending:
        title_run.check_outputs()
    device = _device(pending)
    progress_stream = sys.stdout if options.style == "json" else sys.stderr  # before Ray's output is redirected
    with connection.connect(options.address) as ray_cluster, sigterm_raises():
        nodes = ray_cluster.nodes()
        need = workers.worker_resources(nodes, options.cpus, options.gpus, device)
        pool = WorkerPool(ray_cluster, WORKER_CLASS, (worker_name(), need.threads), need, options.workers)
        with (
            JobWatcher(style=options.style, stream=progress_stream, least=options.min_level) as watch,
            BatchRunner(pool, watch, pending) as batch,
        ):
            watch.inform(
                f"room for {count_of(need.capacity(nodes), 'worker')} of {need} on {count_of(len(nodes), 'node')}"
            )
            batch.run()
    return batch.exit_status()


def _device(runs: Sequence[TitleRun]) -> str:
    """The device that the command names. Raises the command's error if it is the only title."""
    for title_run in runs:
        try:
            return title_run.prepared().split.filter_options.device
        except (AdcvsrError, OSError):
            if len(runs) == 1:
                raise
    return "auto"

"""One title of a farm run: prepared, planned, and merged when its chunks are done.

A title is one input file of a batch with the command for it; a command without a batch is a single title. Several runs
of the same command may share a job: one of them plans, one merges, all render.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ffmpeg_filter.command import output_files, urls
from ffmpeg_filter.command.argv import parse
from ffmpeg_filter.farm import finish, frame_index, plan
from ffmpeg_filter.farm.job_context import JobContext, check_outputs
from ffmpeg_filter.farm.options import FarmOptions, Title
from ffmpeg_filter.media.process import ProgramError
from ffmpeg_filter.transcode.prepare import PreparedCommand, prepare_command
from ffmpeg_filter.transcode.progress import Reporter
from vsadcvsr.errors import AdcvsrError, FarmError, FormatError, UsageError, one_line
from vsadcvsr.farm.store.claims import Claims
from vsadcvsr.farm.store.job import Job, has_job, make_folder
from vsadcvsr.farm.worker import verified_entries

_POLL_SECONDS = 0.5
"""Seconds between two looks at another run's progress."""


class TitleRun:
    """The steps of one title, to be called in order."""

    def __init__(self, title: Title, options: FarmOptions) -> None:
        self.title = title
        self._options = options
        self._prepared: PreparedCommand | None = None
        self._job: Job | None = None

    @property
    def is_done(self) -> bool:
        """Whether there is nothing to do: in a batch, existing outputs are kept."""
        return self.title.is_in_batch and not self.title.overwrite and self.title.path.is_file()

    @property
    def job(self) -> Job:
        assert self._job is not None, "it is planned first"
        return self._job

    def check_outputs(self) -> None:
        """Raises UsageError if an output cannot be written or is an input."""
        output_files.check(parse(self.title.args), overwrite=self.title.overwrite)

    def prepared(self) -> PreparedCommand:
        """The prepared command. Raises UsageError, MediaError, or what the model or the files raise."""
        if self._prepared is None:
            prepared = prepare_command(list(self.title.args))
            if prepared.split.temporary_output is None and self.title.overwrite:
                prepared = prepare_command(["-y", *self.title.args])
            self.check_outputs()
            check_outputs(prepared.command, prepared.binary)
            self._prepared = prepared
        return self._prepared

    def plan(self, reporter: Reporter) -> Job:
        """The job, planned here or by another run.

        Raises FormatError if a program fails, and else as `plan_job` does.
        """
        prepared, folder, is_reported = self.prepared(), self._folder(), False
        while self._job is None:
            make_folder(folder)
            try:
                with Claims(folder / "claims").claim("plan") as has_claim:
                    if has_claim or has_job(folder):
                        self._job = plan.plan_job(folder, prepared, self._options.chunk_seconds, reporter)
            except ProgramError as error:  # what cannot be decoded or encoded here can be so nowhere
                raise FormatError(str(error)) from error
            finally:
                if self._job is None:
                    _remove_if_empty(folder)
            if self._job is None:
                if not is_reported and self._options.min_level <= logging.INFO:
                    reporter.notify(f"{folder.name} is planned by another run; waiting for it")
                is_reported = True
                time.sleep(_POLL_SECONDS)
        return self._job

    def merge(self, reporter: Reporter, before_removal: Callable[[], object]) -> str:
        """Merges the chunks and returns a message. `before_removal` is called before the job folder is removed.

        Raises as `merge.merge` does, and FarmError if chunks are missing or damaged.
        """
        while self.job.exists:
            try:
                with self.job.claims.claim("merge") as has_claim:
                    if has_claim:
                        return self._merge(reporter, before_removal)
            except FileNotFoundError:
                if self.job.exists:
                    raise
            time.sleep(_POLL_SECONDS)
        return self.removed_job_message()

    def removed_job_message(self) -> str:
        """A message for a title whose job folder is gone. Raises FarmError if there is no output either."""
        if not self.title.path.exists():
            raise FarmError(
                f"{self.job.folder} was removed, but {self.title.output} does not exist; run the same command again"
            )
        return f"{self.title.output} was made by another run"

    def _merge(self, reporter: Reporter, before_removal: Callable[[], object]) -> str:
        context, output = JobContext(self.job), self.title.output
        message = f"{output} is merged already"
        if not finish.is_merged(self.job, self.title.path):
            lines = verified_entries(self.job)
            self.check_outputs()
            with output_files.claim_outputs(context.command):
                finish.merge_and_record(context, lines, reporter)
            message = f"{output} is done"
        if self._options.report:
            path = self.title.path
            page = output_files.fitting_name(path.name, ".html", whole=path.name)
            _write_report(self.job, path.with_name(page), reporter, self._options.min_level)
        before_removal()
        if not self._options.keep:
            self.job.remove(self.job.folder / frame_index.file_name(context.spec.index_checksum))
        return message

    def _folder(self) -> Path:
        if self._options.folder is None and urls.path(self.title.output) is None:
            raise UsageError("the output is not a file; name a folder for the chunks with -farm_folder")
        path = self.title.path
        name = output_files.fitting_name(path.name, ".farm", whole=path.name)
        if self._options.folder is None:
            return path.with_name(name).resolve()
        return self._options.folder / name if self.title.is_in_batch else self._options.folder


def _write_report(job: Job, path: Path, reporter: Reporter, min_level: int) -> None:
    """Writes the report page; a failure is only reported."""
    try:
        finish.write_report(job, path)
        if min_level <= logging.INFO:
            reporter.notify(f"{path}: who made what, when")
    except (AdcvsrError, OSError) as error:
        reporter.notify(f"{path} is not made: {one_line(error)}")


def _remove_if_empty(folder: Path) -> None:
    """Removes the folder of a job that was not planned, if it is empty."""
    with suppress(OSError):
        (folder / "claims").rmdir()
        folder.rmdir()

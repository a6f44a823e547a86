"""One title on a farm: ordered, planned, and merged once its chunks are made. Runs of one command do not get in each
other's way: one plans and one merges, and both have chunks made.
"""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ffmpeg_filter.command import output_files, urls
from ffmpeg_filter.command.argv import parse
from ffmpeg_filter.farm import finish, frame_index, plan
from ffmpeg_filter.farm.job_context import Kitchen, check_outputs
from ffmpeg_filter.farm.options import Orders, Title
from ffmpeg_filter.media.process import ProgramError
from ffmpeg_filter.transcode.prepare import Ordered, ordered
from ffmpeg_filter.transcode.progress import Reporter
from vsadcvsr.errors import AdcvsrError, FarmError, FormatError, UsageError, one_line
from vsadcvsr.farm.store.claims import Claims
from vsadcvsr.farm.store.job import Job, make_folder
from vsadcvsr.farm.worker import finished

_LONGEST_NAME = 255  # bytes
_WAIT = 0.5
"""Seconds between two looks at what another run does."""


class Making:
    """A title on its way. Its methods are called in their order."""

    def __init__(self, title: Title, orders: Orders) -> None:
        self.title = title
        self._orders = orders
        self._ordered: Ordered | None = None
        self._job: Job | None = None

    @property
    def is_there(self) -> bool:
        """Whether there is nothing to do: a batch leaves what it finds."""
        return self.title.is_one_of_many and not self.title.overwrite and self.title.path.is_file()

    @property
    def job(self) -> Job:
        assert self._job is not None, "it is planned first"
        return self._job

    def check_outputs(self) -> None:
        """Raises UsageError where its files cannot be written, or are read."""
        output_files.check(parse(self.title.words), overwrite=self.title.overwrite)

    def ordered(self) -> Ordered:
        """The command, looked at. Raises UsageError, MediaError, or what its model or files raise."""
        if self._ordered is None:
            made = ordered(list(self.title.words))
            if made.plan.part is None and self.title.overwrite:
                made = ordered(["-y", *self.title.words])
            self.check_outputs()
            check_outputs(made.command, made.binary)
            self._ordered = made
        return self._ordered

    def plan(self, reporter: Reporter) -> Job:
        """The job: as another run has planned it, else planned now.

        Raises FormatError where a program cannot do what it should, and else as `farm_plan.make` does.
        """
        ordered, folder, told = self.ordered(), self._folder(), False
        while self._job is None:
            make_folder(folder)
            try:
                with Claims(folder / "claims").held("plan") as ours:
                    if ours or (folder / "job.json").exists():
                        self._job = plan.make(folder, ordered, self._orders.seconds, reporter)
            except ProgramError as error:  # what cannot be decoded or encoded here can be so nowhere
                raise FormatError(str(error)) from error
            finally:
                if self._job is None:
                    _tidy(folder)
            if self._job is None:
                if not told and self._orders.least <= logging.INFO:
                    reporter.say(f"{folder.name} is planned by another run; waiting for it")
                told = True
                time.sleep(_WAIT)
        return self._job

    def merge(self, reporter: Reporter, before_removal: Callable[[], object]) -> str:
        """What has become of it, in words. `before_removal` is called when the film is there and the folder still is.

        Raises as `merge` does, and FarmError where chunks are missing or damaged.
        """
        while self.job.is_there:
            try:
                with self.job.claims.held("merge") as ours:
                    if ours:
                        return self._merge(reporter, before_removal)
            except FileNotFoundError:
                if self.job.is_there:
                    raise
            time.sleep(_WAIT)
        return self.elsewhere()

    def elsewhere(self) -> str:
        """What has become of it where the job's folder is gone. Raises FarmError if there is no film either."""
        if not self.title.path.exists():
            raise FarmError(f"{self.job.folder} is gone, and there is no {self.title.output}; run the same again")
        return f"{self.title.output} was made by another run"

    def _merge(self, reporter: Reporter, before_removal: Callable[[], object]) -> str:
        kitchen, output = Kitchen(self.job), self.title.output
        said = f"{output} is merged already"
        if not finish.is_merged(self.job, self.title.path):
            lines = finished(self.job)
            self.check_outputs()
            with output_files.claimed(kitchen.command):
                finish.conclude(kitchen, lines, reporter)
            said = f"{output} is done"
        if self._orders.report:
            path = self.title.path
            _draw(self.job, path.with_name(_short(path.name, ".html")), reporter, self._orders.least)
        before_removal()
        if not self._orders.keep:
            folder = self.job.folder
            index = folder / frame_index.name(kitchen.recipe.index)
            self.job.remove(index, *folder.glob("film.*"), *folder.glob("pass-*.log*"))
        return said

    def _folder(self) -> Path:
        if self._orders.folder is None and urls.path(self.title.output) is None:
            raise UsageError.of("-farm_folder", "not given", "a folder, for the output is no file to put it beside")
        path = self.title.path
        name = _short(path.name, ".farm")
        if self._orders.folder is None:
            return path.with_name(name).resolve()
        return self._orders.folder / name if self.title.is_one_of_many else self._orders.folder


def _short(name: str, suffix: str) -> str:
    """A name with a suffix; where that is too long for a file system, a sum of the name with it."""
    if len(os.fsencode(name + suffix)) <= _LONGEST_NAME:
        return name + suffix
    return hashlib.sha256(os.fsencode(name)).hexdigest()[:16] + suffix


def _draw(job: Job, out: Path, reporter: Reporter, least: int) -> None:
    """Makes a page on the job; a film does not fail for it."""
    try:
        finish.draw(job, out)
        if least <= logging.INFO:
            reporter.say(f"{out}: who made what, when")
    except (AdcvsrError, OSError) as error:
        reporter.say(f"{out} is not made: {one_line(error)}")


def _tidy(folder: Path) -> None:
    """Takes away the folder of a job that was not planned, if there is nothing in it."""
    with suppress(OSError):
        (folder / "claims").rmdir()
        folder.rmdir()

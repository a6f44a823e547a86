"""`ffadcvsr farm`: the work of one command for many machines, in a folder that all of them see.

0    done, or done already
64   a mistake in the command: do not try again
65   what was planned with is not what is there, a package included, or cannot be taken: do not try again
75   anything that another attempt, perhaps on another machine, may cure
130  Ctrl-C
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import NoReturn

from ffmpeg_filter.command import output_files
from ffmpeg_filter.farm import options, plan
from ffmpeg_filter.farm.exit_status import GIVE_UP, OK, guarded, say, write_line
from ffmpeg_filter.farm.finish import conclude, described, draw, is_merged
from ffmpeg_filter.farm.job_context import Kitchen, enter
from ffmpeg_filter.media.process import ProgramError
from ffmpeg_filter.transcode import prepare
from ffmpeg_filter.transcode.progress import reporter
from vsadcvsr.errors import FarmError, UsageError, one_line
from vsadcvsr.farm.monitor.status import status_of
from vsadcvsr.farm.monitor.watch import Watch
from vsadcvsr.farm.store.job import Job
from vsadcvsr.farm.store.ledger import Line
from vsadcvsr.farm.worker import Worker, finished

_DIGITS = 9
"""The most in a number of chunks or samples."""


def main(words: Sequence[str]) -> int:
    """Runs a sub-command; the exit status."""
    ours, command = _split(words)
    return guarded(lambda: _run(ours, command))


def _run(words: list[str], command: list[str]) -> int:
    try:
        given = _parser().parse_args(words)
    except SystemExit:  # after -h
        return OK
    return int(given.run(given, command))


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints are one line, as all others are."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{self.prog.removeprefix('ffadcvsr ')}: {message}; see {self.prog} -h")


def _split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Our own words, and the command after `--`."""
    at = words.index("--") if "--" in words else len(words)
    return list(words[:at]), list(words[at + 1 :])


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="ffadcvsr farm", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(required=True, metavar="plan | work | merge | status | report")
    plan = _verb(verbs, "plan", _plan, "divide a command into chunks: plan JOB -- -i in.mp4 -vf adcvsr … out.mkv")
    plan.add_argument("--chunk-seconds", type=_seconds, default=Fraction(20), metavar="S", help="length; default 20")
    work = _verb(verbs, "work", _work, "make chunks, all that nobody else makes by default")
    which = work.add_mutually_exclusive_group()
    which.add_argument("--chunk", type=_count, metavar="N", help="this one, from 0 on")
    which.add_argument("--next", action="store_true", help="the first that nobody makes, and no more")
    _verb(verbs, "merge", _merge, "make the film of the chunks")
    status = _verb(verbs, "status", _status, "what is done, and what is not")
    status.add_argument("--watch", action="store_true", help="go on until no chunk is left")
    status.add_argument("--json", action="store_true", help="for programs; with --watch one object a line")
    told = _verb(verbs, "report", _report, "a page on who made what, when, and how it looks")
    told.add_argument("-o", type=lambda text: Path(text).resolve(), metavar="PAGE", help="default JOB/report.html")
    told.add_argument("--samples", type=_count, default=4, metavar="N", help="pictures to compare; default 4")
    return parser


def _verb(
    verbs: argparse._SubParsersAction[_Parser], name: str, run: Callable[..., int], help: str
) -> argparse.ArgumentParser:
    verb = verbs.add_parser(name, help=help, description=help)
    verb.add_argument("job", type=lambda text: Path(text).resolve(), metavar="JOB", help="the job's folder")
    verb.set_defaults(run=run)
    return verb


def _seconds(text: str) -> Fraction:
    try:
        value = options.seconds(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}, allowed: more than 0 seconds") from None
    return value


def _count(text: str) -> int:
    if not text.isdecimal() or len(text) > _DIGITS:
        raise argparse.ArgumentTypeError(f"{text!r}, allowed: a number from 0 on")
    return int(text)


def _plan(given: argparse.Namespace, command: list[str]) -> int:
    if not command:
        raise UsageError.of("farm plan", "without a command", "JOB -- and an ffmpeg command line with adcvsr")
    prepared = prepare.ordered(command)
    if not (given.job / "job.json").exists():
        output_files.check(prepared.command, overwrite=prepared.command.has("y"))
    was_there = given.job.exists()
    try:
        with reporter(None, wanted=None) as live:
            words = described(plan.make(given.job, prepared, given.chunk_seconds, live))
    except ProgramError as error:
        say(one_line(error))
        return GIVE_UP
    finally:
        if not was_there:
            with suppress(OSError):
                given.job.rmdir()  # if nothing was planned
    say(words)
    return OK


def _work(given: argparse.Namespace, command: list[str]) -> int:
    job = Job.read(given.job)
    if given.chunk is not None:
        job.chunk(given.chunk)
    enter(job.request)
    job.check_sources()
    job.sweep()
    if given.chunk is not None and job.checked(given.chunk) is not None:
        say(f"chunk {given.chunk} is done already")
    elif given.chunk is None and len(job.done()) == len(job.chunks):
        say(f"all {len(job.chunks)} chunks are done already")
    else:
        _render(job, given)
    return OK


def _render(job: Job, given: argparse.Namespace) -> None:
    from ffmpeg_filter.farm.render import Renderer

    with reporter(_left(job, given), wanted=None) as live:
        renderer = Renderer(job, say=live.say, frame=live.frame)
        worker = Worker(job, renderer.render, renderer.engine)
        for line in _lines(worker, given):
            live.say(f"chunk {line.chunk}: {line.frames} frames in {line.seconds:.1f} s")


def _left(job: Job, given: argparse.Namespace) -> int | None:
    """The frames that are to be made, if that is known."""
    if given.next:
        return None
    if given.chunk is not None:
        return job.chunk(given.chunk).length
    done = job.done()
    return sum(chunk.length for chunk in job.chunks if chunk.number not in done)


def _lines(worker: Worker, given: argparse.Namespace) -> Iterator[Line]:
    if given.chunk is not None:
        yield worker.make(given.chunk)
    elif given.next:
        yield from filter(None, [worker.make_next()])
    else:
        yield from worker.make_all()


def _merge(given: argparse.Namespace, command: list[str]) -> int:
    job = Job.read(given.job)
    enter(job.request)
    kitchen = Kitchen(job)
    output = kitchen.plan.output.path
    if is_merged(job, output):
        say(f"{output} is merged already")
        return OK
    lines = finished(job)
    with job.claims.held("merge") as ours:
        if not ours:
            raise FarmError(f"{job.claims.holder('merge') or 'another run'} merges it now")
        output_files.check(kitchen.command, overwrite=kitchen.command.has("y"))
        with output_files.claimed(kitchen.command), reporter(job.chunks[-1].end, wanted=None) as live:
            conclude(kitchen, lines, live)
    return OK


def _status(given: argparse.Namespace, command: list[str]) -> int:
    job = Job.read(given.job)
    if given.watch:
        with Watch([job], style="json", stream=sys.stdout) if given.json else Watch([job]) as watch:
            watch.wait()
        return OK
    status = status_of(job)
    write_line(json.dumps(status.plain(), indent=1) if given.json else str(status), sys.stdout)
    return OK


def _report(given: argparse.Namespace, command: list[str]) -> int:
    job, out = Job.read(given.job), given.o or given.job / "report.html"
    folder = Path(str(job.request["folder"]))
    if any(out.resolve() == (folder / one.path).resolve() for one in job.sources):
        raise UsageError(f"page {str(out)!r} is a source of the job; give another name")
    draw(job, out, given.samples)
    say(f"{out}: {out.stat().st_size >> 10} KiB")
    return OK

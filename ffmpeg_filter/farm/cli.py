"""`ffadcvsr farm`: one command on many machines, by a folder that all of them can access.

0    done, or done already
64   a mistake in the command: do not try again
65   source, FFmpeg, model, engine or a package differs from the plan, or cannot be used: do not try again
75   any other failure: another attempt, perhaps on another machine, may succeed
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
from ffmpeg_filter.farm.exit_status import GIVE_UP, OK, print_message, run_guarded, write_line
from ffmpeg_filter.farm.finish import is_merged, merge_and_record, plan_summary, write_report
from ffmpeg_filter.farm.job_context import JobContext, chdir_to_job
from ffmpeg_filter.media.process import ProgramError
from ffmpeg_filter.transcode import prepare
from ffmpeg_filter.transcode.progress import make_reporter, reader_may_leave
from vsadcvsr.commands import check_output
from vsadcvsr.errors import FarmError, UsageError, one_line
from vsadcvsr.farm.monitor.status import status_of
from vsadcvsr.farm.monitor.watch import JobWatcher
from vsadcvsr.farm.store.job import Job, has_job
from vsadcvsr.farm.store.ledger import LedgerEntry
from vsadcvsr.farm.worker import Worker, verified_entries

_MAX_DIGITS = 9
"""Maximum digits of a chunk number or sample count."""


def main(args: Sequence[str]) -> int:
    """Runs a subcommand and returns its exit status."""
    verb_args, command = _split_at_dashes(args)
    return run_guarded(lambda: _run(verb_args, command))


def _run(args: list[str], command: list[str]) -> int:
    try:
        arguments = _parser().parse_args(args)
    except SystemExit:  # after -h
        with reader_may_leave():
            return OK
    return int(arguments.run(arguments, command))


class _ArgumentParser(argparse.ArgumentParser):
    """Argument parser whose errors are UsageErrors of one line."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{self.prog.removeprefix('ffadcvsr ')}: {message}; see {self.prog} -h")


def _split_at_dashes(args: Sequence[str]) -> tuple[list[str], list[str]]:
    """Arguments before `--`, and the FFmpeg command after it."""
    at = args.index("--") if "--" in args else len(args)
    return list(args[:at]), list(args[at + 1 :])


def _parser() -> argparse.ArgumentParser:
    parser = _ArgumentParser(
        prog="ffadcvsr farm", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = parser.add_subparsers(required=True, metavar="plan | work | merge | status | report")
    plan = _add_verb(verbs, "plan", _plan, "divide a command into chunks: plan JOB -- -i in.mp4 -vf adcvsr … out.mkv")
    plan.add_argument(
        "--chunk-seconds",
        type=_parse_seconds,
        default=Fraction(20),
        metavar="S",
        help="length of chunks in seconds, such as 20 or 1001/30; default: 20",
    )
    work = _add_verb(verbs, "work", _work, "render chunks; by default all that no other worker has claimed")
    which = work.add_mutually_exclusive_group()
    which.add_argument("--chunk", type=_parse_count, metavar="N", help="render chunk N only; numbers start at 0")
    which.add_argument("--next", action="store_true", help="render one chunk, the first that no worker has claimed")
    _add_verb(verbs, "merge", _merge, "merge the chunks into the output")
    status = _add_verb(verbs, "status", _status, "show progress")
    status.add_argument("--watch", action="store_true", help="update until all chunks are done")
    status.add_argument("--json", action="store_true", help="print JSON; with --watch one object per line")
    report_verb = _add_verb(verbs, "report", _report, "write a report page: workers, times, comparison images")
    report_verb.add_argument(
        "-o",
        type=lambda text: Path(text).resolve(),
        metavar="PAGE",
        help="the HTML file to write; default: JOB/report.html",
    )
    report_verb.add_argument(
        "--samples", type=_parse_count, default=4, metavar="N", help="number of comparison images; default: 4"
    )
    return parser


def _add_verb(
    verbs: argparse._SubParsersAction[_ArgumentParser], name: str, run: Callable[..., int], help: str
) -> argparse.ArgumentParser:
    verb = verbs.add_parser(name, help=help, description=help)
    verb.add_argument(
        "job",
        type=lambda text: Path(text).resolve(),
        metavar="JOB",
        help="the job's folder, on storage that all machines share",
    )
    verb.set_defaults(run=run)
    return verb


def _parse_seconds(text: str) -> Fraction:
    try:
        return options.parse_seconds(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above 0") from None


def _parse_count(text: str) -> int:
    if not text.isdecimal() or len(text) > _MAX_DIGITS:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0 on")
    return int(text)


def _plan(arguments: argparse.Namespace, command: list[str]) -> int:
    if not command:
        raise UsageError("farm plan needs a command: farm plan JOB -- and an FFmpeg command with adcvsr")
    prepared = prepare.prepare_command(command)
    if not has_job(arguments.job):
        output_files.check(prepared.command, overwrite=prepared.command.has("y"))
    existed = arguments.job.exists()
    try:
        with make_reporter(None, enabled=None) as reporter:
            summary = plan_summary(plan.plan_job(arguments.job, prepared, arguments.chunk_seconds, reporter))
    except ProgramError as error:
        print_message(one_line(error))
        return GIVE_UP
    finally:
        if not existed:
            with suppress(OSError):
                arguments.job.rmdir()  # if nothing was planned
    print_message(summary)
    return OK


def _work(arguments: argparse.Namespace, command: list[str]) -> int:
    job = Job.read(arguments.job)
    if arguments.chunk is not None:
        job.chunk(arguments.chunk)
    chdir_to_job(job.request)
    job.check_sources()
    job.remove_unfinished()
    if arguments.chunk is not None and job.verified_entry(arguments.chunk) is not None:
        print_message(f"chunk {arguments.chunk} is done already")
    elif arguments.chunk is None and len(job.done()) == len(job.chunks):
        print_message(f"all {len(job.chunks)} chunks are done already")
    else:
        _render(job, arguments)
    return OK


def _render(job: Job, arguments: argparse.Namespace) -> None:
    from ffmpeg_filter.farm.render import ChunkRenderer

    with make_reporter(_frames_left(job, arguments), enabled=None) as reporter:
        renderer = ChunkRenderer(job, on_message=reporter.notify, on_frame=reporter.frame)
        worker = Worker(job, renderer.render, renderer.engine)
        for line in _render_chunks(worker, arguments):
            reporter.notify(f"chunk {line.chunk}: {line.frames} frames in {line.seconds:.1f} s")


def _frames_left(job: Job, arguments: argparse.Namespace) -> int | None:
    """Number of frames to render; None if unknown."""
    if arguments.next:
        return None
    if arguments.chunk is not None:
        return job.chunk(arguments.chunk).length
    done = job.done()
    return sum(chunk.length for chunk in job.chunks if chunk.number not in done)


def _render_chunks(worker: Worker, arguments: argparse.Namespace) -> Iterator[LedgerEntry]:
    if arguments.chunk is not None:
        yield worker.process(arguments.chunk)
    elif arguments.next:
        yield from filter(None, [worker.process_next()])
    else:
        yield from worker.process_all()


def _merge(arguments: argparse.Namespace, command: list[str]) -> int:
    job = Job.read(arguments.job)
    chdir_to_job(job.request)
    context = JobContext(job)
    output = context.split.output.path
    if is_merged(job, output):
        print_message(f"{output} is merged already")
        return OK
    lines = verified_entries(job)
    with job.claims.claim("merge") as has_claim:
        if not has_claim:
            raise FarmError(f"{job.claims.holder('merge') or 'another run'} is merging {output}; wait for it")
        output_files.check(context.command, overwrite=context.command.has("y"))
        with output_files.claim_outputs(context.command), make_reporter(job.chunks[-1].end, enabled=None) as reporter:
            merge_and_record(context, lines, reporter)
    return OK


def _status(arguments: argparse.Namespace, command: list[str]) -> int:
    job = Job.read(arguments.job)
    with reader_may_leave():
        if arguments.watch:
            with JobWatcher([job], style="json", stream=sys.stdout) if arguments.json else JobWatcher([job]) as watch:
                watch.wait()
            return OK
        status = status_of(job)
        write_line(json.dumps(status.as_json(), indent=1) if arguments.json else str(status), sys.stdout)
    return OK


def _report(arguments: argparse.Namespace, command: list[str]) -> int:
    job, page_path = Job.read(arguments.job), arguments.o or arguments.job / "report.html"
    folder = Path(str(job.request["folder"]))
    if any(page_path.resolve() == (folder / source.path).resolve() for source in job.sources):
        raise UsageError(f"page {str(page_path)!r} is a source of the job; give another name")
    check_output("-o", page_path)
    write_report(job, page_path, arguments.samples)
    print_message(f"{page_path}: {page_path.stat().st_size >> 10} KiB")
    return OK

"""Evaluation of upscalers: `adcvsr evaluate --data DIR [--model fast …] [--videos NAME=FOLDER …]`.

DIR holds sets of clips, each clip a video or a folder of images: `clips/gt` and, at a quarter of the size, `clips/SET`
for each set; or, for each set, `SET/lr` and `SET/gt`; or just `lr` and `gt`. Without `gt` only what needs no truth is
measured. `photos_hr`, if there, is the set `photos`, shrunk by antialiased bicubic. Where `lr` and `gt` are of one size
`lr` is shrunk as well.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from vsadcvsr.commands import check_output, status
from vsadcvsr.errors import FormatError, UsageError
from vsadcvsr.evaluate import options
from vsadcvsr.extras import needs
from vsadcvsr.files import write_text

with needs("evaluate", "evaluate", __name__, options.evaluation):
    import cv2

    from vsadcvsr.evaluate.datasets import PROTOCOLS, Case, Protocol, paths_in, read_cases, sets_in
    from vsadcvsr.evaluate.external_methods import Method, from_command, from_script, from_upscaler, from_videos
    from vsadcvsr.evaluate.methods import TimedFrames, open_model, quantize, resizers
    from vsadcvsr.evaluate.metrics.fidelity import scales_of
    from vsadcvsr.evaluate.metrics.registry import MetricSet, metrics_for, parse_columns
    from vsadcvsr.evaluate.metrics.temporal import ClipWithFlow
    from vsadcvsr.evaluate.peers import from_peer
    from vsadcvsr.evaluate.report import TRUTH, Report, Row, Score, score_of, text, text_by_clip, text_of_paper
    from vsadcvsr.evaluate.summary import summary_as_json, text_of_summary

TABLES = {"methods": text, "paper": text_of_paper, "summary": text_of_summary}
_METHOD_FACTORIES: dict[str, Callable[[str, int], Method]] = {
    "peer": lambda weights, scale: from_peer(Path(weights), scale),
    "videos": lambda folder, _: from_videos(Path(folder)),
    "script": lambda script, _: from_script(Path(script)),
    "command": lambda command, _: from_command(command),
}
"""Makers of methods, from the value of an option and the scale."""


def measure(
    cases: Iterator[Case], methods: Mapping[str, Method], measures: MetricSet
) -> tuple[dict[str, dict[str, Score]], list[str]]:
    """Scores by method and clip, and remarks. What a method makes is measured as 8-bit pixels hold it."""
    scores: dict[str, dict[str, Score]] = {}
    remarks: dict[str, None] = {}
    for case in cases:
        truth = ClipWithFlow(case.truth) if case.truth else None
        for name, method in methods.items():
            start = time.perf_counter()
            score = _score(case, name, method, truth, measures)
            scores.setdefault(name, {})[case.name] = score
            spent = time.perf_counter() - start
            print(f"{case.name}: {name}, {score.seconds:.1f} s, {spent:.1f} s in all", file=sys.stderr)
        if truth:
            scores.setdefault(TRUTH, {})[case.name] = score_of(truth.frames, truth, measures)
        remarks |= dict.fromkeys(_remarks(case, measures))
    # the truth comes last, also where the first clips of a set have none
    return {name: scores[name] for name in sorted(scores, key=lambda name: name == TRUTH)}, list(remarks)


def _score(case: Case, name: str, method: Method, truth: ClipWithFlow | None, measures: MetricSet) -> Score:
    """The score of a method on a clip. Raises FormatError, with both names, for frames that cannot be measured."""
    start = time.perf_counter()
    try:
        output = method(case)
        frames = tuple(quantize(frame) for frame in output)
        seconds = output.seconds if isinstance(output, TimedFrames) else time.perf_counter() - start
        return score_of(frames, truth, measures, seconds=seconds)
    except FormatError as error:
        raise FormatError(f"{case.name}: {name}: {error}") from error


def _remarks(case: Case, measures: MetricSet) -> Iterator[str]:
    if case.reduced:
        yield f"{case.set}: the clips have the size of the truth and were shrunk by {case.scale} first"
    scales = scales_of((case.size[1], case.size[0]))
    if "ms_ssim" in measures.columns and scales < 5 and case.truth:
        yield f"{case.set}: {case.name} has room for {scales} scales of MS-SSIM instead of 5"


def _methods(arguments: argparse.Namespace) -> dict[str, Method]:
    methods = {name: from_upscaler(upscale) for name, upscale in resizers(arguments.scale).items()}
    for name in arguments.model:
        methods[name] = from_upscaler(
            open_model(name, backend=arguments.backend, threads=arguments.threads, scale=arguments.scale)
        )
    for kind, make in _METHOD_FACTORIES.items():
        for argument in getattr(arguments, kind):
            name, equals, value = argument.partition("=")
            if not (name and equals and value):
                raise UsageError.of(f"--{kind}", argument, "NAME=VALUE")
            if name in methods or name == TRUTH:
                raise UsageError(f"--{kind} {argument}: another row is named {name!r}; give a different name")
            methods[name] = make(value, arguments.scale)
    return methods


def _report(arguments: argparse.Namespace) -> Report:
    check_output("--json", arguments.json)
    default = PROTOCOLS[arguments.protocol]
    protocol = Protocol(
        default.first if arguments.first is None else arguments.first,
        default.crop if arguments.crop is None else arguments.crop,
        arguments.scale,
    )
    columns = parse_columns(arguments.metrics)
    measures = metrics_for(columns, raft=arguments.raft, threads=arguments.threads, scale=arguments.scale)
    methods = _methods(arguments)
    rows: list[Row] = []
    remarks: list[str] = []
    sets = arguments.set.split(",") if arguments.set else sets_in(arguments.data)
    for name in sets:
        paths_in(arguments.data, name)  # what is missing in the last set would end the run after hours
    for name in sets:
        scores, new_remarks = measure(read_cases(arguments.data, name, protocol), methods, measures)
        rows += [Row(method, name, clips) for method, clips in scores.items()]
        remarks += new_remarks
    return Report(tuple(rows), measures, protocol, tuple(remarks))


def main(argv: Sequence[str] | None = None) -> int:
    """Measures, prints the table and notes on it, and returns the exit status."""
    values = options.evaluation().parse_args(argv)
    return status("evaluate", lambda: _print(values))


def _print(arguments: argparse.Namespace) -> None:
    cv2.setNumThreads(1)
    report = _report(arguments)
    print(*([text_by_clip(report), ""] if arguments.by_clip else []), TABLES[arguments.table](report), "", sep="\n")
    print(*report.notes(), sep="\n")
    if arguments.json:
        write_text(arguments.json, json.dumps({**report.as_json(), "summary": summary_as_json(report)}, indent=1))


if __name__ == "__main__":
    raise SystemExit(main())

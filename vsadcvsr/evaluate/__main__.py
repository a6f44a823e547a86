"""How good and how steady upscalers are: `adcvsr evaluate --data DIR [--model fast …] [--videos NAME=FOLDER …]`.

DIR holds sets of clips, each clip a video or a folder of pictures: `clips/gt` and beside it, a quarter of the size,
a folder for each set; or, for each set, `SET/lr` and `SET/gt`; or just `lr` and `gt`. Without `gt` only what needs no
truth is measured. `photos_hr`, if there, is the set `photos`, shrunk by antialiased bicubic. Where `lr` and `gt` are of
one size `lr` is shrunk as well.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from vsadcvsr.commands import status
from vsadcvsr.errors import UsageError
from vsadcvsr.evaluate import options
from vsadcvsr.extras import needs

with needs("evaluate", "evaluate", __name__, options.evaluation):
    import cv2

    from vsadcvsr.evaluate.datasets import PROTOCOLS, Case, Protocol, cases_of, sets_in
    from vsadcvsr.evaluate.external_methods import Method, of_command, of_script, of_upscaler, of_videos
    from vsadcvsr.evaluate.methods import PLAIN, Timed, model_named, shown
    from vsadcvsr.evaluate.metrics.fidelity import scales_of
    from vsadcvsr.evaluate.metrics.registry import Measures, columns_named, measures_for
    from vsadcvsr.evaluate.metrics.temporal import Footage
    from vsadcvsr.evaluate.peers import of_peer
    from vsadcvsr.evaluate.report import TRUTH, Report, Row, Score, score_of, text, text_by_clip, text_of_paper
    from vsadcvsr.evaluate.summary import summary_as_json, text_of_summary

TABLES = {"methods": text, "paper": text_of_paper, "summary": text_of_summary}
_KINDS: dict[str, Callable[[str], Method]] = {
    "peer": lambda weights: of_peer(Path(weights)),
    "videos": lambda folder: of_videos(Path(folder)),
    "script": lambda script: of_script(Path(script)),
    "command": of_command,
}


def measure(
    cases: Iterator[Case], methods: Mapping[str, Method], measures: Measures
) -> tuple[dict[str, dict[str, Score]], list[str]]:
    """Scores by method and clip, and remarks. What a method makes is measured as 8-bit pixels hold it."""
    scores: dict[str, dict[str, Score]] = {}
    remarks: dict[str, None] = {}
    for case in cases:
        truth = Footage(case.truth) if case.truth else None
        for name, method in methods.items():
            began = time.perf_counter()
            made = method(case)
            frames = tuple(shown(frame) for frame in made)
            took = made.seconds if isinstance(made, Timed) else time.perf_counter() - began
            scores.setdefault(name, {})[case.name] = score_of(frames, truth, measures, seconds=took)
            print(f"{case.name}: {name}, {took:.1f} s, {time.perf_counter() - began:.1f} s in all", file=sys.stderr)
        if truth:
            scores.setdefault(TRUTH, {})[case.name] = score_of(truth.frames, truth, measures)
        remarks |= dict.fromkeys(_remarks(case, measures))
    # the truth comes last, also where the first clips of a set have none
    return {name: scores[name] for name in sorted(scores, key=lambda name: name == TRUTH)}, list(remarks)


def _remarks(case: Case, measures: Measures) -> Iterator[str]:
    if case.reduced:
        yield f"{case.set}: the clips have the size of the truth and were shrunk to a quarter first"
    scales = scales_of((case.size[1], case.size[0]))
    if "ms_ssim" in measures.columns and scales < 5 and case.truth:
        yield f"{case.set}: {case.name} has room for {scales} scales of MS-SSIM instead of 5"


def _methods(given: argparse.Namespace) -> dict[str, Method]:
    methods = {name: of_upscaler(upscale) for name, upscale in PLAIN.items()}
    for name in given.model:
        methods[name] = of_upscaler(model_named(name, backend=given.backend, threads=given.threads))
    for kind, make in _KINDS.items():
        for argument in getattr(given, kind):
            name, equals, value = argument.partition("=")
            if not (name and equals and value):
                raise UsageError.of(kind, argument, "NAME=VALUE")
            if name in methods or name == TRUTH:
                raise UsageError.of(kind, argument, "a name that no other row has")
            methods[name] = make(value)
    return methods


def _report(given: argparse.Namespace) -> Report:
    if given.json and not given.json.parent.is_dir():
        raise UsageError.of("json", str(given.json), "a file in a folder that is there")
    usual = PROTOCOLS[given.protocol]
    protocol = Protocol(
        usual.first if given.first is None else given.first, usual.crop if given.crop is None else given.crop
    )
    measures = measures_for(columns_named(given.metrics), raft=given.raft, threads=given.threads)
    methods = _methods(given)
    rows: list[Row] = []
    remarks: list[str] = []
    for name in given.set.split(",") if given.set else sets_in(given.data):
        scores, said = measure(cases_of(given.data, name, protocol), methods, measures)
        rows += [Row(method, name, clips) for method, clips in scores.items()]
        remarks += said
    return Report(tuple(rows), measures, protocol, tuple(remarks))


def main(argv: Sequence[str] | None = None) -> int:
    """Measures, prints the table and what has to be known of it, and returns the exit status."""
    given = options.evaluation().parse_args(argv)
    return status("evaluate", lambda: _print(given))


def _print(given: argparse.Namespace) -> None:
    cv2.setNumThreads(1)
    report = _report(given)
    print(*([text_by_clip(report), ""] if given.by_clip else []), TABLES[given.table](report), "", sep="\n")
    print(*report.notes(), sep="\n")
    if given.json:
        given.json.write_text(json.dumps({**report.as_json(), "summary": summary_as_json(report)}, indent=1))


if __name__ == "__main__":
    raise SystemExit(main())

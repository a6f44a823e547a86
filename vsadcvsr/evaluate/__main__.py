"""`python -m vsadcvsr.evaluate --data DIR [--model fast …]`: how good and how steady, beside plain resizing.

DIR holds `clips/gt`, and beside it one folder for each degraded set (`lr_real`, `lr_bicubic`, …) with files of the same
names at a quarter of the size; and `photos_hr`, which the set `photos` shrinks by antialiased bicubic.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2

from vsadcvsr.errors import AdcvsrError, FormatError
from vsadcvsr.evaluate.clips import PHOTO_ENDINGS, VIDEO_ENDINGS, files_in, frames_of, photo_of
from vsadcvsr.evaluate.report import Row, Score, as_json, score_of, text, text_by_clip
from vsadcvsr.evaluate.temporal import paths_of
from vsadcvsr.evaluate.upscalers import PLAIN, Upscaler, model_named, shown, shrunk
from vsadcvsr.spec import SCALE, Array

TRUTH = "ground truth"


@dataclass(frozen=True)
class Case:
    """A degraded clip beside its truth, frame by frame."""

    name: str
    low: tuple[Array, ...]
    truth: tuple[Array, ...]

    def __post_init__(self) -> None:
        low, high = self.low[0].shape[1:], self.truth[0].shape[1:]
        if len(self.low) != len(self.truth) or (low[0] * SCALE, low[1] * SCALE) != high:
            raise FormatError(
                f"{self.name}: {len(self.low)} frames of {low} do not fit {len(self.truth)} of {high} at x{SCALE}"
            )


def cases_of(data: Path, name: str) -> Iterator[Case]:
    """The cases of one set. Raises MediaError where a file is missing, FormatError where a pair does not fit."""
    if name == "photos":
        for path in files_in(data / "photos_hr", PHOTO_ENDINGS):
            photo = photo_of(path)
            truth = photo[:, : photo.shape[1] // SCALE * SCALE, : photo.shape[2] // SCALE * SCALE]
            yield Case(path.stem, (shrunk(truth),), (truth,))
        return
    for path in files_in(data / "clips" / name, VIDEO_ENDINGS):
        yield Case(path.stem, tuple(frames_of(path)), tuple(frames_of(data / "clips" / "gt" / path.name)))


def measure(cases: Iterator[Case], methods: dict[str, Upscaler]) -> dict[str, dict[str, Score]]:
    """Scores by method and clip. What a method makes is measured as 8-bit pixels hold it."""
    scores: dict[str, dict[str, Score]] = {name: {} for name in (*methods, TRUTH)}
    for case in cases:
        paths = paths_of(case.truth)
        for name, upscale in methods.items():
            began = time.perf_counter()
            scores[name][case.name] = score_of((shown(frame) for frame in upscale(case.low)), case.truth, paths)
            print(f"{case.name}: {name}, {time.perf_counter() - began:.1f} s", file=sys.stderr)
        scores[TRUTH][case.name] = score_of(case.truth, case.truth, paths)
    return scores


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m vsadcvsr.evaluate", description="Fidelity and steadiness.")
    parser.add_argument("--data", type=Path, required=True, help="a folder with clips/gt, clips/lr_…, photos_hr")
    parser.add_argument(
        "--model", nargs="*", default=[], help="names or paths of models; `NAME#no-temporal` runs every frame alone"
    )
    parser.add_argument("--set", default="lr_real,lr_bicubic,photos", help="sets, with commas between them")
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--by-clip", action="store_true", help="a line for every clip as well")
    parser.add_argument("--json", type=Path, help="write everything here")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Measures, prints the table, and returns the exit status."""
    given = _arguments(argv)
    cv2.setNumThreads(1)
    try:
        models = {name: model_named(name, backend=given.backend, threads=given.threads) for name in given.model}
        rows = [
            Row(method, name, clips)
            for name in given.set.split(",")
            for method, clips in measure(cases_of(given.data, name), PLAIN | models).items()
        ]
    except AdcvsrError as error:
        print(f"evaluate: {error}", file=sys.stderr)
        return 2
    print(*([text_by_clip(rows), ""] if given.by_clip else []), text(rows), sep="\n")
    if given.json:
        given.json.write_text(json.dumps(as_json(rows), indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""The table of a validation set: means over scenes with 95 % confidence intervals, and gains over bicubic.

Only independent samples count: clips of one scene (`dog_a` and `dog_c`, `lake` and its crop `lake_d`) are averaged
first, and so are, over several sets, the degradations of a scene. A gain is the difference scene by scene, so that its
interval is that of the gain and not of how scenes vary.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from vsadcvsr.evaluate.intervals import Estimate, estimate
from vsadcvsr.evaluate.methods import SOURCE
from vsadcvsr.evaluate.metrics.registry import COLUMNS
from vsadcvsr.evaluate.report import TRUTH, Report, Row, json_number, markdown_table
from vsadcvsr.video_io import scene_name

BASES = ("bicubic", SOURCE)
"""Baselines for gains, in order of preference: the first that was measured is used."""

type Numbers = dict[str, float]
"""A number for each scene."""


def text_of_summary(report: Report) -> str:
    """Two Markdown tables for each set, and for all sets together where there are several: means, and gains."""
    return "\n\n".join(_tables(name, rows, report.measures.columns) for name, rows in _groups(report))


def summary_as_json(report: Report) -> dict[str, object]:
    """The same numbers as plain values: for each set, method and column the mean and the gain with intervals.

    Intervals are half-widths.
    """
    return {
        name: {
            method: {column: _as_json(rows, method, column) for column in report.measures.columns}
            for method in dict.fromkeys(row.method for row in rows)
        }
        for name, rows in _groups(report)
    }


def numbers_of(rows: Sequence[Row], method: str, column: str) -> Numbers:
    """The mean of a column for each scene: over the frames of its clips, and the sets of `rows`."""
    values_by_scene: dict[str, list[float]] = {}
    for row in rows:
        if row.method == method:
            for name, score in row.clips.items():
                values_by_scene.setdefault(scene_name(name), []).append(score.mean(column))
    return {name: sum(values) / len(values) for name, values in values_by_scene.items()}


def gain_of(numbers: Numbers, base: Numbers) -> Estimate:
    """The mean difference, scene by scene, of the scenes that both have."""
    return estimate([value - base[name] for name, value in numbers.items() if name in base])


def _groups(report: Report) -> Iterator[tuple[str, list[Row]]]:
    sets = list(dict.fromkeys(row.set for row in report.rows))
    if len(sets) > 1:
        yield f"all {len(sets)} sets", list(report.rows)
    for name in sets:
        yield name, [row for row in report.rows if row.set == name]


def _as_json(rows: Sequence[Row], method: str, column: str) -> dict[str, float | int | None]:
    numbers = numbers_of(rows, method, column)
    mean, gain = estimate(list(numbers.values())), gain_of(numbers, numbers_of(rows, _base(rows), column))
    return {
        "mean": json_number(mean.mean),
        "interval": json_number(mean.half_width),
        "gain": json_number(gain.mean),
        "gain_interval": json_number(gain.half_width),
        "scenes": mean.count,
    }


def _base(rows: Sequence[Row]) -> str:
    methods = {row.method for row in rows}
    return next((name for name in BASES if name in methods), BASES[0])


def _tables(name: str, rows: Sequence[Row], columns: Sequence[str]) -> str:
    methods, base = list(dict.fromkeys(row.method for row in rows)), _base(rows)
    scenes = {scene_name(clip) for row in rows for clip in row.clips}
    means, gains = [], []
    for method in methods:
        numbers = [numbers_of(rows, method, column) for column in columns]
        estimates = [estimate(list(of.values())) for of in numbers]
        means.append([method, *(_cell(mean, column) for mean, column in zip(estimates, columns, strict=True))])
        if method not in (base, TRUTH) and base in methods:
            bases = [numbers_of(rows, base, column) for column in columns]
            differences = [gain_of(own, base) for own, base in zip(numbers, bases, strict=True)]
            gains.append(
                [method, *(_cell(gain, column, "+") for gain, column in zip(differences, columns, strict=True))]
            )
    heads = [COLUMNS[column].head_with_arrow for column in columns]
    text = markdown_table([[f"{name}, {len(scenes)} scenes", *heads], *means])
    return text + ("\n\n" + markdown_table([[f"{name}, over {base}", *heads], *gains]) if gains else "")


def _cell(estimate_: Estimate, column: str, sign: str = "") -> str:
    if math.isnan(estimate_.mean):
        return "-"
    form = COLUMNS[column].form
    reach = "" if math.isnan(estimate_.half_width) else f" ±{estimate_.half_width:{form}}"
    return f"{estimate_.mean:{sign}{form}}{reach}"

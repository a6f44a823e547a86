"""The table: what was measured on every clip, and the means, as text, Markdown or JSON."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np

from vsadcvsr.errors import FormatError
from vsadcvsr.evaluate.fidelity import fidelity
from vsadcvsr.evaluate.temporal import Path, paths_of, warping_error
from vsadcvsr.spec import Array


@dataclass(frozen=True)
class Score:
    """The means over the frames of one clip. PSNR in dB; E*warp x 1e3, along the truth's flow and along its own."""

    psnr_y: float
    ssim_y: float
    ssim7_y: float
    psnr_rgb: float
    ssim_rgb: float
    warp: float
    warp_own: float


@dataclass(frozen=True)
class Row:
    """One method on one set: its score on every clip."""

    method: str
    set: str
    clips: dict[str, Score]

    @property
    def mean(self) -> Score:
        """The mean over clips, every clip counting the same."""
        names = [field.name for field in fields(Score)]
        return Score(*(float(np.mean([getattr(score, name) for score in self.clips.values()])) for name in names))


COLUMNS: dict[str, tuple[str, str]] = {
    "psnr_y": ("PSNR-Y", ".2f"),
    "ssim_y": ("SSIM-Y", ".4f"),
    "ssim7_y": ("SSIM-Y 7x7", ".4f"),
    "warp": ("E*warp", ".2f"),
    "warp_own": ("E*warp own flow", ".2f"),
    "psnr_rgb": ("PSNR-RGB", ".2f"),
    "ssim_rgb": ("SSIM-RGB", ".4f"),
}


def score_of(frames: Iterable[Array], truth: Sequence[Array], paths: Sequence[Path]) -> Score:
    """Measures a clip against its truth, frame n with frame n. Raises FormatError where their counts differ."""
    clip = list(frames)
    if len(clip) != len(truth):
        raise FormatError(f"a clip of {len(clip)} frames cannot be compared with a truth of {len(truth)}")
    found = [fidelity(frame, true) for frame, true in zip(clip, truth, strict=True)]
    means = {name: float(np.mean([getattr(one, name) for one in found])) for name in asdict(found[0])}
    own = warping_error(clip, paths_of(clip)) if len(clip) > 1 else math.nan
    return Score(**means, warp=warping_error(clip, paths) if len(clip) > 1 else math.nan, warp_own=own)


def text(rows: Sequence[Row]) -> str:
    """The means as a Markdown table that also reads well as plain text, a set after the other."""
    heads = ["set", "method", *(head for head, _ in COLUMNS.values())]
    lines = [heads, *([row.set, row.method, *_cells(row.mean)] for row in rows)]
    return _laid_out(lines)


def text_by_clip(rows: Sequence[Row]) -> str:
    """Every clip's own line."""
    heads = ["set", "clip", "method", *(head for head, _ in COLUMNS.values())]
    lines = ([row.set, clip, row.method, *_cells(score)] for row in rows for clip, score in row.clips.items())
    return _laid_out([heads, *lines])


def as_json(rows: Sequence[Row]) -> list[dict[str, object]]:
    """Plain values; what is infinite or was not measured is null."""

    def plain(score: Score) -> dict[str, float | None]:
        return {name: round(value, 6) if math.isfinite(value) else None for name, value in asdict(score).items()}

    clean: Callable[[Row], dict[str, object]] = lambda row: {  # noqa: E731
        "method": row.method,
        "set": row.set,
        "mean": plain(row.mean),
        "clips": {name: plain(score) for name, score in row.clips.items()},
    }
    return [clean(row) for row in rows]


def _cells(score: Score) -> list[str]:
    values = ((getattr(score, name), form) for name, (_, form) in COLUMNS.items())
    return ["-" if math.isnan(value) else format(value, form) for value, form in values]


def _laid_out(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    drawn = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    ]
    return "\n".join([drawn[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *drawn[1:]])

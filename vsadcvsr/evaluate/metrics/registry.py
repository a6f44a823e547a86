"""Registry of the table's columns and their metrics: one number per frame, or none if a column does not apply."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from vsadcvsr.errors import BackendError, UsageError, near_misses
from vsadcvsr.evaluate.metrics import ssimulacra2_xpsnr, vmaf
from vsadcvsr.evaluate.metrics.detail import detail, sharpness
from vsadcvsr.evaluate.metrics.fidelity import fidelity, luma_fidelity, ms_ssim, scales_of
from vsadcvsr.evaluate.metrics.ssimulacra2_xpsnr import Scores
from vsadcvsr.evaluate.metrics.temporal import DIS, VARIANTS, ClipWithFlow, FlowNet, flicker, warping_by_variant
from vsadcvsr.extras import needs
from vsadcvsr.spec import Array

if TYPE_CHECKING:
    from vsadcvsr.evaluate.metrics.perceptual import PerceptualMetric


@dataclass(frozen=True)
class Column:
    """How a number is shown, and which way is better: 1 up, -1 down, 0 neither (the truth's own is the yardstick)."""

    head: str
    form: str
    better: int
    fast: bool = False
    summary: bool = False

    @property
    def head_with_arrow(self) -> str:
        """The head, with an arrow in the better direction."""
        return self.head + {1: " ↑", -1: " ↓", 0: ""}[self.better]


COLUMNS = {
    "psnr_y": Column("PSNR-Y", ".2f", 1, fast=True, summary=True),
    "ssim_y": Column("SSIM-Y", ".4f", 1, fast=True, summary=True),
    "ssim7_y": Column("SSIM-Y 7x7", ".4f", 1, fast=True),
    "ms_ssim": Column("MS-SSIM", ".4f", 1),
    "ssimulacra2": Column("SSIMULACRA2", ".2f", 1, summary=True),
    "vmaf": Column("VMAF", ".2f", 1, summary=True),
    "xpsnr": Column("XPSNR", ".2f", 1, summary=True),
    "features": Column("features", ".4f", -1, summary=True),
    "lpips": Column("LPIPS", ".4f", -1),
    "dists": Column("DISTS", ".4f", -1),
    "maniqa": Column("MANIQA", ".4f", 1),
    "clipiqa": Column("CLIPIQA", ".4f", 1),
    "musiq": Column("MUSIQ", ".2f", 1),
    "sharpness": Column("sharpness", ".3f", 0, fast=True, summary=True),
    "warp": Column("E*warp", ".2f", -1, fast=True, summary=True),
    "warp_own": Column("E*warp own flow", ".2f", -1, fast=True),
    "warp_ec": Column("E*warp EvalCrafter", ".2f", -1),
    "warp_raft": Column("E*warp RAFT", ".2f", -1),
    "warp_ec_raft": Column("E*warp EvalCrafter RAFT", ".2f", -1),
    "flicker": Column("flicker", ".2f", 0, fast=True),
    "detail": Column("detail", ".3f", 0, fast=True),
    "detail_r": Column("detail r", ".3f", 1, fast=True),
    "psnr_rgb": Column("PSNR-RGB", ".2f", 1, fast=True),
    "ssim_rgb": Column("SSIM-RGB", ".4f", 1, fast=True),
    "ms": Column("ms", ".1f", -1, summary=True),
}
CHOICES = {
    "fast": tuple(name for name, column in COLUMNS.items() if column.fast),
    "summary": tuple(name for name, column in COLUMNS.items() if column.summary),
    "all": tuple(COLUMNS),
}

type Series = Mapping[str, Sequence[float]]
type Metric = Callable[[ClipWithFlow, ClipWithFlow | None], Series]


@dataclass(frozen=True)
class MetricSet:
    """The requested columns, the metrics that fill them, and why some cannot be filled, a line each."""

    columns: tuple[str, ...]
    metrics: tuple[Metric, ...]
    nets: Mapping[str, FlowNet]
    reasons: tuple[str, ...] = ()

    def measure(self, clip: ClipWithFlow, truth: ClipWithFlow | None) -> dict[str, tuple[float, ...]]:
        """For every column one number a frame, NaN if there is none. A pair of frames counts for its second."""
        series = {name: values for metric in self.metrics for name, values in metric(clip, truth).items()}
        return {name: _per_frame(series.get(name, ()), len(clip.frames)) for name in self.columns}


def parse_columns(text: str) -> tuple[str, ...]:
    """The columns of `fast`, `summary`, `all`, or names with commas between; the table's order. Raises UsageError."""
    names = [name for part in text.split(",") for name in CHOICES.get(part, (part,))]
    unknown = [name for name in names if name not in COLUMNS]
    if unknown:
        allowed = f"{', '.join(CHOICES)} and {', '.join(COLUMNS)}"
        raise UsageError.of("metrics", unknown[0], allowed, near_misses(unknown[0], COLUMNS))
    return tuple(name for name in COLUMNS if name in names)


def metrics_for(columns: Sequence[str], *, raft: Path | None = None, threads: int = 0, scale: int = 4) -> MetricSet:
    """The metrics for `columns`; those that are unavailable here stay empty, and `reasons` says why."""
    metrics: list[Metric] = [metric for names, metric in _BUILT_IN.items() if set(names) & set(columns)]
    if _fidelity in metrics and not {"ssim7_y", "psnr_rgb", "ssim_rgb"} & set(columns):
        metrics[metrics.index(_fidelity)] = _luma_fidelity
    if {"detail", "detail_r"} & set(columns):
        metrics.append(partial(_detail, scale))
    reasons: list[str] = []
    nets = {name: DIS for name in VARIANTS if name in columns}
    for name, make in _OPTIONAL.items():
        if name in columns:
            _attempt(partial(_add_scores, metrics, name, make, threads), reasons)
    for name in PERCEPTUAL:
        if name in columns:
            _attempt(partial(_add_perceptual, metrics, name), reasons)
    raft_columns = [name for name in RAFT_VARIANTS if name in columns]
    if raft_columns:
        _attempt(lambda: nets.update(dict.fromkeys(raft_columns, _raft(raft))), reasons)
    metrics += [partial(_warp, name, net) for name, net in nets.items()]
    return MetricSet(tuple(columns), tuple(metrics), nets, tuple(reasons))


PERCEPTUAL = ("lpips", "dists", "maniqa", "clipiqa", "musiq")
RAFT_VARIANTS = {"warp_raft": "warp", "warp_ec_raft": "warp_ec"}


def _per_frame(values: Sequence[float], count: int) -> tuple[float, ...]:
    """One value a frame: what pairs gave counts for the second of each, what threes gave for the middle one."""
    missing = count - len(values) if values else count
    before = (missing + 1) // 2 if values else missing
    return (*[math.nan] * before, *values, *[math.nan] * (missing - before))


def _attempt(attempt: Callable[[], object], reasons: list[str]) -> None:
    try:
        attempt()
    except BackendError as error:
        reasons.append(str(error))


def _add_perceptual(metrics: list[Metric], name: str) -> None:
    with needs("torch", name):
        from vsadcvsr.evaluate.metrics import perceptual
    metrics.append(partial(_perceptual, name, perceptual.open_metric(name), perceptual.METRICS[name].against_truth))


def _raft(weights: Path | None) -> FlowNet:
    if weights is None:
        raise BackendError(
            "E*warp along RAFT needs --raft WEIGHTS, torchvision's raft_large; nothing is downloaded here"
        )
    with needs("torch", "RAFT"):
        from vsadcvsr.evaluate.metrics.perceptual import raft
    return raft(weights)


def _fidelity(clip: ClipWithFlow, truth: ClipWithFlow | None) -> Series:
    results = [asdict(fidelity(frame, reference)) for frame, reference in _pairs(clip, truth)]
    return {name: [result[name] for result in results] for name in results[0]} if results else {}


def _luma_fidelity(clip: ClipWithFlow, truth: ClipWithFlow | None) -> Series:
    results = [luma_fidelity(frame, reference) for frame, reference in _pairs(clip, truth)]
    return {"psnr_y": [peak for peak, _ in results], "ssim_y": [structure for _, structure in results]}


def _ms_ssim(clip: ClipWithFlow, truth: ClipWithFlow | None) -> Series:
    pairs = [pair for pair in _pairs(clip, truth) if scales_of(pair[0].shape)]
    return {"ms_ssim": [ms_ssim(frame, reference) for frame, reference in pairs]}


def _detail(scale: int, clip: ClipWithFlow, truth: ClipWithFlow | None) -> Series:
    results = [detail(frame, reference, scale) for frame, reference in _pairs(clip, truth)]
    return {"detail": [amount for amount, _ in results], "detail_r": [right for _, right in results]}


def _sharpness(clip: ClipWithFlow, truth: ClipWithFlow | None) -> Series:
    return {"sharpness": [sharpness(frame, reference) for frame, reference in _pairs(clip, truth)]}


def _flicker(clip: ClipWithFlow, truth: ClipWithFlow | None) -> Series:
    return {"flicker": flicker(clip.frames)}


def _warp(name: str, net: FlowNet, clip: ClipWithFlow, truth: ClipWithFlow | None) -> Series:
    return {name: warping_by_variant(VARIANTS[RAFT_VARIANTS.get(name, name)], net, clip, truth)}


def _perceptual(
    name: str, metric: PerceptualMetric, against_truth: bool, clip: ClipWithFlow, truth: ClipWithFlow | None
) -> Series:
    if against_truth:
        return {name: [metric(image, reference) for image, reference in _pairs(clip, truth)]}
    return {name: [metric(frame, None) for frame in clip.frames]}


def _add_scores(metrics: list[Metric], name: str, make: Callable[[int], Scores], threads: int) -> None:
    scores = make(threads)
    metrics.append(lambda clip, truth: {name: scores(clip.frames, truth.frames) if truth else []})


def _features(_: int) -> Scores:
    with needs("peers", "the feature distance"):
        from vsadcvsr.evaluate.metrics import perceptual
    return perceptual.features()


def _pairs(clip: ClipWithFlow, truth: ClipWithFlow | None) -> Iterable[tuple[Array, Array]]:
    return zip(clip.frames, truth.frames, strict=True) if truth else ()


_OPTIONAL: dict[str, Callable[[int], Scores]] = {
    "ssimulacra2": lambda _: ssimulacra2_xpsnr.open_metric("ssimulacra2"),
    "vmaf": vmaf.open_vmaf,
    "xpsnr": lambda _: ssimulacra2_xpsnr.open_metric("xpsnr"),
    "features": _features,
}
"""Metrics for every frame of a clip against its truth that need optional packages."""

_BUILT_IN: dict[tuple[str, ...], Metric] = {
    ("psnr_y", "ssim_y", "ssim7_y", "psnr_rgb", "ssim_rgb"): _fidelity,
    ("ms_ssim",): _ms_ssim,
    ("sharpness",): _sharpness,
    ("flicker",): _flicker,
}

"""Students, the networks that are trained on the output of a teacher: one interface for both families."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from vsadcvsr.blending import Blend
from vsadcvsr.errors import UsageError
from vsadcvsr.nets import export
from vsadcvsr.nets.compact import BASE, FAST, CompactDims, CompactStudent
from vsadcvsr.nets.paper.config import PAPER, PaperDims
from vsadcvsr.nets.paper.model import PaperStudent
from vsadcvsr.nets.weights_file import load_weights
from vsadcvsr.train.settings import TrainSettings

type Dims = CompactDims | PaperDims
type Student = CompactStudent | PaperStudent

PIXEL_LAYERS = ("stem", "skip")
"""The layers of a compact student that take the frame itself."""

_SHARES = (0.0, 0.5, 1.0)  # of the most restoring weights

STUDENTS: dict[str, Dims] = {dims.name: dims for dims in (FAST, BASE, PAPER)}


def dims_of(model: str, scale: int) -> Dims:
    """The dimensions of a student of that name at a scale. Raises UsageError."""
    if model not in STUDENTS:
        raise UsageError.of("model", model, ", ".join(STUDENTS))
    dims = STUDENTS[model]
    if isinstance(dims, CompactDims):
        return replace(dims, scale=scale)
    if scale != dims.spec.scale:
        raise UsageError.of("scale", scale, f"{dims.spec.scale} for {model!r}")
    return dims


def compact_dims(model: str, scale: int) -> CompactDims:
    """The dimensions of a compact student of that name at a scale. Raises UsageError."""
    dims = STUDENTS.get(model)
    if not isinstance(dims, CompactDims):
        names = (name for name, dims in STUDENTS.items() if isinstance(dims, CompactDims))
        raise UsageError.of("--model", model, f"{', '.join(names)} (compact students)")
    return replace(dims, scale=scale)


def run_over(student: CompactStudent, clips: Iterable[Tensor]) -> None:
    """Runs a student over clips (T, 3, H, W), for what hooks of its layers observe."""
    with torch.inference_mode():
        for clip in clips:
            student(clip, links(1, len(clip)))


def blended(weights: Path, restoring: Path | None, max_denoise: float = 1.0) -> Iterator[CompactStudent]:
    """The compact student of a file, and if it has restoring weights, with half and all of `max_denoise` of them: what
    is measured of these holds in between. Raises WeightsError.
    """
    for share in _SHARES if restoring else _SHARES[:1]:
        yield export.load_weights(weights, Blend(restoring, share * max_denoise) if restoring else None)


def rescaled(student: CompactStudent, scale: int) -> CompactStudent:
    """A student of another scale with the same weights, for training.

    Its head makes the means of the areas of detail that a pixel of it holds where the old scale is a multiple of the
    new one, and no detail otherwise.
    """
    dims = student.dims
    other, weights = CompactStudent(replace(dims, scale=scale)), student.state_dict()
    for name in ("head.weight", "head.bias"):
        detail, tone = weights[name].split([dims.detail_channels, len(weights[name]) - dims.detail_channels])
        weights[name] = torch.cat([_rescaled_detail(detail, dims.scale, scale), tone])
    other.load_state_dict(weights)
    return other


def _rescaled_detail(detail: Tensor, old: int, new: int) -> Tensor:
    """Rows of a head for a grid of (2 new, 2 new) pixels, from those for (2 old, 2 old)."""
    if old % new:
        return detail.new_zeros((2 * new) ** 2, *detail.shape[1:])
    step = old // new
    return detail.view(2 * new, step, 2 * new, step, *detail.shape[1:]).mean((1, 3)).flatten(0, 1)


def new_student(dims: Dims) -> Student:
    """A network of these dimensions, from torch's current random state."""
    return CompactStudent(dims) if isinstance(dims, CompactDims) else PaperStudent(dims)


def initial_student(settings: TrainSettings) -> Student:
    """The student at the start of a run. UsageError for an unknown model, or if `begin` has other dimensions."""
    dims = dims_of(settings.model, settings.scale)
    student = load_weights(settings.begin).train() if settings.begin else new_student(dims)
    if isinstance(student, CompactStudent) and student.dims.scale != settings.scale:
        student = rescaled(student, settings.scale)
    if student.dims != dims:
        raise UsageError(
            f"the weights in {settings.begin} have other dimensions than model {settings.model!r}; change one"
        )
    if settings.temporal_only:
        student.requires_grad_(requires_grad=False)
        for name, value in student.named_parameters():
            value.requires_grad_(_is_temporal(name))
    return student.to(memory_format=torch.channels_last)


def _is_temporal(name: str) -> bool:
    return name.startswith(("temporal.", "late_temporal.")) or "_time." in name


def reconstruct(student: Student, features: Tensor, frames: Tensor) -> Tensor:
    """Second half of the clip form: features and their frames (T, 3, H, W) to output (T, 3, sH, sW)."""
    if not isinstance(student, CompactStudent):
        return student.reconstruct(features)
    base, detail = student.base_and_detail(features, frames)
    return upsample_bilinear(base, student.dims.scale) + detail.unsqueeze(1)


def upsample_bilinear(base: Tensor, scale: int) -> Tensor:
    """Bilinear upscale of (T, 3, H, W) as matrix products: on a CPU five times as fast as `interpolate`, forward and
    backward.
    """
    if scale == 1:
        return base.float()
    with torch.autocast(base.device.type, enabled=False):
        rows, columns = (_bilinear(side, scale, base.device) for side in base.shape[2:])
        return rows @ base.float() @ columns.T


@lru_cache(maxsize=8)
def _bilinear(side: int, scale: int, device: torch.device) -> Tensor:
    """The matrix (scale * side, side) of the bilinear enlargement of a line."""
    lines = torch.eye(side, device=device)[None]
    return F.interpolate(lines, scale_factor=float(scale), mode="linear")[0].T.contiguous()


def links(batch: int, frames: int) -> Tensor:
    """Links (B * T,) of clips laid end to end: each begins again."""
    linked = torch.ones(batch, frames)
    linked[:, 0] = 0
    return linked.flatten()

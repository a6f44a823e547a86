"""Students that can be trained, with one interface for both families."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from vsadcvsr.errors import UsageError
from vsadcvsr.nets.compact import BASE, FAST, CompactDims, CompactStudent
from vsadcvsr.nets.paper.config import PAPER, PaperDims
from vsadcvsr.nets.paper.model import PaperStudent
from vsadcvsr.nets.weights_file import load_weights
from vsadcvsr.spec import SCALE
from vsadcvsr.train.settings import TrainSettings

type Dims = CompactDims | PaperDims
type Student = CompactStudent | PaperStudent

STUDENTS: dict[str, Dims] = {dims.name: dims for dims in (FAST, BASE, PAPER)}


def new_student(dims: Dims) -> Student:
    """A network of these dimensions, from torch's current random state."""
    return CompactStudent(dims) if isinstance(dims, CompactDims) else PaperStudent(dims)


def initial_student(settings: TrainSettings) -> Student:
    """The student at the start of a run. UsageError for an unknown model, or if `begin` has other dimensions."""
    if settings.model not in STUDENTS:
        raise UsageError.of("model", settings.model, ", ".join(STUDENTS))
    dims = STUDENTS[settings.model]
    student = load_weights(settings.begin).train() if settings.begin else new_student(dims)
    if student.dims != dims:
        raise UsageError.of("begin", str(settings.begin), f"weights of a student like {settings.model!r}")
    if settings.temporal_only:
        student.requires_grad_(requires_grad=False)
        for name, value in student.named_parameters():
            value.requires_grad_(_is_temporal(name))
    return student.to(memory_format=torch.channels_last)


def _is_temporal(name: str) -> bool:
    return name.startswith(("temporal.", "settle.")) or "_time." in name


def reconstruct(student: Student, features: Tensor, frames: Tensor) -> Tensor:
    """Second half of the clip form: features and their frames (T, 3, H, W) to output (T, 3, 4H, 4W)."""
    if not isinstance(student, CompactStudent):
        return student.reconstruct(features)
    base, detail = student.base_and_detail(features, frames)
    return upsample_bilinear(base) + detail.unsqueeze(1)


def upsample_bilinear(base: Tensor) -> Tensor:
    """Bilinear x4 of (T, 3, H, W) as matrix products: on a CPU five times as fast as `interpolate`, forward and
    backward.
    """
    with torch.autocast(base.device.type, enabled=False):
        rows, columns = (_bilinear(side, base.device) for side in base.shape[2:])
        return rows @ base.float() @ columns.T


@lru_cache(maxsize=8)
def _bilinear(side: int, device: torch.device) -> Tensor:
    """The matrix (4 side, side) of the bilinear enlargement of a line."""
    lines = torch.eye(side, device=device)[None]
    return F.interpolate(lines, scale_factor=float(SCALE), mode="linear")[0].T.contiguous()


def links(batch: int, frames: int) -> Tensor:
    """Links (B * T,) of clips laid end to end: each begins again."""
    linked = torch.ones(batch, frames)
    linked[:, 0] = 0
    return linked.flatten()

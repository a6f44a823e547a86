"""The networks that can be trained, and one face for the two families."""

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


def blank(dims: Dims) -> Student:
    """A network of these dimensions, from torch's current random state."""
    return CompactStudent(dims) if isinstance(dims, CompactDims) else PaperStudent(dims)


def first_student(settings: TrainSettings) -> Student:
    """What a run begins with. UsageError where the model is not known or `begin` has other dimensions."""
    if settings.model not in STUDENTS:
        raise UsageError.of("model", settings.model, ", ".join(STUDENTS))
    dims = STUDENTS[settings.model]
    student = load_weights(settings.begin).train() if settings.begin else blank(dims)
    if student.dims != dims:
        raise UsageError.of("begin", str(settings.begin), f"weights of a student like {settings.model!r}")
    if settings.temporal_only:
        student.requires_grad_(requires_grad=False)
        for name, value in student.named_parameters():
            value.requires_grad_(_is_temporal(name))
    return student.to(memory_format=torch.channels_last)


def _is_temporal(name: str) -> bool:
    return name.startswith(("temporal.", "settle.")) or "_time." in name


def pictures(student: Student, features: Tensor, frames: Tensor) -> Tensor:
    """The second half of the clip form: features and the frames (T, 3, H, W) they come from to (T, 3, 4H, 4W)."""
    if not isinstance(student, CompactStudent):
        return student.pictures(features)
    base, detail = student.drawn(features, frames)
    return enlarged(base) + detail.unsqueeze(1)


def enlarged(base: Tensor) -> Tensor:
    """Bilinear x4 of (T, 3, H, W) as products of matrices: on a CPU five times as fast as `interpolate`, both ways."""
    with torch.autocast(base.device.type, enabled=False):
        rows, columns = (_bilinear(side, base.device) for side in base.shape[2:])
        return rows @ base.float() @ columns.T


@lru_cache(maxsize=8)
def _bilinear(side: int, device: torch.device) -> Tensor:
    """The matrix (4 side, side) of the bilinear enlargement of a line."""
    lines = torch.eye(side, device=device)[None]
    return F.interpolate(lines, scale_factor=float(SCALE), mode="linear")[0].T.contiguous()


def links(batch: int, frames: int) -> Tensor:
    """Links (B * T,) of clips laid end to end: each begins anew."""
    linked = torch.ones(batch, frames)
    linked[:, 0] = 0
    return linked.flatten()

"""The two domains of stage 2 for each family: who judges there, and what features are aimed at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import safetensors
import safetensors.torch
import torch

from vsadcvsr.errors import UsageError, WeightsError
from vsadcvsr.nets.compact import CompactStudent
from vsadcvsr.train.adversarial.convnext import ConvNextTrunk
from vsadcvsr.train.adversarial.discriminators import Discriminator, PixelTrunk, feature_trunk, split_heads
from vsadcvsr.train.adversarial.feature_targets import Encoder, Targets
from vsadcvsr.train.adversarial.feature_targets_paper import PaperTargets
from vsadcvsr.train.settings import Adversarial
from vsadcvsr.train.students import Student


def judges_of(stage: Adversarial, student: Student) -> dict[str, Discriminator]:
    """A discriminator for each domain that is asked for."""
    width = stage.width
    heads = split_heads(width, stage.detail_share) if stage.heads == "dual" else {"both": width}
    trunks: dict[str, Callable[[], object]] = {
        "pixel": lambda: PixelTrunk(width) if isinstance(student, CompactStudent) else _tower(stage),
        "feature": lambda: feature_trunk(student),
    }
    return {name: Discriminator(trunks[name](), width, heads) for name in stage.domains}  # type: ignore[arg-type]


def targets_of(stage: Adversarial, student: Student) -> Targets:
    """What makes feature targets of pictures. Raises UsageError, WeightsError, BackendError where parts are missing."""
    if isinstance(student, CompactStudent):
        return Encoder(student.dims.width)
    return PaperTargets.of(_needed(stage, "vae"), _needed(stage, "half_decoder"), student)


def _tower(stage: Adversarial) -> ConvNextTrunk:
    path = _needed(stage, "tower")
    try:
        tensors = safetensors.torch.load_file(path)
    except (OSError, safetensors.SafetensorError) as error:
        hint = "give OpenCLIP's convnext_xxlarge"
        raise WeightsError(f"{path} cannot be read as safetensors ({error}); {hint}") from error
    with torch.device("meta"):
        trunk = ConvNextTrunk()
    trunk.load_open_clip(tensors)
    return trunk


def _needed(stage: Adversarial, name: str) -> Path:
    path = getattr(stage, name)
    if not isinstance(path, Path):
        raise UsageError(f"the setting adversarial.{name} is missing; the paper's student needs it in stage 2")
    return path

"""Discriminators and feature targets of stage 2, for each family."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import safetensors
import safetensors.torch
import torch

from vsadcvsr.errors import UsageError, WeightsError
from vsadcvsr.nets.compact import CompactStudent
from vsadcvsr.nets.efficientnet import trunk
from vsadcvsr.train.adversarial.convnext import ConvNextTrunk
from vsadcvsr.train.adversarial.discriminators import (
    Discriminator,
    PixelTrunk,
    PretrainedTrunk,
    feature_trunk,
    split_heads,
)
from vsadcvsr.train.adversarial.feature_targets import FeatureEncoder, FeatureTargets
from vsadcvsr.train.adversarial.feature_targets_paper import PaperFeatureTargets
from vsadcvsr.train.settings import AdversarialSettings
from vsadcvsr.train.students import Student


def check_pretrained(stage: AdversarialSettings, student: Student) -> None:
    """Raises UsageError, WeightsError or BackendError for a pretrained part that is missing: the second stage needs it,
    which begins when the first has taken its hours.
    """
    compact, pixel = isinstance(student, CompactStudent), "pixel" in stage.domains
    if stage.perceptual or (compact and pixel and stage.trunk == "efficientnet"):
        trunk()
    for name in () if compact else ("vae", "half_decoder", *(["convnext_weights"] if pixel else [])):
        if not (path := _required_path(stage, name)).exists():
            raise UsageError(f"adversarial.{name} is {path}, which does not exist; give the path of what it names")


def make_discriminators(stage: AdversarialSettings, student: Student) -> dict[str, Discriminator]:
    """A discriminator for each requested domain."""
    width = stage.width
    heads = split_heads(width, stage.detail_share) if stage.heads == "dual" else {"both": width}
    trunks: dict[str, Callable[[], object]] = {
        "pixel": lambda: _pixel_trunk(stage) if isinstance(student, CompactStudent) else _convnext(stage),
        "feature": lambda: feature_trunk(student),
    }
    return {name: Discriminator(trunks[name](), width, heads) for name in stage.domains}  # type: ignore[arg-type]


def _pixel_trunk(stage: AdversarialSettings) -> PixelTrunk | PretrainedTrunk:
    return PretrainedTrunk(trunk(), stage.width) if stage.trunk == "efficientnet" else PixelTrunk(stage.width)


def make_feature_targets(stage: AdversarialSettings, student: Student) -> FeatureTargets:
    """Feature targets of images. Raises UsageError, WeightsError, BackendError if parts are missing."""
    if isinstance(student, CompactStudent):
        return FeatureEncoder(student.dims.width, student.dims.scale)
    return PaperFeatureTargets.load(_required_path(stage, "vae"), _required_path(stage, "half_decoder"), student)


def _convnext(stage: AdversarialSettings) -> ConvNextTrunk:
    path = _required_path(stage, "convnext_weights")
    try:
        tensors = safetensors.torch.load_file(path)
    except (OSError, safetensors.SafetensorError) as error:
        hint = "give OpenCLIP's convnext_xxlarge"
        raise WeightsError(f"{path} cannot be read as safetensors ({error}); {hint}") from error
    with torch.device("meta"):
        trunk = ConvNextTrunk()
    trunk.load_open_clip(tensors)
    return trunk


def _required_path(stage: AdversarialSettings, name: str) -> Path:
    path = getattr(stage, name)
    if not isinstance(path, Path):
        raise UsageError(f"the setting adversarial.{name} is missing; the paper's student needs it in stage 2")
    return path

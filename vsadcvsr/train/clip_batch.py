"""A batch of clips on a device, with the target of its regression."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from torch import Tensor

from vsadcvsr.train.data.dataset import Batch
from vsadcvsr.train.data.device_dataset import DeviceBatch, to_device
from vsadcvsr.train.losses import regression
from vsadcvsr.train.settings import StageSettings
from vsadcvsr.train.students import links


@dataclass(frozen=True)
class ClipBatch:
    """B clips of T frames on a device: truth and target (B, T, 3, sH, sW), low (B, T, 3, H, W), links (B * T,)."""

    truth: Tensor
    low: Tensor
    target: Tensor
    links: Tensor

    @classmethod
    def from_batch(cls, batch: Batch | DeviceBatch, device: torch.device, teacher_share: float = 1.0) -> ClipBatch:
        """The batch, with a target of which `teacher_share` is the teacher's and the rest the truth."""
        truth, low = (to_device(values, device) for values in (batch.truth, batch.low))
        target = truth
        if batch.target is not batch.truth:
            target = torch.lerp(truth, to_device(batch.target, device), teacher_share)
        return cls(truth, low, target, links(*batch.low.shape[:2]).to(device))

    def with_cuts(self, share: float, rng: np.random.Generator) -> Self:
        """The clips, of which a share is cut into single frames, and of the others as large a share at one place."""
        linked = self.links.view(self.low.shape[:2]).clone()
        apart, once = rng.random((2, len(linked))) < share
        for clip, (is_apart, is_cut) in enumerate(zip(apart, once, strict=True)):
            if is_apart:
                linked[clip] = 0
            elif is_cut:
                linked[clip, int(rng.integers(linked.shape[1]))] = 0
        return replace(self, links=linked.flatten())

    def regression(self, result: Tensor, stage: StageSettings) -> Tensor:
        """The regression loss of a result (B * T, 3, 4s, 4s)."""
        images = result.float().view(self.target.shape)
        truth = None if self.target is self.truth else self.truth
        return regression(images, self.target, stage, truth, scale=images.shape[-1] // self.low.shape[-1])

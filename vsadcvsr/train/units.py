"""Units between the two layers of a compact student's blocks: how much each of them does.

Training at a high rate kills units: one that is below zero for every input has no gradient, and never returns.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from vsadcvsr.nets.compact import CompactStudent
from vsadcvsr.train.data.dataset import Dataset
from vsadcvsr.train.students import run_over

_FRAMES = 3  # of a source


def contributions(student: CompactStudent, clips: Sequence[Tensor]) -> dict[str, Tensor]:
    """How much each unit between a block's layers adds to the features over clips (T, 3, H, W), by the name of the
    block (`blocks.0`, `temporal.1`): the root mean square of its values, times the length of its weights.
    """
    sums: dict[str, Tensor] = {}

    def noting(name: str, layer: nn.Conv2d, groups: int) -> torch.utils.hooks.RemovableHandle:
        lengths = layer.weight.detach().square().sum((0, 2, 3))

        def note(_: nn.Module, inputs: tuple[Tensor]) -> None:
            power = (inputs[0].square().mean((0, 2, 3)) * lengths).view(groups, -1).sum(0)
            sums[name] = sums.get(name, torch.zeros_like(power)) + power / len(clips)

        return layer.register_forward_pre_hook(note)

    layers = {name: layer for name, layer in student.named_modules() if isinstance(layer, nn.Conv2d)}
    hooks = [noting(f"blocks.{index}", layers[f"blocks.{index}.second"], 1) for index in range(student.dims.blocks)]
    hooks += [noting(f"temporal.{site}", layers[f"temporal.{site}.second.taps"], 3) for site in student.dims.sites]
    run_over(student, clips)
    for hook in hooks:
        hook.remove()
    return {name: power.sqrt() for name, power in sums.items()}


def sources(folder: Path, scale: int, count: int) -> Sequence[Tensor]:
    """So many sources (T, 3, H, W) of a pool for students of that scale."""
    pool = Dataset(folder, scale=scale)
    frames, *sides = pool.shard(0)[1].shape[1:4]
    batch = pool.batch(np.random.default_rng(0), count, frames=min(_FRAMES, frames), lr_size=min(sides) // 4 * 4)
    return list(torch.from_numpy(batch.low))

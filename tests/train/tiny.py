"""A tiny student and pools of synthetic clips."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from vsadcvsr.nets.compact import CompactDims
from vsadcvsr.train.data.shards import write_shard

TINY = CompactDims(name="tiny", width=4, quarter_width=4, blocks=1, refine=1, sites=(0,), late_temporal=True)

HALF_SIZE = replace(TINY, quarter_width=0, blocks=0, sites=())


def fill_pool(folder: Path, *, clips: int = 4, frames: int = 4, side: int = 16, scale: int = 4) -> Path:
    """A pool of one shard: patterns that move by a pixel a frame, and at scale 4 every fourth pixel of them."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(5)
    field = rng.integers(0, 255, (clips, scale * side + frames, scale * side, 3)).astype(np.uint8)
    truth = np.stack([field[:, step : step + scale * side] for step in range(frames)], 1)
    write_shard(folder, 0, "low", np.ascontiguousarray(truth[:, :, ::scale, ::scale]))
    write_shard(folder, 0, "truth", truth)
    return folder


def equal(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    """Whether tensors of the first are those of the second, to the bit."""
    return all(torch.equal(value, second[name]) for name, value in first.items())

"""Image networks as teachers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.nets.test_image_networks import compact
from tests.requirements import requires
from tests.train.tiny import fill_pool
from vsadcvsr.engine import Engine
from vsadcvsr.errors import UsageError
from vsadcvsr.train.clip_batch import ClipBatch
from vsadcvsr.train.data.dataset import Dataset
from vsadcvsr.train.data.shards import shard_path
from vsadcvsr.train.teachers import label


def test_a_pool_is_labelled_frame_by_frame(tmp_path: Path) -> None:
    requires("spandrel")
    pool = fill_pool(tmp_path / "pool", clips=2, frames=2, side=8)
    weights = compact(tmp_path / "tiny.safetensors")
    assert label.main([str(pool), "--teacher", "spandrel", "--weights", str(weights), "--name", "tiny"]) == 0
    low, targets = (np.load(shard_path(pool, 0, kind)) for kind in ("low", "tiny"))
    frame = low[1, 1].transpose(2, 0, 1).astype(np.float32) / 255
    expected = next(Engine.open(weights).stream([frame])).transpose(1, 2, 0) * 255
    assert np.abs(targets[1, 1] - expected).max() <= 0.51


def test_a_teacher_of_spandrel_needs_a_weights_file(tmp_path: Path) -> None:
    pool = fill_pool(tmp_path / "pool", clips=1, frames=2, side=8)
    with pytest.raises(UsageError, match="name its file with --weights"):
        label.main([str(pool), "--teacher", "spandrel"])
    with pytest.raises(UsageError, match="teacher is"):
        label.main([str(pool), "--teacher", "spandrel", "--name", "truth"])


def test_a_target_is_shared_with_the_truth(tmp_path: Path) -> None:
    pool = fill_pool(tmp_path / "pool", clips=2, frames=2, side=8)
    truth = np.load(shard_path(pool, 0, "truth"))
    np.save(shard_path(pool, 0, "inverse"), 255 - truth)
    batch = Dataset(pool, teacher="inverse").batch(np.random.default_rng(0), 2, frames=2, lr_size=8)
    clips = ClipBatch.from_batch(batch, torch.device("cpu"), 0.25)
    assert torch.allclose(clips.target, 0.75 * clips.truth + 0.25 * (1 - clips.truth), atol=1e-6)

"""Compressed shards, pools of a given size, and pools in the memory of a device."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from tests.train.media import blobs
from tests.train.tiny import fill_pool
from vsadcvsr.errors import MediaError, UsageError
from vsadcvsr.train.data import build
from vsadcvsr.train.data.build import DatasetPlan, build_shards
from vsadcvsr.train.data.dataset import Dataset
from vsadcvsr.train.data.device_dataset import DeviceDataset, on_device
from vsadcvsr.train.data.library import SourceFiles
from vsadcvsr.train.data.shards import clip_count, read_shard, shard_numbers, shard_path, write_shard
from vsadcvsr.train.degradations.mix import Mix
from vsadcvsr.train.teachers.label import teacher_inputs


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    cv2.imwrite(str(folder / "one.png"), blobs(0))
    return folder


def plan(pictures: Path, out: Path, **options: bool | int) -> DatasetPlan:
    return DatasetPlan(SourceFiles.scan([pictures], frames=2, size=64), out, mix=Mix.parse("clean=1"), **options)  # type: ignore[arg-type]


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def test_a_compressed_pool_is_smaller_and_nearly_the_same(pictures: Path, tmp_path: Path) -> None:
    build_shards(plan(pictures, tmp_path / "plain"), range(1), jobs=1)
    build_shards(plan(pictures, tmp_path / "dense", compressed=True), range(1), jobs=1)
    assert build_shards(plan(pictures, tmp_path / "dense", compressed=True), range(1), jobs=1) == 0
    assert size(tmp_path / "dense") < size(tmp_path / "plain") / 3
    plain, dense = (Dataset(tmp_path / name).shard(0) for name in ("plain", "dense"))
    assert np.array_equal(plain[1], dense[1])
    assert plain[0].shape == dense[0].shape
    luma = [clips[0].astype(float) @ (0.299, 0.587, 0.114) for clips in (plain, dense)]
    assert np.abs(luma[0] - luma[1]).mean() < 2
    assert [clip.low.shape for clip in teacher_inputs(tmp_path / "dense", 0)] == [(2, 16, 16, 3)] * 16
    with pytest.raises(UsageError, match="scale is 2, allowed: 4"):
        Dataset(tmp_path / "dense", scale=2)


def test_a_compressed_shard_has_the_same_bytes_each_time(pictures: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        build_shards(plan(pictures, tmp_path / name, compressed=True), range(1), jobs=1)
    assert [path.read_bytes() for path in sorted((tmp_path / "one").iterdir())] == [
        path.read_bytes() for path in sorted((tmp_path / "two").iterdir())
    ]


def test_a_limit_keeps_the_first_shards_whatever_the_order_of_building(pictures: Path, tmp_path: Path) -> None:
    build_shards(plan(pictures, tmp_path / "whole"), range(5), jobs=1)
    limit = 3 * size(tmp_path / "whole") // 5 + 1000
    assert build_shards(plan(pictures, tmp_path / "one", limit=limit), range(5), jobs=1) == 3
    build_shards(plan(pictures, tmp_path / "two"), range(5), jobs=1)
    plan(pictures, tmp_path / "two", limit=limit).trim(range(5))  # what several processes had begun
    for name in ("one", "two"):
        assert shard_numbers(tmp_path / name) == [0, 1, 2]
        assert size(tmp_path / name) <= limit
    assert build_shards(plan(pictures, tmp_path / "one", limit=limit), range(5), jobs=1) == 0
    assert shard_numbers(tmp_path / "one") == [0, 1, 2]
    with pytest.raises(UsageError, match="is larger than --mib 1 already"):
        build_shards(plan(pictures, tmp_path / "whole", limit=limit), range(5), jobs=1)
    assert shard_numbers(tmp_path / "whole") == [0, 1, 2, 3, 4]


def test_a_limit_below_one_shard_is_refused(pictures: Path, tmp_path: Path) -> None:
    arguments = [str(pictures), "--out", str(tmp_path / "pool"), "--frames", "16", "--size", "96", "--mix", "clean=1"]
    with pytest.raises(UsageError, match=r"^16 samples take more than --mib 1; allow more, or --compress$"):
        build.main([*arguments, "--jobs", "1", "--mib", "1"])
    assert not list((tmp_path / "pool").iterdir())
    with pytest.raises(UsageError, match="--mib is a limit of a whole pool"):
        build.main([*arguments, "--mib", "1", "--part", "0/2"])
    with pytest.raises(UsageError, match="frames x size is 16512, allowed: up to 16383 with --compress"):
        build.main([*arguments[:3], "--frames", "129", "--size", "128", "--compress"])


@pytest.mark.parametrize("compressed", [False, True])
def test_clips_of_a_shard_are_counted(tmp_path: Path, *, compressed: bool) -> None:
    clips = np.zeros((3, 2, 8, 8, 3), np.uint8)
    write_shard(tmp_path, 0, "low", clips, compressed=compressed)
    path = shard_path(tmp_path, 0, "low")
    assert clip_count(path) == len(read_shard(path)) == 3


def test_a_damaged_shard_is_named(tmp_path: Path) -> None:
    pool = fill_pool(tmp_path)
    truth = np.array(read_shard(shard_path(pool, 0, "truth")))
    (pool / "0000.hr.npy").unlink()
    write_shard(pool, 0, "truth", truth, compressed=True)
    path = shard_path(pool, 0, "truth")
    assert path.suffix == ".zip"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(MediaError, match=r"0000\.hr\.zip cannot be read as a shard .*; delete it"):
        Dataset(pool)


@pytest.mark.parametrize("teacher", ["truth", "inverse"])
def test_a_device_cuts_the_same_crops(tmp_path: Path, teacher: str) -> None:
    pool = fill_pool(tmp_path)
    for kind in ("low", "truth"):
        write_shard(pool, 1, kind, np.array(read_shard(shard_path(pool, 0, kind)))[:3, ::-1])
    for number in (0, 1):
        write_shard(pool, number, "inverse", 255 - read_shard(shard_path(pool, number, "truth")))
    host = Dataset(pool, teacher=teacher)
    device = DeviceDataset(host, torch.device("cpu"))
    for seed in range(3):
        expected, drawn = (
            source.batch(np.random.default_rng(seed), 16, frames=3, lr_size=8) for source in (host, device)
        )
        for name in ("truth", "low", "target"):
            assert np.array_equal(getattr(expected, name), np.asarray(getattr(drawn, name))), name
    clips, frames = np.array([[1, 0]]), np.array([[2, 0]])
    assert np.array_equal(expected.take(clips, frames).low, np.asarray(drawn.take(clips, frames).low))
    with pytest.raises(UsageError, match="have 4 frames of 16x16"):
        device.batch(np.random.default_rng(0), 1, frames=3, lr_size=20)


def test_a_pool_stays_on_the_host_without_a_gpu(tmp_path: Path) -> None:
    pool = Dataset(fill_pool(tmp_path))
    assert on_device(pool, torch.device("cpu")) is pool

"""A teacher answers a pool: once, shard by shard."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from tests.train.tiny import fill_pool
from vsadcvsr.errors import BackendError, FormatError, UsageError
from vsadcvsr.train.data.dataset import Dataset
from vsadcvsr.train.data.shards import Pixels, shard_path
from vsadcvsr.train.teachers import label
from vsadcvsr.train.teachers.base import TeacherInput


@dataclass
class Inverse:
    """Gives the negative of the truth, until it has given `limit` answers."""

    name: str = "inverse"
    limit: int = 100
    asked: list[tuple[int, ...]] = field(default_factory=list)

    def target(self, sample: TeacherInput) -> Pixels:
        if len(self.asked) == self.limit:
            raise BackendError("out of patience")
        self.asked.append(sample.low.shape)
        assert sample.truth is not None
        return 255 - sample.truth


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    """Three shards of two clips."""
    folder = fill_pool(tmp_path / "pool", clips=2, frames=2, side=4)
    for number in (1, 2):
        for kind in ("low", "truth"):
            shard_path(folder, number, kind).write_bytes(shard_path(folder, 0, kind).read_bytes())
    return folder


@pytest.fixture
def teacher(monkeypatch: pytest.MonkeyPatch) -> Inverse:
    """At hand for the command as `inverse`."""
    result = Inverse()

    def opened(_: Namespace) -> Inverse:
        return result

    monkeypatch.setitem(label.TEACHERS, "inverse", opened)
    monkeypatch.setattr("vsadcvsr.train.options.TEACHERS", tuple(label.TEACHERS))
    return result


def command(pool: Path, *more: str) -> int:
    return label.main([str(pool), "--teacher", "inverse", *more])


def test_targets_are_added_to_the_pool(pool: Path, teacher: Inverse) -> None:
    assert command(pool) == 0
    drawn = Dataset(pool, teacher="inverse").batch(np.random.default_rng(0), 4, frames=2, lr_size=4)
    assert np.abs(drawn.target + drawn.truth - 1).max() < 1e-6
    assert teacher.asked == [(2, 4, 4, 3)] * 6


def test_an_interrupted_run_goes_on_with_what_lacks(pool: Path, teacher: Inverse) -> None:
    teacher.limit = 3
    with pytest.raises(BackendError, match="out of patience"):
        command(pool)
    assert sorted(path.name for path in pool.glob("*.inverse.*")) == ["0000.inverse.npy"]
    teacher.limit = 100
    command(pool)
    assert len(list(pool.glob("*.inverse.npy"))) == 3
    assert len(teacher.asked) == 3 + 4


def test_parts_share_the_shards(pool: Path, teacher: Inverse) -> None:
    command(pool, "--part", "0/2")
    assert sorted(path.name[:4] for path in pool.glob("*.inverse.npy")) == ["0000", "0002"]
    command(pool, "--part", "1/2")
    assert len(list(pool.glob("*.inverse.npy"))) == 3
    assert len(teacher.asked) == 6


def test_parts_stay_the_same_while_others_work(pool: Path, teacher: Inverse) -> None:
    command(pool, "--part", "0/3")
    command(pool, "--part", "1/3")
    assert sorted(path.name[:4] for path in pool.glob("*.inverse.npy")) == ["0000", "0001"]


def test_progress_is_logged(pool: Path, teacher: Inverse, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        command(pool)
        command(pool)
    assert "inverse: clip 6 of 6" in caplog.text
    assert "inverse has answered everything" in caplog.text


def test_an_answer_of_another_size_is_not_kept(pool: Path, teacher: Inverse, monkeypatch: pytest.MonkeyPatch) -> None:
    def small(sample: TeacherInput) -> Pixels:
        return sample.low

    monkeypatch.setattr(teacher, "target", small)
    with pytest.raises(FormatError, match=r"the answer of inverse is \(2, 4, 4, 3\)"):
        command(pool)
    assert not list(pool.glob("*.inverse*"))


def test_a_folder_without_shards_is_refused(tmp_path: Path, teacher: Inverse) -> None:
    with pytest.raises(UsageError, match="no samples in pool"):
        command(tmp_path)

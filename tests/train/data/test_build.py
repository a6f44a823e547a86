"""Filling a pool of samples, and drawing batches from it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.requirements import requires
from tests.train.media import blobs, shades, write_film
from tests.waiting import wait_until
from vsadcvsr.errors import MediaError, UsageError
from vsadcvsr.train.data import build
from vsadcvsr.train.data.build import DatasetPlan, build_shards, make_sample, make_shard
from vsadcvsr.train.data.dataset import Batch, Dataset
from vsadcvsr.train.data.library import ClipLibrary, SourceFiles
from vsadcvsr.train.data.shards import shard_numbers, write_shard
from vsadcvsr.train.degradations.mix import Mix


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(2):
        cv2.imwrite(str(folder / f"{number}.png"), blobs(number))
    return folder


@pytest.fixture(scope="module")
def filled(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pool")
    plan = DatasetPlan(SourceFiles.scan([pictures], frames=3, size=64), folder, mix=Mix.parse("clean=.5,light=.5"))
    assert build_shards(plan, range(2), jobs=1) == 2
    assert build_shards(plan, range(2), jobs=1) == 0
    return folder


def test_a_batch_fits_its_truth(filled: Path) -> None:
    drawn = Dataset(filled).batch(np.random.default_rng(0), 4, frames=2, lr_size=12)
    hr, lr = drawn.truth, drawn.low
    assert np.array_equal(drawn.target, hr)
    assert hr.shape == (4, 2, 3, 48, 48)
    assert lr.shape == (4, 2, 3, 12, 12)
    assert hr.dtype == lr.dtype == np.float32
    assert 0 <= lr.min() < lr.max() <= 1
    small = hr.reshape(4, 2, 3, 12, 4, 12, 4).mean((4, 6))
    alike = np.corrcoef(small.ravel(), lr.ravel())[0, 1]
    mirrored = np.corrcoef(small[..., ::-1].ravel(), lr.ravel())[0, 1]
    assert alike > 0.6
    assert alike > mirrored + 0.2


@pytest.mark.parametrize("scale", [1, 2, 3])
def test_a_pool_has_a_scale(pictures: Path, tmp_path: Path, scale: int) -> None:
    build.main(words(pictures, tmp_path, count=16, size=48, scale=scale, mix="clean=1"))
    batch = Dataset(tmp_path, scale=scale).batch(np.random.default_rng(0), 2, frames=2, lr_size=8)
    assert batch.low.shape == (2, 2, 3, 8, 8)
    assert batch.truth.shape == (2, 2, 3, 8 * scale, 8 * scale)
    means = batch.truth.reshape(2, 2, 3, 8, scale, 8, scale).mean((4, 6))
    assert np.corrcoef(means.ravel(), batch.low.ravel())[0, 1] > 0.6
    refusal = rf"^scale is 4, allowed: {scale}, that of the pool .*; take a pool of that scale, or an empty folder$"
    with pytest.raises(UsageError, match=refusal):
        Dataset(tmp_path)
    with pytest.raises(UsageError, match=refusal):
        build.main(words(pictures, tmp_path, count=32, size=48))


def test_batches_repeat_with_their_seed(filled: Path) -> None:
    first, again = (Dataset(filled).batch(np.random.default_rng(7), 2, frames=3, lr_size=8) for _ in range(2))
    assert np.array_equal(first.low, again.low)
    assert np.array_equal(first.truth, again.truth)


def test_a_teachers_answer_is_cut_and_turned_with_its_truth(filled: Path, tmp_path: Path) -> None:
    for path in filled.glob("*.npy"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    for number in shard_numbers(tmp_path):
        truth = np.load(tmp_path / f"{number:04d}.hr.npy")
        write_shard(tmp_path, number, "inverse", 255 - truth)
    drawn: Batch = Dataset(tmp_path, teacher="inverse").batch(np.random.default_rng(3), 3, frames=2, lr_size=8)
    assert np.abs(drawn.target - (1 - drawn.truth)).max() < 1e-6


def test_a_teacher_that_has_not_answered_is_refused(filled: Path) -> None:
    with pytest.raises(UsageError, match=r"teacher 'dove'.*0000\.dove\.npy"):
        Dataset(filled, teacher="dove")


def test_a_half_written_shard_is_not_seen(filled: Path, tmp_path: Path) -> None:
    (tmp_path / "0000.lr.npy").write_bytes((filled / "0000.lr.npy").read_bytes())
    with pytest.raises(UsageError, match="no samples in pool"):
        Dataset(tmp_path)


def test_too_large_a_crop_is_refused(filled: Path) -> None:
    with pytest.raises(UsageError, match="have 3 frames of 16x16"):
        Dataset(filled).batch(np.random.default_rng(0), 1, frames=3, lr_size=20)


def words(folder: Path, out: Path, **given: object) -> list[str]:
    """The command for a small pool."""
    named = {"count": 33, "frames": 2, "size": 32, "mix": "clean=.5,light=.5", "jobs": 1} | given
    return [
        str(folder),
        "--out",
        str(out),
        *(word for name, value in named.items() for word in (f"--{name}", str(value))),
    ]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_command_makes_what_is_missing(pictures: Path, tmp_path: Path) -> None:
    assert build.main(words(pictures, tmp_path)) == 0
    assert shard_numbers(tmp_path) == [0, 1, 2]
    before = contents(tmp_path)
    for name in ("0001.hr.npy", "0002.lr.npy"):
        (tmp_path / name).unlink()
    times = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("0000.*")}
    assert build.main(words(pictures, tmp_path)) == 0
    assert contents(tmp_path) == before
    assert times == {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("0000.*")}


def test_processes_and_parts_make_the_same_pool(pictures: Path, tmp_path: Path) -> None:
    write_film(tmp_path / "film.mp4", shades(20))
    ways: list[tuple[str, dict[str, object]]] = [
        ("one", {}), ("two", {"jobs": 2}), ("parts", {"part": "1/2"}), ("parts", {"part": "0/2"}),
    ]  # fmt: skip
    for out, options in ways:
        mixed = options | {"mix": "realbasicvsr=.3,adcsr=.3,light=.4"}
        build.main([str(tmp_path / "film.mp4"), *words(pictures, tmp_path / out, **mixed)])
    assert contents(tmp_path / "one") == contents(tmp_path / "two") == contents(tmp_path / "parts")


def test_a_kind_for_pictures_makes_static_clips(pictures: Path) -> None:
    library = ClipLibrary(SourceFiles.scan([pictures], frames=3, size=64))
    for mix, still in ((Mix.parse("adcsr=1"), True), (Mix.parse("soft=1"), False)):
        truth, low = make_sample(library, mix, np.random.default_rng(0), 4)
        assert truth.shape == (3, 64, 64, 3)
        assert low.shape == (3, 16, 16, 3)
        for clip in (truth, low):
            assert all(np.array_equal(frame, clip[0]) for frame in clip) is still


def test_unusable_files_are_reported_once_and_skipped(
    pictures: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "broken.png").write_bytes(b"no picture")
    (tmp_path / "broken.mp4").write_bytes(b"no film")
    build.main([str(tmp_path), *words(pictures, tmp_path / "pool")])
    messages = [record.getMessage() for record in caplog.records]
    caplog.clear()
    assert len(messages) == 3
    assert [name in " ".join(messages[:2]) for name in ("broken.png cannot be read", "broken.mp4 cannot be read")] == [
        True
    ] * 2
    assert messages[2] == "2 files were left out"
    assert shard_numbers(tmp_path / "pool") == [0, 1, 2]


def test_a_full_disk_is_reported_in_one_line(pictures: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(build, "write_shard", full)
    plan = DatasetPlan(SourceFiles.scan([pictures], frames=2, size=32), tmp_path, mix=Mix.parse("clean=1"))
    with pytest.raises(MediaError, match=r"shard 3 cannot be written .*No space left"):
        make_shard(ClipLibrary(plan.sources), plan, 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"count": 0}, "count is 0"),
        ({"size": 250}, "size is 250, allowed: a multiple of the scale, 4"),
        ({"size": 16}, "size is 16, allowed: 32 or more"),
        ({"size": 20, "scale": 3}, "size is 20, allowed: 24 or more"),
        ({"size": 64, "scale": 3}, "size is 64, allowed: a multiple of the scale, 3"),
        ({"part": "2/2"}, "--part is '2/2'"),
        ({"part": "1"}, "--part is '1'"),
        ({"jobs": 0}, "jobs is 0"),
        ({"mix": "clean=2"}, "mix is 'clean=2'"),
    ],
)
def test_wrong_options_are_refused_at_once(
    pictures: Path, tmp_path: Path, options: dict[str, object], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        build.main(words(pictures, tmp_path / "pool", **options))
    assert not (tmp_path / "pool").exists()


def test_an_interrupt_leaves_whole_shards_and_one_line(pictures: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "vsadcvsr.train.data.build", *words(pictures, tmp_path, count=10**6, jobs=2)]
    running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        wait_until(
            lambda: len(shard_numbers(tmp_path)) >= 3, "three shards", goes_on=lambda: running.poll() is None
        )  # fmt: skip
    finally:
        os.killpg(running.pid, signal.SIGINT)
        _, stderr = running.communicate(timeout=60)
    assert running.returncode == 130
    assert stderr.startswith("pool: stopped")
    assert stderr.count("\n") == 1
    assert not list(tmp_path.glob("*.part"))
    assert len(list(tmp_path.glob("*.npy"))) == 2 * len(shard_numbers(tmp_path))
    assert np.load(tmp_path / "0000.hr.npy").shape == (16, 2, 32, 32, 3)


def test_few_files_are_open_however_many_shards_there_are(filled: Path, tmp_path: Path) -> None:
    requires("posix")
    import resource

    for number in range(200):
        for kind in ("hr", "lr"):
            (tmp_path / f"{number:04d}.{kind}.npy").hardlink_to(filled / f"0000.{kind}.npy")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    dataset = Dataset(tmp_path)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
        drawn = dataset.batch(np.random.default_rng(0), 400, frames=1, lr_size=8)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert len(drawn.low) == 400

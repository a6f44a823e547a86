"""Clips and the pool of samples."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from vsadcvsr.errors import MediaError, UsageError
from vsadcvsr.train import clips, pool
from vsadcvsr.train.pool import Library, make_shard
from vsadcvsr.train.shards import Batch, Pool, shard_numbers, write_shard


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(1)
    for number in range(2):
        field = cv2.GaussianBlur(rng.random((120, 140, 3), np.float32), (0, 0), 2)
        cv2.imwrite(str(folder / f"{number}.png"), cv2.normalize(field, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8))  # type: ignore[call-overload]
    return folder


@pytest.fixture(scope="module")
def filled(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pool")
    library = Library.of([pictures], frames=3)
    for number in range(2):
        assert make_shard(library, folder, number, frames=3, size=64, seed=0)
    assert not make_shard(library, folder, 0, frames=3, size=64, seed=0)
    return folder


def test_a_batch_fits_its_truth(filled: Path) -> None:
    drawn = Pool(filled).batch(np.random.default_rng(0), 4, frames=2, lr_size=12)
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


def test_batches_repeat_with_their_seed(filled: Path) -> None:
    first, again = (Pool(filled).batch(np.random.default_rng(7), 2, frames=3, lr_size=8) for _ in range(2))
    assert np.array_equal(first.low, again.low)
    assert np.array_equal(first.truth, again.truth)


def test_a_teachers_answer_is_cut_and_turned_with_its_truth(filled: Path, tmp_path: Path) -> None:
    for path in filled.glob("*.npy"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    for number in shard_numbers(tmp_path):
        truth = np.load(tmp_path / f"{number:04d}.hr.npy")
        write_shard(tmp_path, number, "inverse", 255 - truth)
    drawn: Batch = Pool(tmp_path, teacher="inverse").batch(np.random.default_rng(3), 3, frames=2, lr_size=8)
    assert np.abs(drawn.target - (1 - drawn.truth)).max() < 1e-6


def test_a_teacher_that_has_not_answered_is_refused(filled: Path) -> None:
    with pytest.raises(UsageError, match=r"teacher is 'dove'.*0000\.dove\.npy"):
        Pool(filled, teacher="dove")


def test_a_half_written_shard_is_not_seen(filled: Path, tmp_path: Path) -> None:
    (tmp_path / "0000.lr.npy").write_bytes((filled / "0000.lr.npy").read_bytes())
    with pytest.raises(UsageError, match="pool is"):
        Pool(tmp_path)


def test_too_large_a_crop_is_refused(filled: Path) -> None:
    with pytest.raises(UsageError, match="up to 3 frames of 16 pixels"):
        Pool(filled).batch(np.random.default_rng(0), 1, frames=3, lr_size=20)


def test_empty_folders_are_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no pictures and no videos"):
        Library.of([tmp_path], frames=3)


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    with pytest.raises(MediaError, match=r"broken\.png cannot be read"):
        clips.read_image(broken)
    movie = tmp_path / "broken.mp4"
    movie.write_bytes(b"no video")
    with pytest.raises(MediaError, match=r"broken\.mp4 cannot be read"):
        clips.read_video(movie)


def test_windows_never_reach_across_a_cut() -> None:
    dark, bright = np.zeros((20, 20, 3), np.uint8), np.full((20, 20, 3), 200, np.uint8)
    video = [dark] * 4 + [bright] * 3 + [dark] * 1
    assert clips.cuts_of(video) == [4, 7]
    assert [len(shot) for shot in clips.shots(video, shortest=3)] == [4, 3]


def test_a_still_camera_sees_the_picture_itself() -> None:
    picture = np.random.default_rng(2).integers(0, 255, (90, 90, 3)).astype(np.uint8)
    seen = [clips.camera_motion(picture, 3, 32, np.random.default_rng(seed)) for seed in range(12)]
    assert {clip.shape for clip in seen} == {(3, 32, 32, 3)}
    assert len({clip.tobytes() for clip in seen}) == 12


def test_the_shipped_clip_reads_as_two_shots() -> None:
    video = clips.read_video(Path(__file__).parents[2] / "examples" / "media" / "clip.mp4")
    assert clips.cuts_of(video) == [20]
    window = clips.window(video[:20], 5, 64, np.random.default_rng(0))
    assert window.shape == (5, 64, 64, 3)


def test_the_command_fills_a_pool(pictures: Path, tmp_path: Path) -> None:
    assert (
        pool.main([str(pictures), "--out", str(tmp_path / "p"), "--count", "1", "--frames", "2", "--size", "32"]) == 0
    )
    assert Pool(tmp_path / "p").batch(np.random.default_rng(0), 1, frames=2, lr_size=8).truth.shape == (1, 2, 3, 32, 32)

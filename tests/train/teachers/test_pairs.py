"""Pools from low-resolution videos and what another system has made of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.train.teachers.test_base import film, write_pictures, write_video
from vsadcvsr.errors import MediaError, UsageError
from vsadcvsr.train.data.dataset import Dataset
from vsadcvsr.train.data.shards import Pixels
from vsadcvsr.train.teachers import pairs


def enlarged(low: Pixels) -> Pixels:
    return low.repeat(4, 1).repeat(4, 2)


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Two videos of 7 frames, one with a cut after the fourth, and an inverting teacher."""
    cut = film(7, 20, 24)
    cut[4:] = 255 - cut[4:][:, :, np.random.default_rng(0).permutation(24)]
    for name, low in {"one": film(7, 20, 24), "two": cut}.items():
        (tmp_path / "low").mkdir(exist_ok=True)
        write_video(tmp_path / "low" / f"{name}.mkv", low)
        write_pictures(tmp_path / "taught" / name, 255 - enlarged(low))
        write_pictures(tmp_path / "truth" / name, enlarged(low))
    return tmp_path


def words(folders: Path, *more: str, taught: str = "taught", teacher: str = "other") -> list[str]:
    arguments = [str(folders / "low"), str(folders / taught), "--out", str(folders / "pool"), "--teacher", teacher]
    return [*arguments, "--count", "16", "--frames", "3", "--size", "32", *more]


def kept(folders: Path, kind: str) -> Pixels:
    return np.asarray(np.load(folders / "pool" / f"0000.{kind}.npy"))


def test_answers_and_truth_are_cut_where_the_clip_was(folders: Path) -> None:
    assert pairs.main(words(folders, "--truth", str(folders / "truth"))) == 0
    low, truth, other = (kept(folders, kind) for kind in ("lr", "hr", "other"))
    assert low.shape == (16, 3, 8, 8, 3)
    assert other.shape == truth.shape == (16, 3, 32, 32, 3)
    assert np.array_equal(truth[:, :, ::4, ::4], low)
    assert np.array_equal(other, 255 - truth)
    assert len({clip.tobytes() for clip in low}) > 8
    drawn = Dataset(folders / "pool", teacher="other").batch(np.random.default_rng(0), 2, frames=2, lr_size=8)
    assert np.abs(drawn.target + drawn.truth - 1).max() < 1e-6


def test_without_truth_the_answer_stands_for_it(folders: Path) -> None:
    pairs.main(words(folders))
    assert np.array_equal(kept(folders, "hr"), kept(folders, "other"))


def test_no_clip_reaches_across_a_cut(folders: Path) -> None:
    pairs.main(words(folders))
    brightness = kept(folders, "lr").astype(int).mean((2, 3, 4))
    assert np.abs(np.diff(brightness, axis=1)).max() < 30
    assert (
        len({round(step) for step in np.diff(brightness, axis=1).ravel()}) >= 3
    )  # either shot, every second frame too


def test_a_pool_is_the_same_again_and_only_what_lacks_is_made(folders: Path) -> None:
    pairs.main(words(folders, "--seed", "3"))
    first = kept(folders, "lr"), kept(folders, "other")
    times = {path: path.stat().st_mtime_ns for path in (folders / "pool").iterdir()}
    pairs.main(words(folders, "--seed", "3"))
    assert {path: path.stat().st_mtime_ns for path in (folders / "pool").iterdir()} == times
    (folders / "pool" / "0000.hr.npy").unlink()
    (folders / "pool" / "0000.lr.npy").unlink()
    pairs.main(words(folders, "--seed", "3"))
    assert np.array_equal(kept(folders, "lr"), first[0])
    assert np.array_equal(kept(folders, "other"), first[1])


def test_a_second_teacher_answers_the_same_clips(folders: Path) -> None:
    pairs.main(words(folders))
    pairs.main(words(folders, taught="truth", teacher="second"))
    assert np.array_equal(kept(folders, "second"), 255 - kept(folders, "other"))
    assert np.array_equal(kept(folders, "hr"), kept(folders, "other"))


def test_a_pool_of_other_clips_is_not_written_over(folders: Path) -> None:
    pairs.main(words(folders))
    with pytest.raises(UsageError, match=r"0000\.lr\.npy in .* has other clips"):
        pairs.main(words(folders, "--seed", "1", teacher="second"))


def test_frames_that_a_teacher_left_out_are_not_asked_for(folders: Path) -> None:
    for name in ("one", "two"):
        write_pictures(folders / "late" / name, film(7, 80, 96)[1:])
    pairs.main(words(folders, "--skip", "1", taught="late"))
    number = kept(folders, "other")[:, 0, ..., 2].min((1, 2)).astype(int)
    assert number.min() >= 10  # frame 0 would be darker


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((7, 80, 100), r"one is 100x80, but .*one\.mkv asks for 96x80"),
        ((6, 80, 96), r"one has 6 frames, but .*one\.mkv asks for 7"),
    ],
)
def test_answers_that_do_not_fit_are_named(folders: Path, shape: tuple[int, int, int], message: str) -> None:
    write_pictures(folders / "odd" / "one", film(*shape))
    write_pictures(folders / "odd" / "two", film(7, 80, 96))
    with pytest.raises(MediaError, match=message):
        pairs.main(words(folders, taught="odd"))


def test_every_misfit_has_its_line(folders: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_pictures(folders / "odd" / "three", film(7, 80, 96))
    with pytest.raises(
        MediaError, match=r"one\.mkv has no answer of the name one by other \(and 1 more\); make it fit"
    ):
        pairs.main(words(folders, taught="odd"))
    assert "two.mkv has no answer of the name two by other" in caplog.text


@pytest.mark.parametrize(("option", "value", "least"), [("--seed", -1, 0), ("--count", 0, 1)])
def test_numbers_below_the_least_are_refused(folders: Path, option: str, value: int, least: int) -> None:
    with pytest.raises(UsageError, match=rf"^{option} is {value}, allowed: {least} or more$"):
        pairs.main(words(folders, option, str(value)))


def test_clips_that_cannot_be_cut_are_refused_in_one_line(folders: Path) -> None:
    with pytest.raises(MediaError, match=r"one\.mkv is 24x20, too small for clips of 21x21"):
        pairs.main(words(folders, "--size", "84"))
    with pytest.raises(MediaError, match="none of 2 videos has a shot of 8 frames"):
        pairs.main(words(folders, "--frames", "8"))
    with pytest.raises(UsageError, match="size is 30, allowed: a multiple of the scale, 4"):
        pairs.main(words(folders, "--size", "30"))
    with pytest.raises(UsageError, match="teacher is 'hr'"):
        pairs.main(words(folders, teacher="hr"))

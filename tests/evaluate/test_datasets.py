"""Sets on disk in the layouts that they come in, cut to a protocol."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.evaluate.waves import moving, picture, write_set
from vsadcvsr.errors import FormatError, MediaError, UsageError
from vsadcvsr.evaluate.datasets import PROTOCOLS, Case, Protocol, crop_centre, read_cases, sets_in
from vsadcvsr.evaluate.methods import downscale
from vsadcvsr.video_io import write_pictures, write_video

WHOLE = Protocol()


@pytest.mark.parametrize(
    ("low", "truth", "name"),
    [
        ("clips/lr_real", "clips/gt", "lr_real"),
        ("UDM10/lr", "UDM10/gt", "UDM10"),
        ("SPMCS/LQ-Video", "SPMCS/GT", "SPMCS"),
    ],
)
@pytest.mark.parametrize("pictures", [False, True])
def test_every_layout_gives_the_same_case(tmp_path: Path, low: str, truth: str, name: str, pictures: bool) -> None:
    write_set(tmp_path / low, tmp_path / truth, moving(2), pictures=pictures)
    (case,) = read_cases(tmp_path, name, WHOLE)
    assert sets_in(tmp_path) == [name]
    assert (case.name, case.set, case.size) == ("wave", name, (80, 64))
    assert case.truth is not None
    assert np.array_equal(case.truth[1], picture(64, 80, 1))
    assert np.array_equal(case.low[1], downscale(picture(64, 80, 1)))


def test_lr_next_to_gt_is_a_set_named_after_its_folder(tmp_path: Path) -> None:
    write_set(tmp_path / "MVSR/lr", tmp_path / "MVSR/gt", moving(1))
    assert sets_in(tmp_path / "MVSR") == ["MVSR"]
    (case,) = read_cases(tmp_path / "MVSR", "MVSR", WHOLE)
    assert case.truth is not None


def test_clips_without_a_truth_are_a_set(tmp_path: Path) -> None:
    write_pictures(tmp_path / "VideoLQ/one", moving(3, 16, 20))
    (case,) = read_cases(tmp_path, "VideoLQ", WHOLE)
    assert case.truth is None
    assert len(case.low) == 3


def test_an_unknown_set_is_refused_with_the_names_of_all(tmp_path: Path) -> None:
    write_set(tmp_path / "UDM10/lr", tmp_path / "UDM10/gt", moving(1))
    with pytest.raises(MediaError, match="no set 'UDM11'; its sets are UDM10"):
        list(read_cases(tmp_path, "UDM11", WHOLE))


def test_a_folder_without_sets_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="is no dataset"):
        sets_in(tmp_path)


def test_a_clip_without_its_truth_is_refused(tmp_path: Path) -> None:
    write_set(tmp_path / "lr", tmp_path / "gt", moving(1))
    write_video(tmp_path / "lr/other.mkv", moving(1, 16, 20))
    with pytest.raises(MediaError, match="holds no other, which"):
        list(read_cases(tmp_path, "x", WHOLE))


@pytest.mark.parametrize(("kind", "side"), [("lr", 16), ("gt", 64)])
def test_a_frame_of_another_size_is_named(tmp_path: Path, kind: str, side: int) -> None:
    write_set(tmp_path / "lr", tmp_path / "gt", moving(3), pictures=True)
    write_pictures(tmp_path / "other", moving(1, side - 8, side))
    (tmp_path / "other/00000001.png").replace(tmp_path / kind / "wave/00000002.png")
    name = {"lr": "clip", "gt": "truth"}[kind]
    with pytest.raises(FormatError, match=rf"^wave: the {name} has frame 1 of {side}x{side - 8} among those of \d+x"):
        list(read_cases(tmp_path, "x", WHOLE))


def test_clips_of_the_truths_size_are_shrunk(tmp_path: Path) -> None:
    for folder in ("RealVSR/lr", "RealVSR/gt"):
        write_pictures(tmp_path / folder / "wave", moving(1, 66, 82))
    (case,) = read_cases(tmp_path, "RealVSR", WHOLE)
    assert case.reduced
    assert case.low[0].shape == (3, 16, 20)
    assert np.array_equal(case.low[0], downscale(picture(66, 82)))
    assert case.truth is not None
    assert np.array_equal(case.truth[0], picture(66, 82)[:, :64, :80])


def test_photographs_are_shrunk_here(tmp_path: Path) -> None:
    write_pictures(tmp_path / "photos_hr", moving(1, 65, 83))
    (tmp_path / "clips").mkdir()
    (case,) = read_cases(tmp_path, "photos", WHOLE)
    assert sets_in(tmp_path) == ["photos"]
    assert case.low[0].shape == (3, 16, 20)


def test_the_first_frames_are_all_that_is_read(tmp_path: Path) -> None:
    write_set(tmp_path / "lr", tmp_path / "gt", moving(4))
    (case,) = read_cases(tmp_path, "x", Protocol(first=3))
    assert case.truth is not None
    assert (len(case.low), len(case.truth)) == (3, 3)


@given(height=st.integers(3, 12), width=st.integers(3, 12), crop=st.integers(1, 10))
def test_the_crop_of_the_truth_lies_over_that_of_the_low_frames(height: int, width: int, crop: int) -> None:
    from vsadcvsr.evaluate.datasets import _fit

    low = np.arange(3 * height * width, dtype=np.float32).reshape(3, height, width)
    case = _fit("a", (low,), (low.repeat(4, axis=1).repeat(4, axis=2),), "", Protocol(crop=4 * crop))
    assert case.truth is not None
    assert case.low[0].shape[1:] == (min(crop, height), min(crop, width))
    assert np.array_equal(case.truth[0], case.low[0].repeat(4, axis=1).repeat(4, axis=2))


def test_a_crop_is_of_the_centre() -> None:
    assert np.array_equal(crop_centre(picture(20, 30), 10, 50), picture(20, 30)[:, :, 10:20])


def test_the_papers_protocol_is_25_frames_of_512() -> None:
    assert PROTOCOLS["paper"] == Protocol(first=25, crop=512)


@pytest.mark.parametrize(("given_crop", "first"), [(510, None), (0, None), (None, 0)])
def test_a_protocol_that_cannot_be_is_refused(given_crop: int | None, first: int | None) -> None:
    with pytest.raises(UsageError, match="allowed"):
        Protocol(first=first, crop=given_crop)


def test_a_case_whose_sizes_do_not_fit_is_refused() -> None:
    with pytest.raises(FormatError, match="do not fit"):
        Case("odd", (picture(8, 8),), (picture(32, 36),))


def test_a_case_without_frames_is_refused() -> None:
    with pytest.raises(FormatError, match="no frame"):
        Case("none", (), None)

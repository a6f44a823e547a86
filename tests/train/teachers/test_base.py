"""What every teacher has in common, the truth, and folders of what another system has made."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from vsadcvsr.errors import FormatError, MediaError, UsageError
from vsadcvsr.train.data.shards import Pixels
from vsadcvsr.train.teachers.base import (
    ClipOrigin,
    FolderTeacher,
    Teacher,
    TeacherInput,
    checked_target,
    teacher_name,
)
from vsadcvsr.video_io import FrameReader, readers_in


def film(frames: int, height: int, width: int) -> Pixels:
    """Smooth patterns, a frame's number in its brightness."""
    rows, columns = np.mgrid[:height, :width]
    base = np.stack([rows * 120 // height, columns * 120 // width, (rows + columns) % 120], -1)
    return np.stack([base + 10 * number for number in range(frames)]).astype(np.uint8)


def write_video(path: Path, frames: Pixels) -> Path:
    """Without loss, in RGB."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("ffv1", rate=25)
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "bgr0"
        for frame in frames:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24").reformat(format="bgr0")))
        file.mux(stream.encode(None))
    return path


def write_pictures(folder: Path, frames: Pixels, first: int = 0) -> Path:
    folder.mkdir(parents=True)
    for number, frame in enumerate(frames, first):
        cv2.imwrite(str(folder / f"f{number}.png"), cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    return folder


def test_clips_of_another_shape_are_refused_as_teacher_input() -> None:
    with pytest.raises(FormatError, match=r"shape \(4, 4, 3\), uint8, is not \(T, h, w, 3\)"):
        TeacherInput(film(1, 4, 4)[0])
    with pytest.raises(FormatError, match="float64"):
        TeacherInput(film(1, 4, 4).astype(float))
    with pytest.raises(FormatError, match=r"the truth is \(1, 15, 16, 3\) of uint8, not \(1, 16, 16, 3\)"):
        TeacherInput(film(1, 4, 4), film(1, 15, 16))


def test_an_answer_of_another_shape_is_refused() -> None:
    class Small:
        name = "small"

        def target(self, sample: TeacherInput) -> Pixels:
            return sample.low

    teacher: Teacher = Small()
    with pytest.raises(FormatError, match="the answer of small is"):
        checked_target(teacher, TeacherInput(film(1, 4, 4)))


@pytest.mark.parametrize("name", ["", "hr", "lr", "truth", "low", "a.b", "../x", "Seed VR"])
def test_names_that_a_pool_cannot_keep_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="teacher is"):
        teacher_name(name)
    assert teacher_name("seedvr2-7b") == "seedvr2-7b"


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, FrameReader]:
    folder = tmp_path_factory.mktemp("videos")
    write_video(folder / "moving.mkv", film(12, 32, 48))
    write_pictures(folder / "still", film(12, 32, 48), first=1)  # f10 comes after f9
    (folder / "notes.txt").write_text("no video")
    (folder / "empty").mkdir()
    return readers_in(folder)


@pytest.mark.parametrize("name", ["moving", "still"])
def test_a_folder_answers_with_the_same_frames_and_place(videos: dict[str, FrameReader], name: str) -> None:
    sample = TeacherInput(film(2, 3, 4), origin=ClipOrigin(name, (2, 4), top=5, left=7))
    target = checked_target(FolderTeacher("other", videos), sample)
    assert np.array_equal(target, film(12, 32, 48)[[2, 4], 20:32, 28:44])
    late = checked_target(FolderTeacher("late", videos, skip=1), sample)
    assert np.array_equal(late, film(12, 32, 48)[[1, 3], 20:32, 28:44])


def test_a_folder_does_not_answer_what_it_has_not_seen(videos: dict[str, FrameReader]) -> None:
    teacher = FolderTeacher("other", videos, skip=2)
    with pytest.raises(UsageError, match=r"other has no target for a clip of unknown origin; .*train\.teachers\.pairs"):
        teacher.target(TeacherInput(film(1, 3, 4)))
    with pytest.raises(UsageError, match="no target for a clip of 'gone'; cut clips from its own 2 videos"):
        teacher.target(TeacherInput(film(1, 3, 4), origin=ClipOrigin("gone", (0,), 0, 0)))
    with pytest.raises(MediaError, match="no target for frames of still before 2"):
        teacher.target(TeacherInput(film(1, 3, 4), origin=ClipOrigin("still", (1,), 0, 0)))
    with pytest.raises(FormatError, match="the answer of other is"):
        checked_target(teacher, TeacherInput(film(1, 3, 4), origin=ClipOrigin("still", (2,), 6, 0)))

"""Reading and writing clips."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.evaluate.waves import moving, picture
from vsadcvsr.errors import MediaError
from vsadcvsr.video_io import clips_in, read_frames, read_image, read_video, to_float, write_pictures, write_video


def test_a_video_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mkv", moving(3, 34, 50))
    assert np.array_equal(np.stack(list(read_video(tmp_path / "clip.mkv"))), np.stack(moving(3, 34, 50)))


def test_pictures_are_read_as_they_were_written(tmp_path: Path) -> None:
    write_pictures(tmp_path / "clip", moving(3, 33, 51))
    assert np.array_equal(np.stack(list(read_frames(tmp_path / "clip"))), np.stack(moving(3, 33, 51)))


def test_pictures_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    write_pictures(tmp_path / "clip", moving(2, 16, 16))
    (tmp_path / "clip/00000001.png").rename(tmp_path / "clip/frame10.png")
    (tmp_path / "clip/00000002.png").rename(tmp_path / "clip/frame9.png")
    first, second = read_frames(tmp_path / "clip")
    assert np.array_equal(first, picture(16, 16, 1))
    assert np.array_equal(second, picture(16, 16, 0))


@pytest.mark.parametrize("name", ["clip.mkv", "clip"])
def test_no_more_frames_are_read_than_were_asked_for(tmp_path: Path, name: str) -> None:
    write = write_video if name.endswith("mkv") else write_pictures
    write(tmp_path / name, moving(4, 16, 16))
    assert len(list(read_frames(tmp_path / name, limit=3))) == 3


def test_a_picture_is_a_clip_of_one_frame(tmp_path: Path) -> None:
    write_pictures(tmp_path / "clip", moving(1, 16, 16))
    assert len(list(read_frames(tmp_path / "clip/00000001.png"))) == 1
    assert list(clips_in(tmp_path / "clip")) == ["00000001"]


def test_a_folder_gives_its_videos_and_its_folders_of_pictures(tmp_path: Path) -> None:
    write_video(tmp_path / "b.mkv", moving(1, 16, 16))
    write_pictures(tmp_path / "a", moving(1, 16, 16))
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("no clip")
    assert list(clips_in(tmp_path)) == ["a", "b"]


def test_a_folder_without_clips_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="holds no video, no folder of pictures"):
        clips_in(tmp_path)
    with pytest.raises(MediaError, match="holds no picture"):
        read_frames(tmp_path)


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(MediaError, match="cannot be read as a picture"):
        read_image(tmp_path / "a.png")


def test_eight_bit_pixels_become_a_frame() -> None:
    pixels = np.zeros((2, 3, 3), dtype=np.uint8)
    pixels[0, 1] = (255, 0, 51)
    assert to_float(pixels)[:, 0, 1].tolist() == pytest.approx([1, 0, 0.2])

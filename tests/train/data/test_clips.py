"""Reading pictures and films, and cutting clips out of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.cuts import is_cut
from tests.train.media import blobs, shades, write_film
from vsadcvsr.errors import MediaError
from vsadcvsr.train.data import clips
from vsadcvsr.train.data.segments import VideoSegments
from vsadcvsr.video_io import to_float

SHIPPED = Path(__file__).parents[3] / "examples" / "media" / "clip.mp4"


@pytest.mark.parametrize("content", [b"", b"no video"])
def test_an_unreadable_video_is_named(tmp_path: Path, content: bytes) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(content)
    with pytest.raises(MediaError, match=r"broken\.mp4 cannot be read as video"):
        VideoSegments.of(broken, frames=3, size=32)


def test_a_video_smaller_than_the_clips_is_refused_by_its_size(tmp_path: Path) -> None:
    film = write_film(tmp_path / "small.mp4", shades(3, height=32, width=64))
    with pytest.raises(MediaError, match=r"small\.mp4 is too small: 64x32, clips are 48x48"):
        VideoSegments.of(film, frames=2, size=48)


def test_a_long_video_is_read_in_stretches_that_follow_each_other(tmp_path: Path) -> None:
    film = VideoSegments.of(write_film(tmp_path / "long.mp4", shades(192), keys=20), frames=3, size=32)
    assert (film.count, film.length) == (3, 64)
    for index in range(3):
        (shot,) = film.shots(index)
        assert len(shot) == 64
        assert shot[0].mean() == pytest.approx(20 + 64 * index, abs=2)
        assert shot[-1].mean() == pytest.approx(83 + 64 * index, abs=2)


def test_large_frames_make_short_stretches(tmp_path: Path) -> None:
    film = VideoSegments.of(write_film(tmp_path / "large.mp4", shades(3, height=1440, width=2560)), frames=2, size=32)
    assert film.length == 6


def test_a_torn_video_gives_what_can_be_decoded(tmp_path: Path) -> None:
    path = write_film(tmp_path / "torn.mkv", [blobs(number, 64, 64) for number in range(8)] * 5, keys=1)
    film = VideoSegments.of(path, frames=1, size=32)
    whole = sum(map(len, film.shots(0)))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert 10 < sum(map(len, film.shots(0))) < whole == 40
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(MediaError, match=r"torn\.mkv"):
        film.shots(0)


def test_windows_never_reach_across_a_cut() -> None:
    first, second = blobs(0), blobs(1)
    video = [first] * 4 + [second] * 3 + [first] * 1
    assert clips.find_cuts(video) == [4, 7]
    assert [len(shot) for shot in clips.split_shots(video, shortest=3)] == [4, 3]


def test_a_flash_is_no_cut() -> None:
    flash = (blobs(0).astype(np.int32) // 3 + 160).astype(np.uint8)
    assert clips.find_cuts([blobs(0)] * 3 + [flash] + [blobs(0)] * 3) == []


def test_cuts_are_those_that_every_host_finds(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    video = [np.roll(blobs(scene), 2 * step, 1) for scene in (0, 1, 2) for step in range(4)]
    video = [
        np.clip(frame * gain, 0, 255).astype(np.uint8)
        for frame, gain in zip(video, rng.uniform(0.5, 1, 12), strict=True)
    ]
    frames = [to_float(frame) for frame in video]
    assert clips.find_cuts(video) == [n for n in range(1, 12) if is_cut(frames[n - 1], frames[n])]


def test_a_change_of_size_is_a_cut() -> None:
    assert clips.find_cuts([np.zeros((20, 20, 3), np.uint8)] * 2 + [np.zeros((24, 20, 3), np.uint8)]) == [2]


def test_the_shipped_clip_reads_as_two_shots() -> None:
    film = VideoSegments.of(SHIPPED, frames=5, size=64)
    assert [len(shot) for shot in film.shots(0)] == [20, 20]
    assert clips.crop_window(film.shots(0)[0], 5, 64, np.random.default_rng(0)).shape == (5, 64, 64, 3)


def test_a_window_has_consecutive_frames_or_every_second() -> None:
    shot = shades(30)
    steps = set()
    for seed in range(30):
        tones = clips.crop_window(shot, 5, 48, np.random.default_rng(seed)).mean((1, 2, 3))
        steps.add(tuple(np.diff(tones)))
    assert steps == {(1, 1, 1, 1), (2, 2, 2, 2)}


def test_a_camera_sees_another_part_each_time() -> None:
    picture = np.random.default_rng(2).integers(0, 255, (90, 90, 3)).astype(np.uint8)
    seen = [clips.camera_motion(picture, 3, 32, np.random.default_rng(seed)) for seed in range(12)]
    assert {clip.shape for clip in seen} == {(3, 32, 32, 3)}
    assert len({clip.tobytes() for clip in seen}) == 12

"""Folders as a source of clips: what is of no use is left out, and what is kept has bounds."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.train.media import blobs, shades, write_film
from vsadcvsr.errors import MediaError, UsageError
from vsadcvsr.train.data.library import ClipLibrary, SizedCache, SourceFiles, prefer_detailed


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two pictures, two films, and of each kind one that is broken and one that is too small."""
    for number in range(2):
        cv2.imwrite(str(tmp_path / f"{number}.png"), blobs(number))
        write_film(tmp_path / f"{number}.mp4", shades(12))
    cv2.imwrite(str(tmp_path / "tiny.png"), blobs(0, 30, 140))
    (tmp_path / "broken.png").write_bytes(b"no picture")
    write_film(tmp_path / "tiny.mp4", shades(12, height=32))
    (tmp_path / "broken.mp4").write_bytes(b"no film")
    return tmp_path


def sources(folder: Path, frames: int = 3) -> SourceFiles:
    return SourceFiles.scan([folder], frames=frames, size=48)


def test_files_of_no_use_are_left_out_and_named(folder: Path) -> None:
    library = ClipLibrary(sources(folder))
    rng = np.random.default_rng(0)
    assert {library.clip(rng).shape for _ in range(40)} == {(3, 48, 48, 3)}
    assert {path.name for path in library.unusable} == {"tiny.png", "broken.png", "tiny.mp4", "broken.mp4"}
    assert "tiny.png is too small an image: 140x30, clips are 48x48" in library.unusable[folder / "tiny.png"]
    assert "tiny.mp4 is too small: 64x32" in library.unusable[folder / "tiny.mp4"]


def test_a_still_is_of_a_video_where_no_picture_is_of_use(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no picture")
    write_film(tmp_path / "film.mp4", shades(12))
    library = ClipLibrary(sources(tmp_path))
    assert library.still(np.random.default_rng(0)).shape == (1, 48, 48, 3)


def test_what_is_drawn_does_not_depend_on_what_is_kept(folder: Path) -> None:
    library = sources(folder)
    warm, cold = ClipLibrary(library), ClipLibrary(library, cache_bytes=1)
    for seed in range(20):
        warm.clip(np.random.default_rng(100 + seed))
    for seed in range(20):
        assert np.array_equal(warm.clip(np.random.default_rng(seed)), cold.clip(np.random.default_rng(seed)))


def test_two_in_five_clips_are_videos(folder: Path) -> None:
    library = ClipLibrary(sources(folder))
    flat = [np.ptp(library.clip(np.random.default_rng(seed))[0]) < 3 for seed in range(150)]
    assert np.mean(flat) == pytest.approx(1 / (1 + 0.6 / 0.4 * 2 / 4), abs=0.12)  # half of the pictures are drawn again


def test_all_stretches_are_as_likely(tmp_path: Path) -> None:
    write_film(tmp_path / "short.mp4", [np.full((64, 64, 3), 250, np.uint8)] * 64)
    write_film(tmp_path / "long.mp4", shades(192))
    library = ClipLibrary(sources(tmp_path))
    tones = np.array([library.clip(np.random.default_rng(seed)).mean() for seed in range(300)])
    shares = np.histogram(tones, [0, 84, 148, 225, 256])[0] / 300
    np.testing.assert_allclose(shares, 0.25, atol=0.08)


def test_a_still_is_one_frame_of_a_photograph_or_else_of_a_video(folder: Path, tmp_path: Path) -> None:
    library = ClipLibrary(sources(folder))
    stills = [library.still(np.random.default_rng(seed)) for seed in range(10)]
    assert {still.shape for still in stills} == {(1, 48, 48, 3)}
    assert all(np.ptp(still) > 20 for still in stills)
    films = tmp_path / "films"
    films.mkdir()
    write_film(films / "a.mp4", shades(12))
    assert ClipLibrary(sources(films)).still(np.random.default_rng(0)).shape == (1, 48, 48, 3)


@pytest.mark.parametrize("name", ["tiny.png", "broken.png"])
def test_if_no_file_is_left_the_reason_is_reported(folder: Path, name: str) -> None:
    library = ClipLibrary(SourceFiles.scan([folder / name], frames=3, size=48))
    with pytest.raises(MediaError, match=rf"no usable file is left.*{name}"):
        library.clip(np.random.default_rng(0))


def test_if_all_videos_are_unusable_the_reason_is_reported(folder: Path) -> None:
    with pytest.raises(MediaError, match=r"no videos in .* are of use: .*tiny\.mp4 is too small"):
        SourceFiles.scan([folder / "tiny.mp4"], frames=3, size=48)


def test_shots_shorter_than_a_clip_are_of_no_use(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    coarse = [np.kron(rng.integers(0, 256, (8, 8, 3)), np.ones((8, 8, 1))).astype(np.uint8) for _ in range(10)]
    write_film(tmp_path / "cuts.mp4", [picture for picture in coarse for _ in range(2)])
    library = ClipLibrary(sources(tmp_path))
    with pytest.raises(MediaError, match=r"cuts\.mp4 has no shots of 3 frames"):
        library.clip(np.random.default_rng(0))
    assert ClipLibrary(sources(tmp_path, frames=2)).clip(np.random.default_rng(0)).shape == (2, 48, 48, 3)


def test_empty_and_absent_folders_are_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no pictures and no videos in"):
        sources(tmp_path)
    with pytest.raises(UsageError, match=r"folder .*nowhere does not exist"):
        sources(tmp_path / "nowhere")


def test_the_latest_values_are_kept_within_the_room() -> None:
    store, result = SizedCache[str, str](10), list[str]()

    def get(key: str, size: int) -> str:
        def make() -> tuple[str, int]:
            result.append(key)
            return key.upper(), size

        return store.get(key, make)

    assert [get(key, 4) for key in "abab"] == list("ABAB")
    assert result == ["a", "b"]
    get("c", 4)  # a, the oldest, goes
    get("b", 4)
    assert result == ["a", "b", "c"]
    get("a", 4)
    assert result == ["a", "b", "c", "a"]
    get("large", 100)  # alone, and kept all the same
    get("large", 100)
    assert result[4:] == ["large"]


def test_of_two_clips_the_busier_is_taken_half_of_the_time() -> None:
    smooth, busy = np.zeros((1, 8, 8, 3), np.uint8), np.zeros((1, 8, 8, 3), np.uint8)
    busy[:, :, ::2] = 200
    draws = []
    for seed in range(400):
        rng = np.random.default_rng(seed)
        draws.append(prefer_detailed(lambda rng: busy if rng.random() < 0.5 else smooth, rng) is busy)
    assert np.mean(draws) == pytest.approx(0.5 * 0.5 + 0.5 * 0.75, abs=0.07)

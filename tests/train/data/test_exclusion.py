"""Lists of files that no training may use."""

from __future__ import annotations

import logging
from pathlib import Path

import cv2
import pytest

from tests.train.media import blobs, shades, write_film
from vsadcvsr.errors import UsageError
from vsadcvsr.train.data import build
from vsadcvsr.train.data.exclusion import Exclusion
from vsadcvsr.train.data.library import SourceFiles


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for kind in ("images", "clips"):
        (tmp_path / "data" / kind).mkdir(parents=True)
    for name in ("a", "b", "ab"):
        cv2.imwrite(str(tmp_path / "data" / "images" / f"{name}.png"), blobs(1))
        write_film(tmp_path / "data" / "clips" / f"{name}.mp4", shades(12))
    return tmp_path / "data"


def listed(folder: Path, text: str) -> Path:
    path = folder.with_name("validation.txt")
    path.write_text(text, encoding="utf-8")
    return path


def test_excluded_files_are_no_source(folder: Path) -> None:
    exclude = Exclusion.read([listed(folder, "# scenes\n\nclips/a.mp4\n  images/b.png\n")])
    sources = SourceFiles.scan([folder], frames=3, size=48, exclude=exclude)
    assert [path.name for path in sources.pictures] == ["a.png", "ab.png"]
    assert [film.path.name for film in sources.videos] == ["ab.mp4", "b.mp4"]


def test_a_folder_further_down_may_be_named(folder: Path) -> None:
    exclude = Exclusion.read([listed(folder, "clips/a.mp4\nimages/a.png\n")])
    result = SourceFiles.scan([folder / "clips"], frames=3, size=48, exclude=exclude)
    assert [film.path.name for film in result.videos] == ["ab.mp4", "b.mp4"]


def test_a_list_of_validation_scenes_excludes_them(folder: Path) -> None:
    """Comments after names, whole paths, and a folder of pictures that is a scene."""
    scene = folder / "pans" / "lake"
    scene.mkdir(parents=True)
    cv2.imwrite(str(scene / "0001.png"), blobs(2))
    text = f"clips/a.mp4  # seen by a test\n{folder / 'images' / 'b.png'}\npans/lake\n"
    exclude = Exclusion.read([listed(folder, text)])
    sources = SourceFiles.scan([folder], frames=3, size=48, exclude=exclude)
    assert [path.name for path in sources.pictures] == ["a.png", "ab.png"]
    assert [film.path.name for film in sources.videos] == ["ab.mp4", "b.mp4"]
    assert not exclude.unmatched([folder])


def test_a_name_may_have_a_hash(folder: Path) -> None:
    cv2.imwrite(str(folder / "images" / "a#2.png"), blobs(2))
    exclude = Exclusion.read([listed(folder, "  # none\nimages/a#2.png\n")])
    assert exclude.covers(folder / "images" / "a#2.png")
    assert exclude.unmatched([folder / "images" / "a#2.png"]) == []


def test_names_that_match_no_file_are_logged(
    folder: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "build_shards", lambda *_, **__: 0)
    arguments = [str(folder), "--out", "unused", "--frames", "3", "--size", "48"]
    with caplog.at_level(logging.WARNING):
        build.main([*arguments, "--exclude", str(listed(folder, "clips/a.mp4\nclips/absent.mp4\n"))])
    assert "1 names of --exclude match no file, clips/absent.mp4 first" in caplog.text


def test_a_list_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"absent\.txt cannot be read.*give a text file of file names"):
        Exclusion.read([tmp_path / "absent.txt"])

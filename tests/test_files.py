"""One table of the kinds of files: whatever training takes can be measured, and the other way round."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from vsadcvsr.files import IMAGES, VIDEOS, files_below, natural_key, replacing, write_text
from vsadcvsr.train.data.library import SourceFiles
from vsadcvsr.video_io import clips_in

CLIP = Path(__file__).parents[1] / "examples" / "media" / "clip.mp4"


@pytest.mark.parametrize("suffix", [".m4v", ".flv", ".MKV", ".bmp", ".tif", ".webp"])
def test_training_and_measuring_take_the_same_files(suffix: str, tmp_path: Path) -> None:
    shutil.copy(CLIP, tmp_path / f"one{suffix}")  # FFmpeg looks at what is inside
    assert (suffix.lower() in VIDEOS) != (suffix.lower() in IMAGES)
    assert list(clips_in(tmp_path)) == ["one"]
    result = SourceFiles.scan([tmp_path], frames=2, size=32)
    assert len(result.pictures) + len(result.videos) == 1


def test_files_are_found_at_any_depth_and_once(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    for name in ("b.PNG", "deep/a.png", "deep/er/c.mp4", "notes.txt"):
        (tmp_path / name).touch()
    result = files_below([tmp_path, tmp_path / "deep"], (".png",))
    assert result == [tmp_path / "b.PNG", tmp_path / "deep" / "a.png"]
    assert files_below([tmp_path / "deep" / "a.png"], (".png",)) == [tmp_path / "deep" / "a.png"]


def test_a_file_system_that_cannot_flush_is_no_failure_but_a_full_disk_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(number: int) -> Callable[[int], None]:
        def fsync(_: int) -> None:
            raise OSError(number, "fsync")

        return fsync

    path = tmp_path / "a.json"
    monkeypatch.setattr("os.fsync", failing(errno.ENOTSUP))
    with replacing(path) as unfinished:
        unfinished.write_text("new")
    assert path.read_text() == "new"
    monkeypatch.setattr("os.fsync", failing(errno.ENOSPC))
    with pytest.raises(OSError, match="fsync"), replacing(path) as unfinished:
        unfinished.write_text("newer")
    assert (path.read_text(), list(tmp_path.iterdir())) == ("new", [path])


def test_names_sort_by_their_numbers_and_other_digits_are_letters() -> None:
    names = [Path(name) for name in ("10.png", "2.png", "m²3.png", "2²4.png")]
    assert [path.name for path in sorted(names, key=natural_key)] == ["2.png", "2²4.png", "10.png", "m²3.png"]


def test_a_name_that_cannot_be_a_files_is_refused_by_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in (tmp_path, Path()):
        with pytest.raises(IsADirectoryError) as caught, replacing(folder):
            pass
        assert caught.value.filename == str(folder)
    with pytest.raises(FileNotFoundError) as missing, replacing(Path("gone/a.json")):
        pass
    assert missing.value.filename == "gone"
    assert not list(tmp_path.iterdir())


def test_a_text_is_written_whole_or_not_at_all_and_devices_stay(tmp_path: Path) -> None:
    path, link, pipe = tmp_path / "a.json", tmp_path / "link.json", tmp_path / "pipe"
    write_text(path, "old")
    link.symlink_to(path)
    with pytest.raises(UnicodeEncodeError):
        write_text(link, "half\udc80")
    assert path.read_text() == "old"
    write_text(link, "new")
    assert (path.read_text(), link.is_symlink()) == ("new", True)
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDWR)
    write_text(pipe, "text")
    assert (os.read(reader, 9), pipe.is_fifo()) == (b"text", True)
    os.close(reader)
    assert sorted(tmp_path.iterdir()) == [path, link, pipe]

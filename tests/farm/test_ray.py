"""The very command of one machine with `-farm`: the same film, by the workers of two nodes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ffmpeg_filter.farms import TEMPORAL, hashes, pictures, source
from tests.ffmpeg_filter.media import copied, ffadcvsr, ffmpeg, times
from vsadcvsr.farm.job import Job


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return source(tmp_path_factory.mktemp("clip") / "clip.mp4", "-c:v libx264 -g 20 -bf 3 -b_strategy 0 -c:a aac")


def test_the_film_is_that_of_one_machine_and_nothing_else_is_left(here: str, clip: Path) -> None:
    command: list[str | Path] = ["-i", clip, f"-vf {TEMPORAL} -c:v ffv1 -c:a copy"]
    assert ffadcvsr(*command, "one.mkv") == 0
    assert ffadcvsr("-farm", here, "-farm_chunk 0.2", *command, "many.mkv") == 0
    assert hashes(Path("many.mkv")) == hashes(Path("one.mkv"))
    assert copied(Path("many.mkv")) == copied(Path("one.mkv"))
    assert sorted(path.name for path in Path().iterdir()) == ["many.mkv", "one.mkv"]

"""A job's folder, and the files that it was planned with."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.farm.jobs import planned
from vsadcvsr.errors import FarmError, FormatError
from vsadcvsr.farm.store.fingerprints import ChangedError
from vsadcvsr.farm.store.job import Job, write_once


def test_the_same_plan_can_be_written_twice(job: Job, tmp_path: Path) -> None:
    assert planned(tmp_path / "job").key == job.key


def test_another_plan_does_not_overwrite_the_first(job: Job, tmp_path: Path) -> None:
    with pytest.raises(ChangedError, match="holds another plan, with another command"):
        planned(tmp_path / "job", command=["y"])


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"version": 9}', '{"version": 1, "chunks": [[1]]}'])
def test_a_damaged_plan_is_refused_in_one_line(job: Job, content: str) -> None:
    (job.folder / "job.json").write_text(content)
    with pytest.raises(ChangedError, match=r"plan (it|the job) again") as caught:
        Job.read(job.folder)
    assert "\n" not in str(caught.value)


def test_a_source_of_another_length_is_noticed(job: Job, tmp_path: Path) -> None:
    (tmp_path / "source.bin").write_bytes(b"another film")
    with pytest.raises(ChangedError, match="600 bytes then, 12 now"):
        job.check_sources()


def test_a_source_with_other_bytes_is_noticed(job: Job, tmp_path: Path) -> None:
    path = tmp_path / "source.bin"
    stat = path.stat()
    path.write_bytes(path.read_bytes()[::-1])
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    with pytest.raises(ChangedError, match="other bytes"):
        job.check_sources()


def test_a_source_that_was_written_again_is_noticed(job: Job, tmp_path: Path) -> None:
    os.utime(tmp_path / "source.bin", (1, 1))
    with pytest.raises(ChangedError, match="written again"):
        job.check_sources()


def test_a_source_that_is_away_may_come_back(job: Job, tmp_path: Path) -> None:
    (tmp_path / "source.bin").unlink()
    with pytest.raises(FarmError, match="cannot be read on this machine") as caught:
        job.check_sources()
    assert not isinstance(caught.value, ChangedError | FormatError)


def test_processes_of_one_number_do_not_write_into_each_others_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, link, links = tmp_path / "index.txt", os.link, list[bool]()

    def late(first: Path, second: Path) -> None:
        if not links:
            links.append(True)
            write_once(path, b"theirs")  # the other container's process, at the same moment
        link(first, second)

    monkeypatch.setattr(os, "link", late)
    write_once(path, b"ours")
    assert path.read_bytes() == b"theirs"
    assert [file.name for file in tmp_path.iterdir()] == ["index.txt"]


def test_no_two_attempts_at_a_chunk_have_one_file(tmp_path: Path) -> None:
    job = planned(tmp_path / "job")
    assert job.unfinished_path(1, ".mkv") != job.unfinished_path(1, ".mkv")

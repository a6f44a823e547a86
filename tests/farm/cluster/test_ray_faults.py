"""Whatever ends workers, nodes or the run itself on a cluster: nothing is lost, and nothing done twice that is done."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from ffmpeg_filter.farm import run
from tests.farm.conftest import NODE, SURROUNDINGS
from tests.ffmpeg_filter.farms import farm, hashes, source
from tests.ffmpeg_filter.files import copied, ffadcvsr, surroundings
from tests.waiting import meanwhile, wait_until
from vsadcvsr.farm.store.job import Job

SLOW = "adcvsr=nearest-temporal:width=640:height=480"
FOLDER = Path("many.mkv.farm")
CHUNKS = 6


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a clip, and what one machine makes of it."""
    folder = tmp_path_factory.mktemp("films")
    clip = source(folder / "clip.mkv", "-c:v ffv1 -c:a flac")
    assert ffadcvsr("-i", clip, f"-vf {SLOW} -c:v ffv1 -c:a copy", folder / "one.mkv") == 0
    return folder


@pytest.fixture(autouse=True)
def sources(in_tmp_path: Path, films: Path) -> None:
    for name in ("clip.mkv", "one.mkv"):
        Path(name).write_bytes((films / name).read_bytes())


def words(address: str, *more: str) -> list[str]:
    """The command, of six chunks; its folder stays."""
    line = f"-farm {address} -farm_chunk 0.2 -farm_keep -i clip.mkv -vf {SLOW} -c:v ffv1 -c:a copy many.mkv"
    return [*more, *line.split()]


def is_the_film_of_one_machine() -> bool:
    single, chunked = Path("one.mkv"), Path("many.mkv")
    return hashes(single) == hashes(chunked) and copied(single) == copied(chunked)


def done() -> list[int]:
    """The chunk of each time that one was made."""
    if not (FOLDER / "job.json").exists():
        return []
    return sorted(line.chunk for line in Job.read(FOLDER.resolve()).entries() if line.event == "done")


def causes() -> list[str]:
    return [line.cause for line in Job.read(FOLDER.resolve()).entries() if line.event == "failed"]


def half_made(is_started: Callable[[re.Match[str]], bool] = lambda _: True) -> re.Match[str]:
    """The name of a file that some worker is at: chunk, host and process."""

    def look() -> re.Match[str] | None:
        names = (path.name for path in FOLDER.glob("chunks/*.part.*.mkv"))
        result = (re.fullmatch(r"(\d+)\.(.+)\.(\d+)\.part\.[0-9a-f]+\.mkv", name) for name in names)
        return next((item for item in result if item and is_started(item)), None)

    return wait_until(look, "a chunk in the making")


@contextmanager
def started(*given: str, site: str = run.WORKER_CLASS, **more: str) -> Iterator[subprocess.Popen[bytes]]:
    """The command in a process of its own, which has ended on leaving; what it says is in `said.txt`."""
    modules = "from ffmpeg_filter import program; from ffmpeg_filter.farm import run"
    code = f"{modules}; run.WORKER_CLASS = {site!r}; program.run()"
    with Path("said.txt").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", code, *given], env=surroundings(**SURROUNDINGS, **more), stderr=log
        )
        try:
            yield process
            process.wait(60)
        finally:
            process.kill()
            process.wait()


def test_a_worker_that_is_killed_costs_its_chunk_and_another_takes_its_place(here: str) -> None:
    with meanwhile(lambda: os.kill(int(half_made(lambda item: item[1] != "00000")[3]), signal.SIGKILL)):
        assert ffadcvsr(*words(here)) == 0
    assert causes() == ["the worker's process was ended (by hand, or for want of memory)"]
    assert done() == list(range(CHUNKS))
    assert not list(FOLDER.glob("chunks/*.part*"))
    assert is_the_film_of_one_machine()


def test_a_node_that_goes_is_done_without_and_one_that_comes_gets_a_worker(cluster: Any, here: str) -> None:
    leaving = cluster.add_node(**NODE)
    Path("stop").touch()
    with started(*words(here), site="tests.farm.faulty:Gate") as run:
        lost = a_worker_of(leaving)
        cluster.remove_node(leaving, allow_graceful=False)
        coming = cluster.add_node(**NODE)
        a_worker_of(coming)
        Path("stop").unlink()
    cluster.remove_node(coming)
    assert run.returncode == 0, Path("said.txt").read_text()
    assert causes() in (
        ["the worker's process was ended (by hand, or for want of memory)"],
        ["the worker's node is gone"],
    )
    assert {line.worker for line in Job.read(FOLDER.resolve()).entries() if line.event == "failed"} == {lost}
    assert done() == list(range(CHUNKS))
    assert is_the_film_of_one_machine()


def test_a_full_disk_of_one_worker_is_another_ones_work(here: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "WORKER_CLASS", "tests.farm.faulty:FullDisk")
    assert ffadcvsr(*words(here)) == 0
    assert causes()
    assert done() == list(range(CHUNKS))
    assert is_the_film_of_one_machine()


def test_chunks_that_are_cut_short_or_changed_afterwards_are_made_again_and_no_others(here: str) -> None:
    assert ffadcvsr(*words(here)) == 0
    result = Job.read(FOLDER.resolve()).done()
    short, other = (FOLDER / "chunks" / result[number].file for number in (1, 4))
    os.truncate(short, short.stat().st_size - 100)
    other.write_bytes(other.read_bytes()[::-1])
    Path("many.mkv").unlink()
    assert ffadcvsr(*words(here)) == 0
    assert done() == [0, 1, 1, 2, 3, 4, 4, 5]
    assert is_the_film_of_one_machine()


def test_what_was_done_before_the_head_ended_is_not_done_again_on_another_cluster(cluster: Any, here: str) -> None:
    other = type(cluster)(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
    Path("stop").touch()
    hasty = {"RAY_gcs_rpc_server_reconnect_timeout_s": "2"}
    with started(*words(other.address), site="tests.farm.faulty:Gate", **hasty) as run:
        wait_until(lambda: done() == [0], "the first chunk")
        other.head_node.kill_gcs_server()
    other.shutdown()
    assert run.returncode
    assert ffadcvsr(*words(here)) == 0
    assert done() == list(range(CHUNKS))
    assert is_the_film_of_one_machine()


def test_the_same_command_twice_at_once_does_nothing_twice(here: str) -> None:
    with started(*words(here)) as other:
        assert ffadcvsr(*words(here)) == 0
    assert other.returncode == 0, Path("said.txt").read_text()
    assert done() == list(range(CHUNKS))
    events = [line.event for line in Job.read(FOLDER.resolve()).entries()]
    assert (events.count("planned"), events.count("merged")) == (1, 1)
    assert is_the_film_of_one_machine()


def test_a_source_that_is_another_than_it_was_is_not_mixed_into_the_video(
    here: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert farm("plan", FOLDER, "--chunk-seconds 0.2 --", *words(here)[5:]) == 0
    with Path("clip.mkv").open("r+b") as clip:
        clip.seek(-50, os.SEEK_END)
        clip.write(b"others")
    assert ffadcvsr(*words(here)) == 65
    assert "clip.mkv has changed since it was planned: other bytes in it; plan the job again" in capfd.readouterr().err


def a_worker_of(node: Any) -> str:
    """The name of one that is at work on a node."""
    raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)

    def look() -> str:
        own = {process.pid for process in raylet.children()}
        for line in Job.read(FOLDER.resolve()).entries() if (FOLDER / "job.json").exists() else []:
            if line.event == "begun" and int(line.worker.rpartition(":")[2]) in own:
                return line.worker
        return ""

    return wait_until(look, "somebody at work there")

"""Whatever ends a worker or spoils a file, the next run mends it, and says what it cannot mend."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
from pathlib import Path

import pytest

from ffmpeg_filter.media.binary import ENVIRONMENT_VARIABLE, find_binary
from tests.ffmpeg_filter.farms import TEMPORAL, farm, hashes, planned, started
from tests.ffmpeg_filter.files import command, ffadcvsr, surroundings
from tests.waiting import wait_until
from vsadcvsr.farm.monitor.status import status_of

JOB = Path("job")


@pytest.fixture(autouse=True)
def one_thread(in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def is_the_film_of_one_machine(network: str = TEMPORAL) -> bool:
    assert ffadcvsr("-i clip.mkv", f"-vf {network} -c:v ffv1 -c:a copy one.mkv") == 0
    return hashes(Path("many.mkv")) == hashes(Path("one.mkv"))


def done_lines() -> list[int]:
    """The chunk of each line on something that was done."""
    lines = [json.loads(line) for path in (JOB / "ledger").iterdir() for line in path.read_text().splitlines()]
    return sorted(line["chunk"] for line in lines if line["event"] == "done")


def wait_for(what: str, process: subprocess.Popen[bytes]) -> None:
    """Until there is a file of that pattern in the folder of chunks."""
    wait_until(
        lambda: list((JOB / "chunks").glob(what)), f"a file {what}", goes_on=lambda: process.poll() is None
    )  # fmt: skip


SLOW = "adcvsr=nearest-temporal:width=640:height=480"


def test_a_worker_that_is_killed_costs_the_chunk_that_it_was_at() -> None:
    job = planned(network=SLOW)
    with started("work", JOB) as process:
        wait_for("00001.*.part.*.mkv", process)
        process.kill()
    assert (done_lines(), list(job.done())) == ([0], [0])
    assert farm("work", JOB) == 0
    assert done_lines() == [0, 1, 2]
    assert not list(job.chunk_folder.glob("*.part*"))
    assert farm("merge", JOB) == 0
    assert is_the_film_of_one_machine(SLOW)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 75), (signal.SIGINT, 130)])
def test_a_worker_that_is_asked_to_end_leaves_nothing_half_made(number: signal.Signals, status: int) -> None:
    job = planned(network=SLOW)
    with started("work", JOB, "--chunk", "1") as process:
        wait_for("00001.*.part.*.mkv", process)
        process.send_signal(number)
    assert process.returncode == status, Path("said.txt").read_text()
    assert not list(job.chunk_folder.iterdir())
    assert status_of(job).running == {}


@pytest.mark.parametrize("end", ["kill -9 $$", "exit 255"])  # as for want of memory; as FFmpeg ends after SIGTERM
def test_a_decoder_that_is_killed_is_worth_another_try(
    end: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    program = Path("ffmpeg").resolve()
    trap = f'[ ! -e end ] || case "$*" in *showinfo*) {end}; esac'
    program.write_text(f'#!/bin/sh\n{trap}\nexec {find_binary().path} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(program))
    job = planned("-c:v ffv1")
    Path("end").touch()
    capfd.readouterr()
    assert farm("work", JOB, "--chunk", "1") == 75
    assert farm("plan", Path("other"), "--", f"-i clip.mkv -vf {TEMPORAL} -c:v ffv1 other.mkv") == 75
    assert [line.split(" by ")[0] for line in capfd.readouterr().err.splitlines() if "decoder" in line] == [
        f"ffadcvsr: the decoder was {'killed' if 'kill' in end else 'stopped'}"
    ] * 2
    assert set(status_of(job).failed) == {1}
    Path("end").unlink()
    assert farm("work", JOB) == 0


def test_a_full_disk_is_worth_another_try_elsewhere() -> None:
    job = planned("-c:v libx264 -farm_intermediate ffv1", network="adcvsr=nearest")
    command_line = shlex.join(command("farm", "work", JOB))
    full = subprocess.run(
        ["bash", "-c", f"ulimit -f 8; {command_line}"], env=surroundings(), capture_output=True, text=True, check=False
    )  # files of 8 KiB at the most
    assert full.returncode == 75, full.stderr
    assert "chunk 0 failed" in full.stderr
    assert not list(job.chunk_folder.iterdir())
    assert set(status_of(job).failed) == {0, 1, 2}
    assert farm("work", JOB) == 0
    assert status_of(job).failed == {}


def test_a_chunk_that_is_cut_short_is_made_again_and_no_other() -> None:
    job = planned()
    assert farm("work", JOB) == 0
    path = job.chunk_folder / job.done()[1].file
    os.truncate(path, path.stat().st_size - 100)
    assert farm("merge", JOB) == 75
    assert farm("work", JOB) == 0
    assert done_lines() == [0, 1, 1, 2]
    assert farm("merge", JOB) == 0
    assert is_the_film_of_one_machine()


def test_workers_at_once_share_the_work() -> None:
    planned(network=SLOW)
    with started("work", JOB) as first, started("work", JOB) as second:
        pass
    assert (first.returncode, second.returncode) == (0, 0), Path("said.txt").read_text()
    assert done_lines() == [0, 1, 2]
    assert farm("merge", JOB) == 0
    assert is_the_film_of_one_machine(SLOW)


def test_one_chunk_made_by_two_at_once_is_harmless_and_the_same_twice() -> None:
    job = planned("-c:v libx264 -crf 20")
    with started("work", JOB, "--chunk", "1") as first, started("work", JOB, "--chunk", "1") as second:
        pass
    assert (first.returncode, second.returncode) == (0, 0), Path("said.txt").read_text()
    assert len(list(job.chunk_folder.iterdir())) == 1

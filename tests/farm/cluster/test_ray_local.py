"""`-farm local`: Ray of this machine alone, which nobody else sees and of which nothing is left; and no Ray at all."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from socket import create_server

import psutil
import pytest

from tests.farm.conftest import free_port
from tests.ffmpeg_filter.farms import source
from tests.ffmpeg_filter.files import command, ffadcvsr, surroundings
from tests.waiting import wait_until
from vsadcvsr.farm.store.job import Job

needs_ray = pytest.mark.requires("ray")
SLOW = "adcvsr=nearest-temporal:width=640:height=480"
HOME = {"127.0.0.1", "::1", "::ffff:127.0.0.1"}


@pytest.fixture(autouse=True)
def source_clip(in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_worker_niceness", raising=False)
    source(Path("clip.mkv"), "-c:v ffv1 -c:a flac")


def words(address: str, output: str = "many.mkv") -> str:
    return f"-farm {address} -farm_chunk 0.2 -i clip.mkv -vf {SLOW} -c:v ffv1 -c:a copy {output}"


@contextmanager
def started(temporary: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The command in a process of its own, at work on its second chunk."""
    with Path("said.txt").open("wb") as log, Path("out.txt").open("wb") as out:
        process = subprocess.Popen(
            command(words("local")), env=surroundings(OMP_NUM_THREADS="1", TMPDIR=str(temporary)), stderr=log,
            stdout=out,
        )  # fmt: skip
        try:
            chunks = Path("many.mkv.farm/chunks")
            wait_until(
                lambda: list(chunks.glob("00001*")), "the second chunk", goes_on=lambda: process.poll() is None
            )  # fmt: skip
            yield process
        finally:
            process.kill()
            process.wait()


def family(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """A process, and all that come of it."""
    own = psutil.Process(process.pid)
    return [own, *own.children(recursive=True)]


def addresses(processes: list[psutil.Process]) -> set[str]:
    """Where they listen, and whom they talk to."""
    result = set()
    for process in processes:
        with suppress(psutil.Error):
            links = process.net_connections(kind="inet")
            result |= {link.laddr.ip for link in links if link.status == psutil.CONN_LISTEN}
            result |= {link.raddr.ip for link in links if link.status == psutil.CONN_ESTABLISHED}
    return result


def all_end(processes: list[psutil.Process]) -> bool:
    return not psutil.wait_procs(processes, timeout=60)[1]


@needs_ray
def test_nobody_else_can_talk_to_it_it_talks_to_nobody_and_after_ctrl_c_nothing_is_left() -> None:
    temporary = Path("t").resolve()
    temporary.mkdir()
    with started(temporary) as process:
        processes = family(process)
        assert addresses(processes)
        assert addresses(processes) <= HOME
        (raylet,) = (child for child in psutil.Process(process.pid).children() if child.name() == "raylet")
        variables = raylet.environ()
        assert variables["RAY_USAGE_STATS_ENABLED"] == "0"
        assert (variables["RAY_AUTH_MODE"], len(variables["RAY_AUTH_TOKEN"])) == ("token", 64)
        assert {child.nice() for child in raylet.children()} == {psutil.Process(process.pid).nice()}
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130, Path("said.txt").read_text()
        assert all_end(processes)
    assert not list(temporary.iterdir())
    assert not Path("out.txt").read_text()
    assert not list(Path("many.mkv.farm/chunks").glob("*.part*"))
    assert "Traceback" not in Path("said.txt").read_text()


@needs_ray
def test_a_run_that_is_killed_takes_its_cluster_with_it_and_another_goes_on(here: str) -> None:
    temporary = Path("t").resolve()
    temporary.mkdir()
    with started(temporary) as process:
        processes = family(process)
        (raylet,) = (child for child in psutil.Process(process.pid).children() if child.name() == "raylet")
        agents = [
            child for child in raylet.children() if child.name().endswith("Agent")
        ]  # they look for it for a minute yet
        process.kill()
        assert all_end([child_process for child_process in processes if child_process not in agents])
        for agent in agents:
            agent.kill()
    job = Job.read(Path("many.mkv.farm").resolve())
    before = set(job.done())
    assert before
    assert ffadcvsr("-farm_keep", words(here)) == 0
    assert sorted(line.chunk for line in job.entries() if line.event == "done") == list(range(6))
    assert before < {line.chunk for line in job.entries() if line.event == "done"}


@needs_ray
def test_the_address_of_a_cluster_that_is_no_more_is_told_at_once(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{free_port()}")
    assert ffadcvsr(words("auto")) == 75
    assert "no Ray answers at 127.0.0.1:" in capfd.readouterr().err


@needs_ray
@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_where_nothing_answers_ray_is_not_asked_which_would_wait_for_minutes(
    scheme: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("ray.init", lambda *_, **__: pytest.fail("Ray was asked"))
    assert ffadcvsr(words(f"{scheme}127.0.0.1:{free_port()}")) == 75
    assert "no Ray answers at 127.0.0.1:" in capfd.readouterr().err
    assert not Path("many.mkv.farm").exists()


@needs_ray
def test_what_answers_and_is_not_ray_is_told_from_it(capfd: pytest.CaptureFixture[str]) -> None:
    with closing(create_server(("127.0.0.1", 0))) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(10)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        assert ffadcvsr(words(f"127.0.0.1:{server.getsockname()[1]}")) == 75
        thread.join()
    assert "is not Ray; usual are ray://host:10001 and, on a node, host:6379" in capfd.readouterr().err


@pytest.mark.parametrize(("address", "hint"), [("locale", "did you mean 'local'?"), ("ray://head", "ray://host:port")])
def test_what_is_no_address_is_told_before_anything_is_done(
    address: str, hint: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert ffadcvsr(words(address)) == 64
    assert hint in capfd.readouterr().err


def test_without_ray_it_is_said_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert ffadcvsr(words("local")) == 65
    assert "-farm needs ray" in capfd.readouterr().err


def test_a_video_that_is_there_is_not_made_again_unasked(capfd: pytest.CaptureFixture[str]) -> None:
    Path("many.mkv").write_bytes(b"a film")
    assert ffadcvsr(words("local")) == 64
    assert "'many.mkv' already exists; give another name, or -y to overwrite it" in capfd.readouterr().err

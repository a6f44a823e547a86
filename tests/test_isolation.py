"""The isolation of tests itself: whatever a test leaves or reaches fails it, and no skip hides from ADCVSR_REQUIRE."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.requirements import is_required

ROOT = Path(__file__).parents[1]
TESTS = """
import logging, os, random, signal, socket, subprocess, sys, time
from pathlib import Path
import numpy as np
import pytest
from tests.requirements import CHECKS, requires

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
CHECKS["nothing"] = lambda: False


def test_bad_child():
    globals()["kept"] = subprocess.Popen(SLEEP)


def test_bad_orphan():
    subprocess.run([sys.executable, "-c", f"import subprocess; subprocess.Popen({SLEEP!r})"], check=True)


def test_bad_home():
    Path("~/.cache").expanduser().mkdir()


@pytest.mark.parametrize("address", [("192.0.2.1", 80), ("example.com", 80)])
def test_bad_network(address):
    with pytest.raises(OSError):
        socket.create_connection(address, 1)


def test_bad_error():
    logging.getLogger("vsadcvsr").error("it broke")


@pytest.mark.requires("nothing")
def test_absent_by_mark():
    pass


def test_absent_by_call():
    requires("nothing")


def test_absent_library():
    pytest.importorskip("nothing")


@pytest.mark.logs_errors
def test_good_error():
    logging.getLogger("vsadcvsr").error("it broke")


def test_good_network():
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), 1).close()


@pytest.mark.parametrize("time", [1, 2])
def test_good_random(time):
    drawn = random.random(), np.random.random()
    assert globals().setdefault("drawn", drawn) == drawn


def test_good_interrupt():
    child = subprocess.Popen(SLEEP, stderr=subprocess.DEVNULL)
    time.sleep(0.01)
    child.send_signal(signal.SIGINT)
    assert child.wait(60)
"""


def outcomes(folder: Path, *arguments: str, required: str = "") -> tuple[set[str], str]:
    """Which of those tests fail, when they run with SIGINT ignored, and what is said."""
    (folder / "conftest.py").write_text("from tests.conftest import *\nfrom tests.conftest import pytest_configure\n")
    (folder / "test_them.py").write_text(TESTS)
    run = [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "--rootdir", str(folder), str(folder), *arguments]
    own = {**os.environ, "PYTHONPATH": str(ROOT), "ADCVSR_REQUIRE": required, "ADCVSR_GRACE": "0.5"}
    done = subprocess.run(
        ["sh", "-c", f"trap '' INT; exec {shlex.join(run)}"], cwd=folder, env=own, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    return set(re.findall(r"^(?:FAILED|ERROR) \S*::test_(\w+)", done.stdout, re.MULTILINE)), done.stdout


@pytest.mark.requires("posix")
def test_whatever_a_test_leaves_or_reaches_fails_it_and_is_named(tmp_path: Path) -> None:
    failed, words = outcomes(tmp_path)
    assert failed == {"bad_child", "bad_orphan", "bad_home", "bad_network", "bad_error"}, words
    assert "wrote into the home folder: .cache" in words
    assert "asked the network for 192.0.2.1" in words
    assert "errors were logged: vsadcvsr: it broke" in words
    assert len(re.findall("^this test left processes", words, re.MULTILINE)) == 2
    assert "3 skipped" in words


@pytest.mark.requires("posix")
def test_what_is_required_is_not_skipped(tmp_path: Path) -> None:
    failed, words = outcomes(tmp_path, "-k absent", required="ray, nothing")
    assert failed == {"absent_by_mark", "absent_by_call", "absent_library"}, words


@pytest.mark.parametrize(
    ("variable", "name", "is_so"),
    [("ray,vmaf", "vmaf", True), ("ray,vmaf", "ray2", False), ("all", "ray", True), ("all", "linux", False),
     ("", "ray", False)],
)  # fmt: skip
def test_all_is_everything_but_another_system(
    variable: str, name: str, is_so: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADCVSR_REQUIRE", variable)
    assert is_required(name) == is_so


def test_no_assertion_is_on_the_clock() -> None:
    """A limit for waiting is none: it ends a loop, and what is asserted is what was waited for."""
    clocked = re.compile(r"assert[^\n]*(perf_counter|monotonic|time\.time)\(\)[^\n]*[<>]")
    files = (path for path in (ROOT / "tests").rglob("*.py") if path != Path(__file__))
    assert [path.name for path in files if clocked.search(path.read_text(encoding="utf-8"))] == []

"""One core for each training process."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import torch

from vsadcvsr.train import cpu

ROOT = Path(__file__).parents[2]
pinned = pytest.mark.requires("cores to choose from")


@pytest.fixture(autouse=True)
def own_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks of cores in a folder of their own: a training on this machine may hold the usual ones."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def child() -> subprocess.Popen[str]:
    """A process that pins itself, prints the cores that are left to it, and ends with its input."""
    script = (
        "import os, sys; from vsadcvsr.train import cpu\n"
        "with cpu.alone(1):\n    print(*os.sched_getaffinity(0), flush=True)\n    sys.stdin.read()\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


@pinned
def test_two_processes_take_two_cores_and_return_them() -> None:
    with child() as first, child() as second:
        assert first.stdout
        assert second.stdout
        cores = [first.stdout.readline().split(), second.stdout.readline().split()]
        first.communicate(timeout=30)
        with child() as third:
            assert third.stdout
            cores.append(third.stdout.readline().split())
            third.communicate(timeout=30)
        second.communicate(timeout=30)
    assert [len(core) for core in cores] == [1, 1, 1]
    assert cores[0] != cores[1]
    assert cores[2] == cores[0]


@pinned
def test_a_process_limited_to_one_core_stays_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {1})
    with cpu.pinned() as core:
        assert core is None


@pinned
def test_after_training_all_cores_are_free_again() -> None:
    before = os.sched_getaffinity(0)
    with cpu.alone(1):
        assert len(os.sched_getaffinity(0)) == 1
    assert os.sched_getaffinity(0) == before


def test_numbers_that_slow_a_processor_down_are_zero_while_it_trains() -> None:
    is_supported = torch.set_flush_denormal(True)
    torch.set_flush_denormal(False)
    if not is_supported:
        pytest.skip("this processor has no such mode")
    smallest = torch.tensor(2.0**-140)
    with cpu.alone(2):
        assert (smallest * 1).item() == 0
    assert (smallest * 1).item() > 0


def test_the_faster_precision_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    processor = torch.device("cpu")
    for matrices, precision in ((True, "bf16"), (False, "fp32")):
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda supported=matrices: supported)
        assert cpu.precision_of("auto", processor) == precision
    assert cpu.precision_of("auto", torch.device("cuda")) == "bf16"
    assert cpu.precision_of("bf16", processor) == "bf16"

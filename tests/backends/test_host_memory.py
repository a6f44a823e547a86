"""Tiles of image networks on the host: planned from measured memory, and equal to whole frames."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.backends.image_networks import write_image_network
from tests.engine.reference import clip_of
from vsadcvsr import backends
from vsadcvsr.backends import host_memory
from vsadcvsr.engine import Engine
from vsadcvsr.memory import GIB

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is looked at on Linux")

FRAMES = clip_of(1, size=(300, 420))


@pytest.fixture
def small_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which whole frames of the test do not fit, at 1,000 bytes a pixel."""
    monkeypatch.setattr(host_memory, "memory_size", lambda: GIB + (90 << 20))
    monkeypatch.setattr(host_memory, "_bytes_a_pixel", lambda _: 1000.0)


@pytest.mark.parametrize("backend", ["ort", "openvino"])
@pytest.mark.usefixtures("small_memory")
def test_frames_that_do_not_fit_are_tiled_and_equal_whole_frames(
    backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    path = write_image_network(tmp_path / "net.onnx", reach=3, scale=4)
    tiled = next(Engine.open(path, backend=backend).stream(FRAMES))
    (line,) = [record.getMessage() for record in caplog.records if "tiles of" in record.getMessage()]
    assert line.startswith("model 'net' would take 0.1 GiB for whole frames of 420x300, 0.0 GiB are there: ")
    assert line.endswith(", which equal whole frames")
    monkeypatch.setattr(host_memory, "memory_size", lambda: None)
    whole = next(Engine.open(path, backend=backend).stream(FRAMES))
    np.testing.assert_allclose(tiled, whole, atol=1e-6)


@pytest.mark.usefixtures("small_memory")
def test_tiles_that_were_asked_for_and_fixed_sizes_stay(tmp_path: Path) -> None:
    free = backends.load(write_image_network(tmp_path / "net.onnx"), backend="ort")
    fixed = backends.load(write_image_network(tmp_path / "fixed.onnx", size=(32, 48)), backend="ort")
    assert isinstance(free, backends.MemoryPlanner)
    assert isinstance(fixed, backends.MemoryPlanner)
    planned = free.plan(300, 420, None)
    assert planned is not None
    assert free.plan(300, 420, planned) is planned
    assert free.plan(20, 20, None) is None
    assert fixed.plan(300, 420, None) is None


@pytest.mark.usefixtures("small_memory")
def test_streams_share_the_memory(tmp_path: Path) -> None:
    path, sizes = write_image_network(tmp_path / "net.onnx"), []
    for streams in (1, 2, 3):
        loaded = backends.load(path, backend="ort", num_streams=streams)
        assert isinstance(loaded, backends.MemoryPlanner)
        tiles = loaded.plan(300, 420, None)
        assert tiles is not None
        sizes.append(tiles.width * tiles.height)
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > sizes[2]


@pytest.mark.parametrize("backend", ["ort", "openvino"])
def test_wide_networks_take_more(backend: str, tmp_path: Path) -> None:
    narrow = backends.load(write_image_network(tmp_path / "narrow.onnx", scale=1), backend=backend)
    wide = backends.load(write_image_network(tmp_path / "wide.onnx", scale=4, multiple=2), backend=backend)
    taken = host_memory._bytes_a_pixel(wide)
    assert 200 < taken < 20_000
    assert host_memory._bytes_a_pixel(narrow) < taken


def test_the_limit_of_a_container_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in (("_MEMINFO", "MemTotal:  8388608 kB\nMemFree: 1 kB\n"), ("_OWN_CGROUP", "0::/\n")):
        (tmp_path / name).write_text(text)
        monkeypatch.setattr(host_memory, name, tmp_path / name)
    monkeypatch.setattr(host_memory, "_CGROUPS", tmp_path)
    assert host_memory.memory_size() == 8 * GIB
    limit = tmp_path / "memory.max"
    limit.write_text("max\n")
    assert host_memory.memory_size() == 8 * GIB
    limit.write_text(f"{2 * GIB}\n")
    assert host_memory.memory_size() == 2 * GIB
    (tmp_path / "_MEMINFO").unlink()
    assert host_memory.memory_size() is None


@pytest.mark.parametrize(
    ("own", "limit"),
    [
        ("0::/slurm/job_1/step_0\n", "slurm/job_1/step_0/memory.max"),
        ("0::/slurm/job_1/step_0\n", "slurm/job_1/memory.max"),
        ("1:name=systemd:/a\n4:cpu,memory:/slurm/job_1\n", "memory/slurm/job_1/memory.limit_in_bytes"),
    ],
)
def test_the_limit_of_a_job_counts(own: str, limit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in (("_MEMINFO", "MemTotal:  8388608 kB\n"), ("_OWN_CGROUP", own)):
        (tmp_path / name).write_text(text)
        monkeypatch.setattr(host_memory, name, tmp_path / name)
    monkeypatch.setattr(host_memory, "_CGROUPS", tmp_path)
    assert host_memory.memory_size() == 8 * GIB
    (tmp_path / limit).parent.mkdir(parents=True)
    (tmp_path / limit).write_text(f"{2 * GIB}\n")
    assert host_memory.memory_size() == 2 * GIB

"""What holds `fast` on a GPU: bytes and operations are counted right, and the least limit is told first."""

from __future__ import annotations

import subprocess

import pytest

from vsadcvsr.bench.paper import gpu_estimate
from vsadcvsr.errors import MediaError

MS = {
    "entering": 0.5, "converting parts": 3.5, "describing planes": 0.2, "admitting": 0.3, "handing parts": 0.8,
    "handing planes": 0.1, "fetching parts": 0.3, "fetching planes": 0.1,
}  # fmt: skip


def test_bytes_over_the_bus_are_those_of_a_1080p_picture() -> None:
    assert gpu_estimate.download_bytes(planes=True) == 1920 * 1080 * 3 // 2
    assert gpu_estimate.download_bytes(planes=False) == 2 * (1920 * 1080 + 3 * 480 * 270)
    assert gpu_estimate.upload_bytes() == 4 * 3 * 480 * 270


def test_operations_grow_with_the_picture() -> None:
    small, large = gpu_estimate.network((16, 32)), gpu_estimate.network((32, 32))
    assert large.flops == 2 * small.flops
    assert large.traffic == 2 * small.traffic
    assert gpu_estimate.network().flops == pytest.approx(8.01e9, rel=0.05)  # two for each product


def test_without_a_conversion_the_host_allows_more() -> None:
    result = gpu_estimate.report(MS).calculated["H200"]
    parts, planes = result["pictures in parts"], result["planes from the device"]
    assert parts["the engine's thread"] == pytest.approx(1e3 / 1.4)
    assert planes["the engine's thread"] == pytest.approx(1e3 / 0.5)
    assert parts["conversion, 16 cores"] == pytest.approx(15 * 1e3 / 4.0)
    assert planes["bus"] == pytest.approx(50e9 / 3_110_400)


def test_the_least_limit_is_told_first() -> None:
    lines = gpu_estimate.text(gpu_estimate.report(MS))
    assert any(line.startswith("L4, planes from the device: the engine's thread 2000, ") for line in lines)
    assert any("by calculation" in line for line in lines)


def test_what_the_host_takes_is_measured() -> None:
    measured = gpu_estimate.host((18, 32), count=2)
    assert set(measured) == set(MS)
    assert all(value > 0 for value in measured.values())


def test_a_host_that_does_not_run_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = subprocess.CompletedProcess([], 1, stdout="", stderr="Traceback\nImportError: no vapoursynth\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(MediaError, match="VapourSynth did not run: ImportError: no vapoursynth"):
        gpu_estimate.host()

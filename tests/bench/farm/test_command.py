"""What a farm adds, measured small; and what is calculated from it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsadcvsr.bench.farm.__main__ import Report, assumptions, main
from vsadcvsr.bench.farm.forecast import Assumed, Measured, bottlenecks, forecast, gpus_needed
from vsadcvsr.bench.farm.ledger import measure_reading
from vsadcvsr.bench.farm.workers import scaling
from vsadcvsr.errors import FarmError, UsageError

MEASURED = Measured(
    pixels=480 * 270, planning=1e-3, chunk_overhead=0.01, seeking=0.1, checksums=1e-9, merging=1e-4, startup=1.0,
    storage_calls=20.0,
)
ASSUMED = Assumed(gpus=100, hours=1.0, fps_per_gpu=20.0)
TINY = (
    "--without-ray --workers 1 2 --chunks 4 --sleep 0.1 --ledgers 3x20 "
    "--size 64x48 --frames 16 --chunk-seconds 0.3 --fps 1000"
)


def test_two_workers_that_sleep_take_half_the_time_of_one(tmp_path: Path) -> None:
    alone, pair = (scaling(tmp_path / str(count), workers=count, chunks=6, seconds=0.2) for count in (1, 2))
    assert alone.seconds >= 1.2
    assert 0.6 <= pair.seconds < 0.9 * alone.seconds  # the rest is for other work on the machine
    for result in (alone, pair):
        assert result.efficiency == pytest.approx(6 * 0.2 / result.workers / result.seconds, abs=1e-3)
        assert result.storage_calls["os.link"] >= 1  # a claim for each chunk
        assert result.storage_calls["os.rename"] == 1


def test_a_worker_that_fails_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(FarmError, match="a worker failed: ValueError: sleep length"):
        scaling(tmp_path / "job", workers=1, chunks=1, seconds=-1)


def test_a_ledger_as_many_would_leave_it_is_read_whole(tmp_path: Path) -> None:
    result = measure_reading(tmp_path / "job", files=5, chunks=20)
    assert (result.files, result.lines) == (5, 34)
    assert len(list((tmp_path / "job" / "ledger").iterdir())) == 6  # and that of the worker that made the rest
    assert min(result.first, result.again, result.between, result.finished) > 0


def test_the_bench_runs_and_its_shares_are_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "farm.json"
    arguments = [
        *TINY.split(),
        "--predict",
        "gpus=10",
        "hours=1",
        "fps_per_gpu=20",
        "size=1920x1080",
        "--json",
        str(out),
    ]
    assert main(arguments) == 0
    data = json.loads(out.read_text())
    assert sum(data["shares"].values()) == pytest.approx(1)
    assert all(-0.05 < share < 1 for share in data["shares"].values())
    assert [item["workers"] for item in data["workers"]] == [1, 2]
    assert data["parts"]["margin"] == 4 * (data["parts"]["chunks"] - 1)  # two frames to each side of each cut
    assert data["forecast"]["chunks"] > 0
    shown = capsys.readouterr().out
    assert "by calculation, not measured" in shown
    assert "fps_per_gpu=20" in shown


def test_what_one_more_frame_takes_leaves_out_what_is_needed_once() -> None:
    parts, short = {"frames": 400.0, "planning": 2.5}, {"frames": 100.0, "planning": 1.0}
    assert Report([], [], parts, short, [])._a_frame("planning") == pytest.approx(1.5 / 300)
    assert Report([], [], parts, short | {"planning": 3.0}, [])._a_frame("planning") == pytest.approx(2.5 / 400)


@given(
    gpus=st.integers(1, 2000), hours=st.floats(0.1, 10), fps=st.floats(0.1, 500), lookahead=st.integers(0, 80)
)  # fmt: skip
def test_no_forecast_is_better_than_the_gpus_by_themselves(gpus: int, hours: float, fps: float, lookahead: int) -> None:
    assumed = Assumed(gpus=gpus, hours=hours, fps_per_gpu=fps, lookahead=lookahead)
    result = forecast(MEASURED, assumed)
    assert result.working * gpus >= hours * 3600 * assumed.rate / fps
    assert 0 < result.useful <= 1
    assert result.whole == pytest.approx(result.planning + result.working + result.merging)
    assert result.whole <= forecast(MEASURED, replace(assumed, seconds=20.0)).whole or hours * 3600 < 20


def test_a_forecast_is_what_one_computes_by_hand() -> None:
    result = forecast(MEASURED, replace(ASSUMED, seconds=36.0, model=0.0, width=1920, height=1080))
    assert result.chunks == 100
    assert result.planning == pytest.approx(3600 * 24 * 1e-3)
    chunk = 0.1 + 0.01 + (36 * 24 + 4) / 20 + 180e6 * 1e-9
    assert result.working == pytest.approx(1 + chunk)
    assert result.merging == pytest.approx(86400 * 1e-4 + 18000e6 * 1e-9 + 6 * 18000 / 1000)
    assert result.writing == pytest.approx(18000 / chunk)
    assert result.storage_calls == pytest.approx(100 * 20 / chunk)


def test_a_process_for_each_chunk_starts_for_each_chunk() -> None:
    assumed = replace(ASSUMED, seconds=18.0, gpus=100)
    warm, cold = (forecast(MEASURED, replace(assumed, warm=warm)) for warm in (1, 0))
    assert warm.chunks == 200  # two for each
    assert cold.working - warm.working == pytest.approx(MEASURED.startup + assumed.model)
    longer = forecast(MEASURED, replace(assumed, warm=0, seconds=0.0))
    assert longer.seconds > forecast(MEASURED, replace(assumed, seconds=0.0)).seconds


def test_four_times_the_pixels_take_four_times_as_long_to_plan() -> None:
    small = forecast(MEASURED, replace(ASSUMED, width=1920, height=1080))
    assert forecast(MEASURED, ASSUMED).planning == pytest.approx(4 * small.planning)


def test_what_costs_most_is_said_first() -> None:
    first, *_ = bottlenecks(MEASURED, replace(ASSUMED, fps_per_gpu=0.1))
    assert first.startswith("9")
    assert "the GPUs work" in first
    assert "planning" in bottlenecks(replace(MEASURED, planning=1.0), ASSUMED)[0]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"gpus": 1000, "seconds": 60.0}, "940 GPUs have no chunk"),
        ({"storage": 1.0}, "the storage must take"),
        ({"storage_calls": 0.1}, "the storage gets"),
        ({"gpus": 1000}, "take at most 10 % longer"),
    ],
)
def test_exceeded_limits_are_listed(more: dict[str, float], message: str) -> None:
    assert any(message in line for line in bottlenecks(MEASURED, replace(ASSUMED, **more)))  # type: ignore[arg-type]


def test_gpus_needed_is_the_smallest_sufficient_number() -> None:
    few, limit = gpus_needed(MEASURED, ASSUMED), 1.1 * forecast(MEASURED, ASSUMED).whole
    assert forecast(MEASURED, replace(ASSUMED, gpus=few)).whole <= limit
    assert forecast(MEASURED, replace(ASSUMED, gpus=few - 1)).whole > limit


@pytest.mark.parametrize("word", ["gpu=4", "gpus=many", "size=4k", "hours=-2", "gpus"])
def test_what_is_no_assumption_is_refused(word: str) -> None:
    with pytest.raises(UsageError, match=word.partition("=")[0]):
        assumptions(["gpus=10", "hours=2", "fps_per_gpu=3", word])


def test_what_must_be_assumed_is_asked_for() -> None:
    with pytest.raises(UsageError, match="fps_per_gpu"):
        assumptions(["gpus=10", "hours=2"])

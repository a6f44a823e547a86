"""The table's columns: what is asked for, what fills it, and what is said where nothing can."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from tests.evaluate.waves import moving
from vsadcvsr.errors import BackendError, UsageError, WeightsError
from vsadcvsr.evaluate.metrics import vmaf
from vsadcvsr.evaluate.metrics.registry import COLUMNS, PERCEPTUAL, metrics_for, parse_columns
from vsadcvsr.evaluate.metrics.temporal import ClipWithFlow

TRUTH = ClipWithFlow(moving(4))
CLIP = ClipWithFlow(tuple(np.clip(frame + np.float32(0.02), 0, 1) for frame in TRUTH.frames))


def test_names_come_in_the_order_of_the_table() -> None:
    assert parse_columns("warp,vmaf,psnr_y") == ("psnr_y", "vmaf", "warp")
    assert parse_columns("all") == tuple(COLUMNS)
    assert parse_columns("fast,vmaf") == tuple(name for name in COLUMNS if name in (*parse_columns("fast"), "vmaf"))


def test_what_is_fast_has_nothing_that_is_slow_or_may_be_missing() -> None:
    assert not set(parse_columns("fast")) & {"vmaf", "ms_ssim", "warp_ec", "warp_raft", "warp_ec_raft", *PERCEPTUAL}


def test_an_unknown_metric_is_refused_with_the_names_of_all() -> None:
    with pytest.raises(
        UsageError, match=r"metrics is 'psnr_x', allowed: fast, summary, all and psnr_y, .* did you mean 'psnr_y'"
    ):
        parse_columns("psnr_y,psnr_x")


def test_every_column_has_a_number_a_frame_or_none() -> None:
    measures = metrics_for(("psnr_y", "warp", "flicker", "detail_r"))
    result = measures.measure(CLIP, TRUTH)
    assert list(result) == ["psnr_y", "warp", "flicker", "detail_r"]
    there = {name: [not math.isnan(value) for value in values] for name, values in result.items()}
    assert there["psnr_y"] == there["detail_r"] == [True] * 4
    assert there["warp"] == [False, True, True, True]
    assert there["flicker"] == [False, True, True, False]


def test_without_a_truth_only_what_needs_none_is_there() -> None:
    result = metrics_for(("psnr_y", "ms_ssim", "warp", "warp_own", "warp_ec", "flicker", "detail")).measure(CLIP, None)
    assert {name for name, values in result.items() if not all(map(math.isnan, values))} == {
        "warp_own", "warp_ec", "flicker",
    }  # fmt: skip


def test_a_frame_too_small_for_ms_ssim_has_none() -> None:
    small = ClipWithFlow(moving(1, 16, 16))
    assert all(map(math.isnan, metrics_for(("ms_ssim",)).measure(small, small)["ms_ssim"]))


def test_what_cannot_be_measured_is_empty_and_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(vmaf, "binaries", lambda: iter(()))
    measures = metrics_for(("psnr_y", "vmaf", "musiq", "warp_raft"))
    assert [reason.split()[0] for reason in measures.reasons] == ["VMAF", "musiq", "E*warp"]
    result = measures.measure(CLIP, TRUTH)
    assert all(math.isnan(value) for name in ("vmaf", "musiq", "warp_raft") for value in result[name])
    assert result["psnr_y"][0] > 30


def test_weights_that_were_named_and_are_wrong_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from vsadcvsr.evaluate.metrics import perceptual

    def fails(weights: Path) -> None:
        raise WeightsError(f"{weights} is wrong")

    monkeypatch.setattr(perceptual, "raft", fails)
    with pytest.raises(WeightsError, match="is wrong"):
        metrics_for(("warp_raft",), raft=tmp_path)


def test_a_perceptual_metric_fills_its_column(monkeypatch: pytest.MonkeyPatch) -> None:
    from vsadcvsr.evaluate.metrics import perceptual

    monkeypatch.setattr(perceptual, "open_metric", lambda _: lambda _, truth: 0.25 if truth is None else 0.75)
    result = metrics_for(("lpips", "musiq")).measure(CLIP, TRUTH)
    assert result == {"lpips": (0.75,) * 4, "musiq": (0.25,) * 4}


def test_a_metric_that_fails_on_a_frame_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    from vsadcvsr.evaluate.metrics import perceptual

    def metric(frame: object, truth: object) -> float:
        raise BackendError("musiq failed on a frame")

    monkeypatch.setattr(perceptual, "open_metric", lambda _: metric)
    with pytest.raises(BackendError, match="failed on a frame"):
        metrics_for(("musiq",)).measure(CLIP, TRUTH)

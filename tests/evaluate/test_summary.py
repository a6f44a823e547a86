"""Means with their intervals, and the table that shows them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vsadcvsr.evaluate.datasets import Protocol
from vsadcvsr.evaluate.intervals import estimate, t_quantile
from vsadcvsr.evaluate.metrics.registry import metrics_for
from vsadcvsr.evaluate.report import TRUTH, Report, Row, Score
from vsadcvsr.evaluate.summary import summary_as_json, text_of_summary


def row(method: str, name: str, **clips: float) -> Row:
    return Row(method, name, {clip: Score({"psnr_y": (value, value)}) for clip, value in clips.items()})


def report(*rows: Row) -> Report:
    return Report(rows, metrics_for(["psnr_y"]), Protocol())


@pytest.mark.parametrize(("freedom", "t"), [(1, 12.7062), (2, 4.3027), (5, 2.5706), (30, 2.0423), (1000, 1.9623)])
def test_students_t_is_that_of_the_tables(freedom: int, t: float) -> None:
    assert t_quantile(freedom) == pytest.approx(t, abs=1e-4)


def test_an_interval_holds_the_mean_nineteen_times_in_twenty() -> None:
    rng = np.random.default_rng(3)
    covered = [
        abs(span.mean) <= span.half_width for span in (estimate(list(rng.standard_normal(6))) for _ in range(2000))
    ]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.015)


def test_one_number_has_no_interval_and_what_is_infinite_does_not_count() -> None:
    assert math.isnan(estimate([2.0]).half_width)
    assert math.isnan(estimate([math.inf, math.nan]).mean)
    result = estimate([1.0, 3.0, math.inf])
    assert (result.mean, result.count) == (2, 2)


def test_a_gain_is_taken_scene_by_scene() -> None:
    table = report(row("bicubic", "clean", a1=20, b1=30), row("fast", "clean", a1=21, b1=31))
    text = text_of_summary(table)
    assert "| clean, 2 scenes | PSNR-Y ↑" in text
    assert "| fast            | 26.00 ±63.53" in text
    assert "| clean, over bicubic | PSNR-Y ↑" in text
    assert "| fast                | +1.00 ±0.00" in text


def test_clips_of_one_scene_count_once() -> None:
    table = report(row("bicubic", "clean", dog_a=20, dog_b=22, cat=31))
    result = summary_as_json(table)["clean"]["bicubic"]["psnr_y"]  # type: ignore[index]
    assert (result["mean"], result["scenes"]) == (26, 2)


def test_several_sets_are_averaged_scene_by_scene_first() -> None:
    rows = [row("bicubic", "clean", a1=20, b1=30), row("bicubic", "old", a1=10, b1=12), row(TRUTH, "old", a1=math.inf)]
    result = summary_as_json(report(*rows))
    assert list(result) == ["all 2 sets", "clean", "old"]
    assert result["all 2 sets"]["bicubic"]["psnr_y"]["mean"] == 18  # type: ignore[index]
    assert result["old"][TRUTH]["psnr_y"]["mean"] is None  # type: ignore[index]
    assert "| ground truth" in text_of_summary(report(*rows))

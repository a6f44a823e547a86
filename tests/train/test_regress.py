"""Regression: its losses, its rate, and runs that resume as if they had never stopped."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch

from vsadcvsr.errors import UsageError, WeightsError
from vsadcvsr.nets import compact
from vsadcvsr.nets.export import load_weights
from vsadcvsr.train import regress
from vsadcvsr.train.losses import luma, motion, regression
from vsadcvsr.train.regress import Regression, links, rate
from vsadcvsr.train.settings import TrainSettings
from vsadcvsr.train.shards import Batch, Pool
from vsadcvsr.train.ship import ship

TINY = compact.CompactDims(name="tiny", width=4, quarter_width=4, blocks=1, refine=1, sites=(0,))


class Stripes:
    """A pool of one moving pattern."""

    def __init__(self, _: Path) -> None:
        pass

    def batch(self, rng: np.random.Generator, batch: int, *, frames: int, lr_size: int) -> Batch:
        hr = rng.random((batch, frames, 3, 4 * lr_size, 4 * lr_size), np.float32)
        return Batch(hr, np.ascontiguousarray(hr[..., ::4, ::4]), hr)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrainSettings:
    monkeypatch.setattr(regress, "Pool", Stripes)
    monkeypatch.setitem(regress._STUDENTS, "tiny", TINY)
    return TrainSettings(
        model="tiny", pool=tmp_path, out=tmp_path / "run", steps=6, batch=2, frames=3, lr_size=8, bf16=False, threads=1,
        save_every=3,
    )  # fmt: skip


def test_a_resumed_run_equals_an_uninterrupted_one(settings: TrainSettings) -> None:
    whole = Regression(settings)
    whole.run()
    stopped = Regression(settings)
    stopped.save()
    for step, hr, lr in itertools.islice(regress._batches(settings, cast(Pool, Stripes(settings.pool)), 0), 3):
        stopped.learn(step, hr, lr)
    stopped.save()
    again = Regression(settings)
    assert again.resume()
    assert again.done == 3
    again.run()
    for name, value in whole.mean.items():
        assert torch.equal(value, again.mean[name]), name


def test_a_finished_run_leaves_weights_that_load(settings: TrainSettings, tmp_path: Path) -> None:
    run = Regression(settings)
    run.run()
    weights, graph, card = ship(run, tmp_path / "shipped")
    assert load_weights(weights).dims == TINY
    assert graph.stat().st_size > 1000
    assert "6 steps" in card.read_text()
    assert str(tmp_path) not in card.read_text()


def test_a_loss_that_is_not_finite_leaves_the_weights_alone(settings: TrainSettings) -> None:
    run = Regression(settings)
    before = {name: value.clone() for name, value in run.student.state_dict().items()}
    hr = torch.full((2, 3, 3, 32, 32), float("nan"))
    with pytest.raises(WeightsError, match="the last checkpoint stands"):
        run.learn(0, hr, torch.rand(2, 3, 3, 8, 8))
    for name, value in run.student.state_dict().items():
        assert torch.equal(value, before[name])


def test_the_rate_rises_stays_and_falls(settings: TrainSettings) -> None:
    long = TrainSettings(pool=settings.pool, out=settings.out, steps=1000, warmup=100, decay=0.5)
    rates = [rate(long, step) for step in range(1000)]
    assert rates[0] < rates[50] < rates[99] == pytest.approx(long.learning_rate)
    assert rates[400] == pytest.approx(long.learning_rate)
    assert rates[999] < 1e-2 * long.learning_rate


def test_each_clip_of_a_batch_begins_anew() -> None:
    assert links(2, 3).tolist() == [0, 1, 1, 0, 1, 1]


def test_the_loss_sees_flicker_that_single_frames_hide() -> None:
    still = torch.full((1, 4, 3, 4, 4), 0.5)
    flicker = still + 0.1 * torch.tensor([1.0, -1, 1, -1]).view(1, 4, 1, 1, 1)
    steady = still + 0.1
    apart = [float(regression(clip, still, luma_weight=0, difference_weight=1)) for clip in (flicker, steady)]
    assert apart[0] > 2 * apart[1]
    assert luma(still).shape == (1, 4, 4, 4)
    assert motion(still).abs().max() == 0


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"lr_size": 10}, {"ema": 1.0}, {"decay": 0}])
def test_settings_that_contradict_are_refused(wrong: dict[str, int], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        TrainSettings(pool=tmp_path, out=tmp_path, **wrong)  # type: ignore[arg-type]

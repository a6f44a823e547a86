"""Runs with a time limit: as many steps as fit, and the bits of a run of so many steps."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.train.tiny import TINY, equal, fill_pool
from vsadcvsr.errors import UsageError
from vsadcvsr.train import students, time_limit
from vsadcvsr.train.distributed import World
from vsadcvsr.train.loop import TrainingRun
from vsadcvsr.train.publish import publish
from vsadcvsr.train.settings import AdversarialSettings, RegressionSettings, TrainSettings
from vsadcvsr.train.time_limit import TimeLimit, with_steps


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrainSettings:
    monkeypatch.setitem(students.STUDENTS, "tiny", TINY)
    return TrainSettings(
        model="tiny", pool=fill_pool(tmp_path / "pool"), out=tmp_path / "run", precision="fp32",
        regression=RegressionSettings(steps=3, batch=1, frames=2, crop=8),
        adversarial=AdversarialSettings(steps=2, batch=1, frames=2, crop=8, width=8, encoder_steps=1),
    )  # fmt: skip


def test_steps_are_fitted_in_their_proportion(settings: TrainSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TimeLimit, "_step_time", lambda _, __, number, *___: (0.1, 0.4)[number])
    monkeypatch.setattr(TimeLimit, "seconds_left", 100.0)
    run = TrainingRun(settings)
    limit = TimeLimit.of(World(torch.device("cpu")), 2.0)
    fitted = limit.fitted(settings, run.student, None)  # type: ignore[arg-type]
    left = 100 * time_limit._USED - 0.4  # the encoder's step
    assert [stage.steps for stage in fitted.stages] == [int(3 * left / 1.1), int(2 * left / 1.1)]
    assert with_steps(fitted, [3, 2]) == settings
    assert TimeLimit.of(World(torch.device("cpu")), 0.0).fitted(settings, run.student, None) is settings  # type: ignore[arg-type]


def test_a_limited_run_equals_a_run_of_its_number_of_steps(
    settings: TrainSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time_limit, "_TRIED", 0.0)
    monkeypatch.setattr(TimeLimit, "seconds_left", 60.0)
    monkeypatch.setattr(TimeLimit, "_step_time", _real_trial_and_then(60 * time_limit._USED / 8))
    limited = TrainingRun(replace(settings, minutes=1.0))
    limited.run()
    assert limited.is_finished
    steps = [stage.steps for stage in limited.settings.stages]
    assert steps == [4, 2]
    plain = TrainingRun(with_steps(replace(settings, out=settings.out.with_name("plain")), steps))
    plain.run()
    assert equal(plain.ema, limited.ema)
    assert equal(plain.student.state_dict(), limited.student.state_dict())
    again = TrainingRun(replace(settings, minutes=9.0))  # the limit of a resumed run may be another
    assert again.resume()
    assert [stage.steps for stage in again.settings.stages] == steps


def _real_trial_and_then(seconds: float) -> object:
    plain = TimeLimit._step_time

    def step_time(limit: TimeLimit, *arguments: object) -> float:
        assert plain(limit, *arguments) > 0  # type: ignore[arg-type]
        return seconds

    return step_time


def test_a_run_that_its_limit_ends_goes_on_with_the_same_bits(
    settings: TrainSettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole = TrainingRun(replace(settings, out=tmp_path / "whole"))
    whole.run()
    monkeypatch.setattr(TimeLimit, "fitted", lambda _, settings, *__: settings)
    for _ in range(20):
        run = TrainingRun(replace(settings, minutes=1e-9))  # which allows a step
        run.resume()
        run.run()
        if run.is_finished:
            break
        card = publish(run, tmp_path / "cards")[-1].read_text() if (run.stage_number, run.steps_done) == (0, 2) else ""
        assert not card or "It is not finished: 2 of the 3 steps of stage 1 are done." in card
    assert run.is_finished
    assert equal(whole.ema, run.ema)


def test_a_limit_that_is_over_at_once_is_refused(settings: TrainSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TimeLimit, "_step_time", lambda *_: 1.0)
    limit = TimeLimit(World(torch.device("cpu")), 0.01, time.monotonic() - 10)
    assert limit.is_over
    with pytest.raises(UsageError, match=r"^the time limit of 0.01 minutes ends before the first step; give more"):
        limit.fitted(settings, TrainingRun(settings).student, None)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="minutes is -1"):
        replace(settings, minutes=-1.0)

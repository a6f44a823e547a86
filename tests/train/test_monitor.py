"""What is shown of a run, and what is not kept of it."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

import pytest

from vsadcvsr.train.monitor import TrainingMonitor
from vsadcvsr.train.settings import TrainSettings


class Scalars(dict[str, float]):
    """Can be looked for when nobody holds it."""


@pytest.mark.parametrize("active", [False, True])
def test_no_more_steps_are_held_than_are_shown_together(active: bool, tmp_path: Path) -> None:
    seen = list[weakref.ref[Scalars]]()
    with TrainingMonitor(TrainSettings(pool=tmp_path, out=tmp_path), active=active) as watch:
        watch.stage(0, 0, 1000)
        for number in range(1, 101):
            scalars = Scalars(loss=1.0)
            seen.append(weakref.ref(scalars))
            watch.step(number, scalars)
        del scalars
        gc.collect()
        assert not any(item() for item in seen)

"""Settings of a short run of both stages."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.train.tiny import TINY, fill_pool
from vsadcvsr.train import students
from vsadcvsr.train.settings import AdversarialSettings, RegressionSettings, TrainSettings


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrainSettings:
    monkeypatch.setitem(students.STUDENTS, "tiny", TINY)
    return TrainSettings(
        model="tiny", pool=fill_pool(tmp_path / "pool"), out=tmp_path / "run", precision="fp32", threads=1,
        save_every=3, sample_every=4, regression=RegressionSettings(steps=4, batch=2, frames=3, crop=8),
        adversarial=AdversarialSettings(steps=5, batch=2, frames=3, crop=8, width=8, encoder_steps=3),
    )  # fmt: skip

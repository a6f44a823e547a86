"""Samples of the steps of a stage, drawn while the step before trains."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from vsadcvsr.train.adversarial.training import AdversarialTraining
from vsadcvsr.train.data.device_dataset import Pool
from vsadcvsr.train.regression import RegressionTraining
from vsadcvsr.train.stage_base import Samples

type StageTraining = RegressionTraining | AdversarialTraining


def prefetched(stage: StageTraining, pool: Pool, steps: range) -> Iterator[tuple[int, Samples]]:
    """Each of the steps with its samples."""
    with ThreadPoolExecutor(1) as executor:
        pending = executor.submit(stage.draw_samples, pool, steps.start) if steps else None
        for step in steps:
            assert pending is not None
            samples = pending.result()
            if step + 1 < steps.stop:
                pending = executor.submit(stage.draw_samples, pool, step + 1)
            yield step, samples

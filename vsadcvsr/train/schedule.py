"""Learning rate schedule: warm-up, plateau, cosine decay."""

from __future__ import annotations

import math

from vsadcvsr.train.settings import StageSettings


def rate(stage: StageSettings, step: int) -> float:
    """The learning rate of a step: warm-up, plateau, cosine to `final_rate`."""
    warmup = min(1.0, (step + 1) / max(1, min(stage.warmup, stage.steps // 5)))
    start = stage.steps * (1 - stage.decay)
    done = min(1.0, max(0.0, (step - start) / max(1.0, stage.steps - start)))
    decay = 0.5 * (1 + math.cos(math.pi * done))
    return warmup * (stage.final_rate + (stage.learning_rate - stage.final_rate) * decay)

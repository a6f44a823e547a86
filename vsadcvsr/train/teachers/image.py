"""Image networks as teachers: each frame of a clip is upscaled by itself, by a network that spandrel knows.

Such a teacher flickers, so a student takes only the images from it: frame-to-frame differences follow the truth.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vsadcvsr.engine import Engine
from vsadcvsr.train.data.shards import Pixels
from vsadcvsr.train.teachers.base import TeacherInput


@dataclass(frozen=True)
class ImageTeacher:
    """An image network."""

    name: str
    engine: Engine

    def target(self, sample: TeacherInput) -> Pixels:
        """The network's output for each frame; FormatError where it cannot take one."""
        return np.stack([self._upscaled(frame) for frame in sample.low])

    def _upscaled(self, frame: Pixels) -> Pixels:
        planes = frame.transpose(2, 0, 1).astype(np.float32) * np.float32(1 / 255)
        return np.rint(next(self.engine.stream([planes])).transpose(1, 2, 0) * 255).astype(np.uint8)


def load_teacher(weights: Path, name: str, precision: str) -> ImageTeacher:
    """The teacher of a file; precision as of `--precision`, where auto is fp32.

    Raises BackendError without spandrel, WeightsError for a file that is no such network.
    """
    engine = Engine.open(weights, backend="torch", precision="bf16" if precision == "bf16" else "fp32")
    return ImageTeacher(name, engine)

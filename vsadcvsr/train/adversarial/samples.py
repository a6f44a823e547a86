"""The five kinds of sample that discriminators are trained with, and their labels (AdcVSR, arXiv 2603.00458, section
3).

A label is +1 for real, -1 for fake, 0 to ignore. Detail is real in images and consistency in clips, so that neither can
be had at the price of the other: a shuffled clip has the detail of a clip, a clip of unrelated stills has perfect
detail and no consistency.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from vsadcvsr.train.data.device_dataset import AnyBatch, Pool

type Sampler = Callable[[Pool, np.random.Generator, int, int, int], AnyBatch]


@dataclass(frozen=True)
class SampleKind:
    """A kind of clip, with the label for each head. `draw` takes (pool, generator, clips, frames, crop)."""

    name: str
    detail: int
    consistency: int
    draw: Sampler | None

    @property
    def both(self) -> int:
        """The label for a single head: what both heads agree on, or the one that is not 0."""
        return int(np.sign(self.detail + self.consistency))


def _video(dataset: Pool, rng: np.random.Generator, clips: int, frames: int, crop: int) -> AnyBatch:
    return dataset.batch(rng, clips, frames=frames, lr_size=crop)


def _shuffled(dataset: Pool, rng: np.random.Generator, clips: int, frames: int, crop: int) -> AnyBatch:
    orders = np.stack([_order(rng, frames) for _ in range(clips)])
    return _video(dataset, rng, clips, frames, crop).take(np.arange(clips)[:, None], orders)


def _order(rng: np.random.Generator, frames: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """A random order of two or more frames that is neither theirs nor theirs backwards, where there is one."""
    while True:
        order = rng.permutation(frames)
        if frames < 3 and order[0] != 0:
            return order
        if abs(np.diff(order)).max() > 1:
            return order


def _static(dataset: Pool, rng: np.random.Generator, clips: int, frames: int, crop: int) -> AnyBatch:
    still = np.zeros((1, frames), np.int64)
    return _video(dataset, rng, clips, 1, crop).take(np.arange(clips)[:, None], still)


def _unrelated(dataset: Pool, rng: np.random.Generator, clips: int, frames: int, crop: int) -> AnyBatch:
    numbers = np.arange(clips * frames).reshape(clips, frames)
    return _video(dataset, rng, clips * frames, 1, crop).take(numbers, np.zeros_like(numbers))


STUDENT = SampleKind("student", -1, -1, None)
REFERENCE_KINDS = (
    SampleKind("video", 0, +1, _video),
    SampleKind("shuffled", 0, -1, _shuffled),
    SampleKind("static", +1, +1, _static),
    SampleKind("unrelated", +1, -1, _unrelated),
)
KINDS = (STUDENT, *REFERENCE_KINDS)

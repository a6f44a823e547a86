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

from vsadcvsr.train.data.dataset import Batch, Dataset, Values

type Sampler = Callable[[Dataset, np.random.Generator, int, int, int], Batch]


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


def _video(dataset: Dataset, rng: np.random.Generator, clips: int, frames: int, crop: int) -> Batch:
    return dataset.batch(rng, clips, frames=frames, lr_size=crop)


def _shuffled(dataset: Dataset, rng: np.random.Generator, clips: int, frames: int, crop: int) -> Batch:
    orders = [_order(rng, frames) for _ in range(clips)]

    def reordered(values: Values) -> Values:
        return np.stack([clip[order] for clip, order in zip(values, orders, strict=True)])

    return _mapped(_video(dataset, rng, clips, frames, crop), reordered)


def _order(rng: np.random.Generator, frames: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """A random order of two or more frames that is neither theirs nor theirs backwards, where there is one."""
    while True:
        order = rng.permutation(frames)
        if frames < 3 and order[0] != 0:
            return order
        if abs(np.diff(order)).max() > 1:
            return order


def _static(dataset: Dataset, rng: np.random.Generator, clips: int, frames: int, crop: int) -> Batch:
    return _mapped(_video(dataset, rng, clips, 1, crop), lambda values: np.repeat(values, frames, axis=1))


def _unrelated(dataset: Dataset, rng: np.random.Generator, clips: int, frames: int, crop: int) -> Batch:
    batch = _video(dataset, rng, clips * frames, 1, crop)
    return _mapped(batch, lambda values: values.reshape(clips, frames, *values.shape[2:]))


def _mapped(batch: Batch, change: Callable[[Values], Values]) -> Batch:
    return Batch(change(batch.truth), change(batch.low), change(batch.target))


STUDENT = SampleKind("student", -1, -1, None)
REFERENCE_KINDS = (
    SampleKind("video", 0, +1, _video),
    SampleKind("shuffled", 0, -1, _shuffled),
    SampleKind("static", +1, +1, _static),
    SampleKind("unrelated", +1, -1, _unrelated),
)
KINDS = (STUDENT, *REFERENCE_KINDS)

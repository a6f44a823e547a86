"""The five kinds of sample that discriminators learn from, and their labels (AdcVSR, arXiv 2603.00458, section 3).

A label is +1 for what shall be liked, -1 for what shall not, and 0 where a head has nothing to learn. Detail is liked
in pictures and consistency in clips, so that neither can be had at the price of the other: a shuffled clip has the
detail of a clip, a salad of unrelated pictures has perfect detail and no consistency.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from vsadcvsr.train.data.dataset import Batch, Pool, Values

type Maker = Callable[[Pool, np.random.Generator, int, int, int], Batch]


@dataclass(frozen=True)
class Kind:
    """A kind of clip, with the label of each head. `make` draws (pool, generator, clips, frames, crop)."""

    name: str
    detail: int
    consistency: int
    make: Maker | None

    @property
    def both(self) -> int:
        """The label of a single head: what the two agree on, or the one that has an opinion."""
        return int(np.sign(self.detail + self.consistency))


def _video(pool: Pool, rng: np.random.Generator, clips: int, frames: int, crop: int) -> Batch:
    return pool.batch(rng, clips, frames=frames, lr_size=crop)


def _shuffled(pool: Pool, rng: np.random.Generator, clips: int, frames: int, crop: int) -> Batch:
    orders = [_order(rng, frames) for _ in range(clips)]

    def mixed(values: Values) -> Values:
        return np.stack([clip[order] for clip, order in zip(values, orders, strict=True)])

    return _each(_video(pool, rng, clips, frames, crop), mixed)


def _order(rng: np.random.Generator, frames: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """A random order of two or more frames that is neither theirs nor theirs backwards, where there is one."""
    while True:
        order = rng.permutation(frames)
        if frames < 3 and order[0] != 0:
            return order
        if abs(np.diff(order)).max() > 1:
            return order


def _static(pool: Pool, rng: np.random.Generator, clips: int, frames: int, crop: int) -> Batch:
    return _each(_video(pool, rng, clips, 1, crop), lambda values: np.repeat(values, frames, axis=1))


def _salad(pool: Pool, rng: np.random.Generator, clips: int, frames: int, crop: int) -> Batch:
    drawn = _video(pool, rng, clips * frames, 1, crop)
    return _each(drawn, lambda values: values.reshape(clips, frames, *values.shape[2:]))


def _each(drawn: Batch, change: Callable[[Values], Values]) -> Batch:
    return Batch(change(drawn.truth), change(drawn.low), change(drawn.target))


STUDENT = Kind("student", -1, -1, None)
REALS = (
    Kind("video", 0, +1, _video),
    Kind("shuffled", 0, -1, _shuffled),
    Kind("static", +1, +1, _static),
    Kind("salad", +1, -1, _salad),
)
KINDS = (STUDENT, *REALS)

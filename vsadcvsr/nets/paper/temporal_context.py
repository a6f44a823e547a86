"""Temporal context of a forward pass: whole clips for training, single steps for streaming.

A UNet pushes skips on its way down and pops them, last first, on its way up. In a stream these are many frames apart,
since each temporal block delays by two: skips wait in delay lines.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from vsadcvsr.nets.temporal import State, TemporalBlock

type Layer = Callable[[Tensor], Tensor]


class TemporalContext(Protocol):
    """Access of a forward pass to other frames. Tensors are (T, C, h, w)."""

    def apply(self, block: TemporalBlock, x: Tensor) -> Tensor:
        """`x` after a temporal block."""

    def push_skip(self, x: Tensor, layer: Layer | None = None) -> Tensor:
        """Pushes `x`, or the output of a stateless layer for it; returns the same."""

    def push_skip_again(self, layer: Layer) -> Tensor:
        """As `push_skip` for the input of the last push, which is not stored twice."""

    def pop_skip(self) -> Tensor:
        """Pops the last skip, at the current frames of the pass."""


class ClipContext:
    """The clip form: `links` (T,) of a whole clip."""

    def __init__(self, links: Tensor) -> None:
        self._links = links
        self._skips: list[tuple[Tensor, Tensor]] = []  # each map, and a layer's output for it

    def apply(self, block: TemporalBlock, x: Tensor) -> Tensor:
        output: Tensor = block(x, self._links)
        return output

    def push_skip(self, x: Tensor, layer: Layer | None = None) -> Tensor:
        self._skips.append((x, layer(x) if layer else x))
        return self._skips[-1][1]

    def push_skip_again(self, layer: Layer) -> Tensor:
        return self.push_skip(self._skips[-1][0], layer)

    def pop_skip(self) -> Tensor:
        return self._skips.pop()[1]


class _DelayedSkip(NamedTuple):
    frames: Tensor  # (held + T, C, h, w): the delay line and the newest frames
    delay: int
    layer: Layer | None

    def delayed(self, behind: int, count: int) -> Tensor:
        """`count` frames, the last of which is `behind` frames behind."""
        start = len(self.frames) - behind - count
        delayed = self.frames[start : start + count]
        return self.layer(delayed) if self.layer else delayed


class StepContext:
    """The step form: the next T frames with `links` (T,), and a state in the order of `PaperDims.state`."""

    def __init__(self, links: Tensor, state: State) -> None:
        self._count = len(links)
        self._links = torch.cat([state[0], links])
        self._parts = iter(state[1:])
        self._next_state = [self._links[self._count :]]
        self._delay = 0
        self._skips: list[_DelayedSkip] = []

    @property
    def next_state(self) -> State:
        """The state for the next step, after the pass."""
        return tuple(self._next_state)

    def apply(self, block: TemporalBlock, x: Tensor) -> Tensor:
        first, second = next(self._parts), next(self._parts)
        begin = len(self._links) - self._count - self._delay
        links, previous_links, older_links = (self._links[begin - back :] for back in (0, 1, 2))
        state = (first, previous_links[:1], second, older_links[:1])
        output, _, (first, _, second, _) = block.step(x, links[: self._count], state)
        self._next_state += [first, second]
        self._delay += TemporalBlock.delay
        return output

    def push_skip(self, x: Tensor, layer: Layer | None = None) -> Tensor:
        frames = torch.cat([next(self._parts), x])
        self._next_state.append(frames[self._count :])
        self._skips.append(_DelayedSkip(frames, self._delay, layer))
        return layer(x) if layer else x

    def push_skip_again(self, layer: Layer) -> Tensor:
        self._skips.append(self._skips[-1]._replace(layer=layer))
        return self._skips[-1].delayed(0, self._count)

    def pop_skip(self) -> Tensor:
        skip = self._skips.pop()
        return skip.delayed(self._delay - skip.delay, self._count)

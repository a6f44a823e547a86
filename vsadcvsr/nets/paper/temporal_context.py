"""What makes a clip form or a step form of one and the same forward pass: how it meets other frames, and itself.

A UNet sets tensors aside on its way down and takes them up again, last first, on its way up. In a stream the two ways
are many frames apart, for each temporal block delays by two: what is set aside waits in a delay line.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from vsadcvsr.nets.temporal import State, TemporalBlock

type Layer = Callable[[Tensor], Tensor]


class Time(Protocol):
    """How a forward pass meets time. Tensors are (T, C, h, w)."""

    def site(self, block: TemporalBlock, x: Tensor) -> Tensor:
        """`x` after a temporal block."""

    def set_aside(self, x: Tensor, layer: Layer | None = None) -> Tensor:
        """Keeps `x`, or what a layer without a memory makes of it, for `take_up`; gives the same back."""

    def set_aside_again(self, layer: Layer) -> Tensor:
        """As `set_aside`, for what was kept last: so that it need not be kept twice."""

    def take_up(self) -> Tensor:
        """What was kept last, once, of the frames that the pass is at by now."""


class Clip:
    """The clip form: `links` (T,) of a whole clip."""

    def __init__(self, links: Tensor) -> None:
        self._links = links
        self._aside: list[tuple[Tensor, Tensor]] = []  # each as it came, and what a layer made of it

    def site(self, block: TemporalBlock, x: Tensor) -> Tensor:
        met: Tensor = block(x, self._links)
        return met

    def set_aside(self, x: Tensor, layer: Layer | None = None) -> Tensor:
        self._aside.append((x, layer(x) if layer else x))
        return self._aside[-1][1]

    def set_aside_again(self, layer: Layer) -> Tensor:
        return self.set_aside(self._aside[-1][0], layer)

    def take_up(self) -> Tensor:
        return self._aside.pop()[1]


class _Aside(NamedTuple):
    seen: Tensor  # (held + T, C, h, w): the delay line and the newest frames
    since: int
    layer: Layer | None

    def at(self, end: int, count: int) -> Tensor:
        """`count` frames, the last of which is `end` frames behind."""
        begin = len(self.seen) - end - count
        frames = self.seen[begin : begin + count]
        return self.layer(frames) if self.layer else frames


class Stream:
    """The step form: the next T frames, of which `links` (T,) and a state in the order of `PaperDims.state`."""

    def __init__(self, links: Tensor, state: State) -> None:
        self._count = len(links)
        self._links = torch.cat([state[0], links])
        self._parts = iter(state[1:])
        self._following = [self._links[self._count :]]
        self._delay = 0
        self._aside: list[_Aside] = []

    @property
    def following(self) -> State:
        """The state for the next step, once the pass is through."""
        return tuple(self._following)

    def site(self, block: TemporalBlock, x: Tensor) -> Tensor:
        first, second = next(self._parts), next(self._parts)
        begin = len(self._links) - self._count - self._delay
        links, before, long_before = (self._links[begin - back :] for back in (0, 1, 2))
        held = (first, before[:1], second, long_before[:1])
        met, _, (first, _, second, _) = block.step(x, links[: self._count], held)
        self._following += [first, second]
        self._delay += TemporalBlock.delay
        return met

    def set_aside(self, x: Tensor, layer: Layer | None = None) -> Tensor:
        seen = torch.cat([next(self._parts), x])
        self._following.append(seen[self._count :])
        self._aside.append(_Aside(seen, self._delay, layer))
        return layer(x) if layer else x

    def set_aside_again(self, layer: Layer) -> Tensor:
        self._aside.append(self._aside[-1]._replace(layer=layer))
        return self._aside[-1].at(0, self._count)

    def take_up(self) -> Tensor:
        aside = self._aside.pop()
        return aside.at(self._delay - aside.since, self._count)

"""The state of one stream: the step that it takes again and again, and the picture that is still on its way."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np

from vsadcvsr.backends.eager_bus import Bus, Pending
from vsadcvsr.backends.eager_graph import Step
from vsadcvsr.nets.running import Made
from vsadcvsr.spec import Array


class Machine(NamedTuple):
    """What takes steps of one length on frames of one size; it serves one stream at a time."""

    step: Step
    bus: Bus


class Stream:
    """Takes steps. Where `late`, pictures come one frame later than the network makes them, so that a step need not
    wait for its own; the first is blank.

    `machine_for` gives a machine for steps of so many frames. `alarm` is called where a step gave what is no number,
    which is then taken again in fp32; None looks for nothing.
    """

    def __init__(self, machine_for: Callable[[int], Machine], *, late: bool, alarm: Callable[[], None] | None) -> None:
        self.machines: list[Machine] = []
        """None before the first step, then one."""
        self._machine_for = machine_for
        self._late = late
        self._alarm = alarm
        self._owed: Pending | None = None  # the last picture, where it is still to come

    def feed(self, frames: Array, links: Array) -> list[Array]:
        """The pictures that come out, or their parts, as frames (T, 3, H, W) with links (T,) go in."""
        step, bus = self._of(len(frames))
        bus.send(frames, links, step)
        step.running.load()
        made = self._run(step)
        pending = cache(bus.hand(made))
        step.running.advance()
        if not self._late:
            return pending()
        owed, self._owed = self._owed, lambda: [part[-1:] for part in pending()]
        first = owed() if owed else [np.zeros((1, *part.shape[1:]), np.float32) for part in made]
        if len(frames) == 1:
            return first
        return [np.concatenate([one, part[:-1]]) for one, part in zip(first, pending(), strict=True)]

    def _run(self, step: Step) -> Made:
        made = step.run()
        if self._alarm and not all(bool(part.isfinite().all()) for part in made):
            self._alarm()
            made = step.run_in_fp32()
        return made

    def _of(self, count: int) -> Machine:
        if not self.machines or self.machines[0].step.running.count != count:
            fresh = self._machine_for(count)
            if self.machines:
                fresh.step.running.take_over(self.machines[0].step.running)
            self.machines[:] = [fresh]
        return self.machines[0]

"""The state of one stream: the step that it takes again and again, and the picture that is still on its way."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np

from vsadcvsr.backends.pytorch.cuda_graphs import Step
from vsadcvsr.backends.pytorch.planes import PlaneMaker, PlaneMakers, planes_of
from vsadcvsr.backends.pytorch.transfer import Bus, Pending, Sent
from vsadcvsr.color import Finish
from vsadcvsr.nets.step_runner import Made
from vsadcvsr.output import Planes
from vsadcvsr.spec import Array


class Machine(NamedTuple):
    """What takes steps of one length on frames of one size; it serves one stream at a time."""

    step: Step
    bus: Bus
    makers: PlaneMakers


class _Awaited(NamedTuple):
    """What is to become of a picture, and its source frame where that is needed."""

    finish: Finish
    source: Array | None


class Stream:
    """Takes steps. Where `late`, pictures come one frame later than the network makes them, so that a step need not
    wait for its own; the first is blank.

    `machine_for` gives a machine for steps of so many frames. The network is `behind` by so many frames. `alarm` is
    called where a step gave what is no number, which is then taken again in fp32; None looks for nothing.
    """

    def __init__(
        self,
        machine_for: Callable[[int], Machine],
        *,
        behind: int,
        late: bool,
        alarm: Callable[[], None] | None,
    ) -> None:
        self.machines: list[Machine] = []
        """None before the first step, then one."""
        self._machine_for = machine_for
        self._late = late
        self._alarm = alarm
        self._awaited: deque[_Awaited | None] = deque([None] * behind)
        self._owed: Pending | None = None  # the last picture, where it is still to come
        self._owed_one: Callable[[], list[Array] | Planes] | None = None  # the same, for `feed_one`

    def feed(self, frames: Array, links: Array) -> list[Array]:
        """The pictures that come out, or their parts, as frames (T, 3, H, W) with links (T,) go in."""
        machine = self._of(len(frames))
        made = self._run(machine, [(frames, machine.step.frames), (links, machine.step.links)])
        pending = cache(machine.bus.hand(made))
        machine.step.running.advance()
        if not self._late:
            return pending()
        owed, self._owed = self._owed, lambda: [part[-1:] for part in pending()]
        first = owed() if owed else _blank(made)
        if len(frames) == 1:
            return first
        return [np.concatenate([one, part[:-1]]) for one, part in zip(first, pending(), strict=True)]

    def feed_one(self, frame: Array, link: Array, finish: Finish | None) -> list[Array] | Planes:
        """As `feed`, for one frame (1, 3, H, W), whose picture is to be finished. A stream is fed in one of the two
        ways, from its beginning on.
        """
        self._awaited.append(_awaited(frame, finish))
        machine, due = self._of(1), self._awaited.popleft()
        maker = machine.makers.of(due.finish) if due else None
        sent: Sent = [(frame, machine.step.frames), (link, machine.step.links)]
        if due and maker and due.source is not None:
            sent.append((due.source, maker.source))
        made = self._run(machine, sent)
        given = self._finished(machine, made, maker) if maker else machine.bus.hand(made)
        machine.step.running.advance()
        if not self._late:
            return given()
        owed, self._owed_one = self._owed_one, given
        return owed() if owed else _blank(made)

    def _finished(self, machine: Machine, made: Made, maker: PlaneMaker) -> Callable[[], Planes]:
        planes = machine.bus.hand_codes(maker.run(made, still=machine.step.lies_still(made)))
        return lambda: planes_of(planes())

    def _run(self, machine: Machine, sent: Sent) -> Made:
        machine.bus.send(sent)
        step = machine.step
        step.running.load()
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


def _awaited(frame: Array, finish: Finish | None) -> _Awaited | None:
    if finish is None:
        return None
    return _Awaited(finish, frame[0, :, : finish.height, : finish.width] if finish.needs_source else None)


def _blank(made: Made) -> list[Array]:
    return [np.zeros((1, *part.shape[1:]), np.float32) for part in made]

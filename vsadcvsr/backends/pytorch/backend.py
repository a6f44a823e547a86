"""torch: runs the networks of `vsadcvsr.nets` as they are, from the files that training made.

On a GPU steps are recorded and replayed, and frames and pictures cross the bus beside them.
"""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from vsadcvsr.backends import Options, closed, forget
from vsadcvsr.color import Finish
from vsadcvsr.errors import BackendError, one_line
from vsadcvsr.extras import needs
from vsadcvsr.memory import MemoryPlan, choose, settled, usable
from vsadcvsr.output import Finished, Parts, Picture, Planes
from vsadcvsr.spec import Array, Aside, Needs
from vsadcvsr.tiling import Tiling

with needs("torch", "backend 'torch'"):
    import torch

    from vsadcvsr.backends.pytorch.cuda_graphs import Graphs, Step
    from vsadcvsr.backends.pytorch.planes import PlaneMakers
    from vsadcvsr.backends.pytorch.stream import Machine, Stream
    from vsadcvsr.backends.pytorch.transfer import Direct, Pinned
    from vsadcvsr.nets.paper.ring_state import Desk
    from vsadcvsr.nets.step_runner import Keeping, needs_of, prepared, running
    from vsadcvsr.nets.weights_file import Student, load_weights

_TYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
_NO_MEMORY = ("allocate", "not enough memory", "out of memory")
_SWITCHES = ("ADCVSR_CUDA_GRAPHS", "ADCVSR_CUDA_PLANES")
"""The environment variables that turn off, with 0, recording and planes from the device."""

type Size = tuple[int, int]
"""(height, width) of a stream's frames."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Ways:
    """How steps are taken. None of it changes a picture, but that `room` may lead to tiles, `planes` to other rounding.

    `graphs` records them (CUDA only). `planes` makes planes on the device, for hosts that say which. `late` lets
    pictures come one frame later, so that they cross the bus during the next step. `room` is the memory to plan with,
    in bytes; None plans nothing. `aside` is what of the state is in the host's memory where nothing is planned.
    """

    graphs: bool = False
    planes: bool = False
    late: bool = False
    room: int | None = None
    aside: Aside = "none"

    @classmethod
    def usual(cls, device: torch.device) -> Ways:
        """What suits a device."""
        if device.type != "cuda":
            return cls()
        room = usable(torch.cuda.get_device_properties(device).total_memory)
        graphs, planes = (os.environ.get(switch, "1") != "0" for switch in _SWITCHES)
        return cls(graphs=graphs, planes=planes, late=True, room=room)


class Eager:
    """A network in evaluation mode.

    In half precision the paper's network keeps its sums, statistics and ends in fp32, the compact ones all but their
    convolutions. In fp16 a step that overflows is taken again in fp32. `threads` is torch's own setting, so that it
    counts for the whole process.
    """

    def __init__(self, path: Path, options: Options) -> None:
        device = _device(options)
        net = load_weights(path, options.blend)
        if options.threads and device.type == "cpu":
            torch.set_num_threads(options.threads)
        self._use(net, device, _precision(options.precision, device, net.spec.precisions), Ways.usual(device))

    @classmethod
    def of(cls, net: Student, device: torch.device, precision: str, ways: Ways | None = None) -> Eager:
        """A backend on a network that is at hand, which belongs to it from now on."""
        made = cls.__new__(cls)
        made._use(net, device, precision, ways or Ways.usual(device))
        return made

    def _use(self, net: Student, device: torch.device, precision: str, ways: Ways) -> None:
        self.spec = replace(net.spec, lookahead=net.spec.lookahead + ways.late)
        self.label = f"torch/{device.type}/{precision}"
        self._device, self._type, self._ways = device, _TYPES[precision], ways
        self.finishes = ways.planes
        self._behind = net.spec.lookahead
        self._narrow = self._type == torch.float16
        with _failing():
            self._loaded: Student | None = prepared(net, self._type, device)
            self._streams = _streams(device)
            self._graphs = Graphs(self._streams[0]) if ways.graphs and self._streams else None
        self._lock = threading.Lock()
        self._choosing = threading.Lock()  # of machines; steps on a CPU take no other lock
        self._warned = False
        self._plans: dict[tuple[int, int, Tiling | None], MemoryPlan] = {}
        self._aside: dict[Size, Aside] = {}
        self._desks: dict[tuple[int, ...], Desk] = {}
        self._idle: list[Machine] = []  # of streams that are gone, for those that come

    def _open_net(self) -> Student:
        """The network. Raises BackendError after `close`."""
        if self._loaded is None:
            raise closed()
        return self._loaded

    def plan(self, height: int, width: int, wanted: Tiling | None) -> Tiling | None:
        """As `backends.Planner` has it; what a stream of the tiles' size keeps where is settled by the way."""
        if self._ways.room is None or needs_of(self._open_net(), self.spec.padded(height, width), self._type) is None:
            return wanted
        asked = (height, width, wanted)
        if asked not in self._plans:
            self._plans[asked] = self._planned(height, width, wanted, self._ways.room)
        planned = self._plans[asked]
        self._aside[planned.size] = planned.aside
        return planned.tiling

    def _planned(self, height: int, width: int, wanted: Tiling | None, room: int) -> MemoryPlan:
        if wanted is None:
            made = choose(self.spec, self.needs, height, width, room)
        else:
            made = settled(self.spec, self.needs, height, width, room, wanted)
        _log.info("model %r on %dx%d: %s", self.spec.name, width, height, made)
        return made

    def needs(self, height: int, width: int) -> Needs:
        """The memory that a stream of such frames takes."""
        found = needs_of(self._open_net(), (height, width), self._type)
        assert found is not None, "compact students are not planned"
        return found

    def start(self, height: int, width: int) -> object:
        self._open_net()
        stream = Stream(
            lambda count: self._machine((height, width), count),
            behind=self._behind,
            late=self._ways.late,
            alarm=self._alarm if self._narrow else None,
        )
        weakref.finalize(stream, _put_back, stream.machines, self._idle).atexit = False
        return stream

    def step(self, frames: Array, links: Array, state: object) -> tuple[Picture, object]:
        assert isinstance(state, Stream)
        self._open_net()
        with _failing(), self._at_work():
            made = state.feed(frames, links)
        return self._picture(made), state

    def finishing_step(
        self, frame: Array, link: Array, state: object, finish: Finish | None
    ) -> tuple[Finished, object]:
        """As `backends.Finisher` has it."""
        assert isinstance(state, Stream)
        self._open_net()
        with _failing(), self._at_work():
            made = state.feed_one(frame, link, finish)
        return made if isinstance(made, Planes) else self._picture(made), state

    def _picture(self, made: list[Array]) -> Picture:
        return Parts(*made) if self.spec.parts else made[0]

    def close(self) -> None:
        forget(self)
        with self._choosing:
            self._loaded = None
            self._idle = []  # streams that go later put theirs into the old list
            self._desks.clear()

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        """One step at a time where steps share memory: recorded ones, and layers that may be widened."""
        with ExitStack() as stack:
            if self._streams or self._narrow or self._ways.aside != "none":
                stack.enter_context(self._lock)
            if self._streams:
                stack.enter_context(torch.cuda.device(self._device))
                stack.enter_context(torch.cuda.stream(self._streams[0]))
            stack.enter_context(torch.inference_mode())
            yield

    def _machine(self, size: Size, count: int) -> Machine:
        """One that is idle, which has forgotten all, or a new one; those of other sizes make room."""
        with self._choosing:
            return self._chosen(size, count)

    def _chosen(self, size: Size, count: int) -> Machine:
        fitting = [one for one in self._idle if (one.step.size, one.step.running.count) == (size, count)]
        if fitting:
            self._idle.remove(fitting[0])
            fitting[0].step.running.clear()
            return fitting[0]
        self._idle.clear()
        self._desks = {key: desk for key, desk in self._desks.items() if key == (*size, count)}
        keeping = Keeping(
            aside=self._aside.get(size, self._ways.aside),
            again=self._narrow,
            fixed=self._graphs is not None,
            desk=self._desks.setdefault((*size, count), {}),
        )
        step = Step(running(self._open_net(), size, count, self._type, keeping), size, self._device, self._graphs)
        handed = torch.float32 if self._type == torch.float32 else torch.float16
        bus = Pinned(*self._streams, handed) if self._streams else Direct()
        return Machine(step, bus, PlaneMakers(self._device, self._graphs))

    def _alarm(self) -> None:
        if not self._warned:
            self._warned = True
            _log.warning(
                "model %r overflows in fp16: such steps are taken again in fp32; precision='bf16' is faster where the "
                "GPU has it", self.spec.name,
            )  # fmt: skip


def _streams(device: torch.device) -> tuple[torch.cuda.Stream, torch.cuda.Stream] | None:
    """One to count on, one for what crosses the bus meanwhile; None on a CPU."""
    if device.type != "cuda":
        return None
    first, second = (torch.cuda.Stream(device) for _ in range(2))  # type: ignore[no-untyped-call]  # torch has none
    return first, second


def _put_back(machines: list[Machine], idle: list[Machine]) -> None:
    idle += machines


def _device(options: Options) -> torch.device:
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    kind = ("cuda" if count else "cpu") if options.device == "auto" else options.device
    present = ["cpu", *(["cuda"] if count else [])]
    if kind not in present:
        raise BackendError(f"device {kind!r} is not available to backend 'torch', available: {', '.join(present)}")
    if kind == "cuda" and options.device_index >= count:
        raise BackendError(f"device_index {options.device_index} is not there, available: 0 to {count - 1}")
    return torch.device(kind, options.device_index) if kind == "cuda" else torch.device(kind)


def _precision(wanted: str, device: torch.device, able: tuple[str, ...]) -> str:
    precision = next(one for one in _usual(device) if one in able) if wanted == "auto" else wanted
    if precision not in able:
        raise BackendError(f"precision {precision!r} is not for this model, available: {', '.join(able)}")
    return precision


def _usual(device: torch.device) -> tuple[str, ...]:
    """The precisions that suit a device, best first."""
    if device.type == "cpu":
        return ("fp32",)
    with torch.cuda.device(device):
        return ("bf16", "fp32") if torch.cuda.is_bf16_supported(including_emulation=False) else ("fp16", "fp32")


@contextmanager
def _failing() -> Iterator[None]:
    """What torch raises becomes MemoryError or BackendError."""
    try:
        yield
    except RuntimeError as error:
        raise _failure(error) from error


def _failure(error: RuntimeError) -> Exception:
    words = one_line(error, 300)
    if isinstance(error, torch.OutOfMemoryError) or any(sign in words.lower() for sign in _NO_MEMORY):
        return MemoryError(words)
    return BackendError(f"torch failed: {words}")

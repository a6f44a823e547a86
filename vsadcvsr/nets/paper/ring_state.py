"""The step form with its state in place: rings of fixed memory, which a step reads and writes at places that move on.

`Stream` joins each part of the state with the new frames and hands on the end of that; for the delay lines of a large
frame this moves gigabytes a step. Here each part is a ring of as many frames as it holds and a step brings. Places are
read from a table on the device, so that a recorded step (a CUDA graph) finds them too.

A step touches a frame or three of each part. So parts may live in the host's memory ("aside"): these few frames are
laid on a desk before the step and taken from it after. Streams that take turns share a desk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from vsadcvsr.nets.paper.config import UNSHUFFLED, PaperDims, Part
from vsadcvsr.nets.temporal import TemporalBlock, TemporalConv
from vsadcvsr.spec import Aside

type Layer = Callable[[Tensor], Tensor]
type Desk = dict[int, Tensor]
"""By part: (frames, h, w, C) on the device."""

_SITE_READS = (2, 1)  # a convolution along time sees the frame before and the one after


class Rings:
    """The state of one stream of (height, width) frames that takes `count` frames a step. It has seen nothing yet.

    Maps are kept in `type`, the frames' own pixels and the links in fp32. What `aside` names lives in the host's memory
    as far as steps of `count` frames allow it. A step may be taken again, until `advance`, only where `again` says so:
    it takes a frame more of each part. Raises RuntimeError where memory lacks.
    """

    def __init__(
        self,
        dims: PaperDims,
        size: tuple[int, int],
        count: int,
        type: torch.dtype,
        device: torch.device,
        *,
        aside: Aside = "none",
        again: bool = False,
        desk: Desk | None = None,
    ) -> None:
        links, *maps = dims.state
        self.count = count
        rooms = [Room(part.frames, _length(part, count, again=again)) for part in maps]
        self._line = Room(links.frames, links.frames + count)
        self.clock = Clock([self._line, *rooms], count, device)
        self._links = torch.zeros(self._line.length, device=device)
        self._memories: list[_Memory] = []
        desk = {} if desk is None else desk
        for index, (part, room) in enumerate(zip(maps, rooms, strict=True)):
            kind = torch.float32 if part.channels == UNSHUFFLED and part.reads else type
            if _goes_aside(part, count, aside):
                self._memories.append(_Aside(index, part, room, size, self.clock, kind, device, desk))
            else:
                self._memories.append(_Near(part, room, size, self.clock, kind, device))

    def begin(self, links: Tensor) -> Pass:
        """A pass over the next `count` frames, whose links (count,) these are."""
        order = self.clock.order(self._line)
        self._links.index_copy_(0, order[self._line.held :], links)
        return Pass(self._links.index_select(0, order), self._memories, self.count)

    def load(self) -> None:
        """Lays on the desk what the next pass reads."""
        for memory in self._memories:
            memory.load()

    def advance(self) -> None:
        """Makes the last pass count: what it took in is held from now on."""
        for memory in self._memories:
            memory.store()
        self.clock.advance()

    def clear(self) -> None:
        """Forgets all that was seen."""
        self._links.zero_()
        for memory in self._memories:
            memory.clear()

    def take_over(self, other: Rings) -> None:
        """Takes over what another, of the same frames but another `count`, has seen."""
        self._links.index_copy_(0, self.clock.held(self._line), other._links[other.clock.held(other._line)])
        for mine, theirs in zip(self._memories, other._memories, strict=True):
            mine.fill(theirs.held())

    @property
    def nbytes(self) -> tuple[int, int]:
        """On the device, without the desk, and aside."""
        near = self._links.nbytes + sum(memory.near for memory in self._memories)
        return near, sum(memory.aside for memory in self._memories)


class Room(NamedTuple):
    """The frames that a ring holds between steps, and all that it has place for."""

    held: int
    length: int


class Clock:
    """Where each ring is at: the places of held and of new frames, in order of age."""

    def __init__(self, rooms: Iterable[Room], count: int, device: torch.device) -> None:
        self.count = count
        self.position = 0
        """The number of the first new frame."""
        kinds = sorted(set(rooms))
        ages = [torch.arange(-room.held, count) for room in kinds]
        moduli = [torch.full_like(age, room.length) for age, room in zip(ages, kinds, strict=True)]
        self._ages, self._moduli = torch.cat(ages).to(device), torch.cat(moduli).to(device)
        self._table = torch.remainder(self._ages, self._moduli)
        orders = torch.split(self._table, [len(age) for age in ages])
        self._orders: dict[Room, Tensor] = dict(zip(kinds, orders, strict=True))

    def order(self, room: Room) -> Tensor:
        """(held + count,): the last `count` places are for new frames. It changes in place."""
        return self._orders[room]

    def held(self, room: Room) -> Tensor:
        """(held,): the places of what is held, oldest first."""
        return self._orders[room][: room.held]

    def places(self, room: Room, behind: int, frames: int) -> list[int]:
        """The places of `frames` frames that begin so far behind the new ones, without asking the device."""
        return [(self.position - behind + index) % room.length for index in range(frames)]

    def advance(self) -> None:
        self.position += self.count
        torch.remainder(self._ages + self.position, self._moduli, out=self._table)


class _Memory(Protocol):
    """The ring of one part. Maps come and go as (T, C, h, w) with channels last in memory."""

    near: int
    aside: int

    def write(self, x: Tensor) -> None: ...
    def read(self, behind: int) -> Tensor: ...
    def load(self) -> None: ...
    def store(self) -> None: ...
    def clear(self) -> None: ...
    def held(self) -> Tensor: ...
    def fill(self, frames: Tensor) -> None: ...


class _Near:
    """A ring on the device."""

    aside = 0

    def __init__(
        self, part: Part, room: Room, size: tuple[int, int], clock: Clock, type: torch.dtype, device: torch.device
    ) -> None:
        self._room = room
        self._clock = clock
        self._memory = torch.zeros(_shape(part, size, room.length), dtype=type, device=device)
        self.near = self._memory.nbytes

    def write(self, x: Tensor) -> None:
        new = self._clock.order(self._room)[self._room.held :]
        self._memory.index_copy_(0, new, _kept(x, self._memory.dtype))

    def read(self, behind: int) -> Tensor:
        begin = self._room.held - behind
        order = self._clock.order(self._room)[begin : begin + self._clock.count]
        return _map(self._memory.index_select(0, order))

    def load(self) -> None:
        """Nothing: what will be read is there."""

    def store(self) -> None:
        """Nothing: what was written is there."""

    def clear(self) -> None:
        self._memory.zero_()

    def held(self) -> Tensor:
        return self._memory[self._clock.held(self._room)]

    def fill(self, frames: Tensor) -> None:
        self._memory.index_copy_(0, self._clock.held(self._room), frames.to(self._memory.device))


class _Aside:
    """A ring in the host's memory; on the desk are the frames that a step reads, and behind them those it writes."""

    near = 0

    def __init__(
        self, index: int, part: Part, room: Room, size: tuple[int, int], clock: Clock, type: torch.dtype,
        device: torch.device, desk: Desk,
    ) -> None:  # fmt: skip
        self._room = room
        self._clock = clock
        shape = _shape(part, size, room.length)
        self._memory = torch.zeros(shape, dtype=type, pin_memory=device.type == "cuda")
        self._reads = part.reads or _SITE_READS
        frames = (len(self._reads) + 1) * clock.count
        if index not in desk:
            desk[index] = torch.zeros((frames, *shape[1:]), dtype=type, device=device)
        *read, self._new = torch.split(desk[index], clock.count)
        self._read: dict[int, Tensor] = dict(zip(self._reads, read, strict=True))
        self.aside = self._memory.nbytes

    def write(self, x: Tensor) -> None:
        self._new.copy_(_kept(x, self._new.dtype))

    def read(self, behind: int) -> Tensor:
        return _map(self._read[behind])

    def load(self) -> None:
        for behind, into in self._read.items():
            for place, frame in zip(self._places(behind), into, strict=True):
                frame.copy_(self._memory[place], non_blocking=True)

    def store(self) -> None:
        for place, frame in zip(self._places(0), self._new, strict=True):
            self._memory[place].copy_(frame, non_blocking=True)

    def clear(self) -> None:
        self._settle()
        self._memory.zero_()

    def held(self) -> Tensor:
        self._settle()
        return self._memory[self._clock.places(self._room, self._room.held, self._room.held)]

    def fill(self, frames: Tensor) -> None:
        self._settle()
        self._memory[self._clock.places(self._room, self._room.held, self._room.held)] = frames.cpu()

    def _places(self, behind: int) -> list[int]:
        return self._clock.places(self._room, behind, self._clock.count)

    def _settle(self) -> None:
        """Waits for copies that are under way."""
        if self._new.is_cuda:
            torch.cuda.synchronize(self._new.device)


def _length(part: Part, count: int, *, again: bool) -> int:
    """The frames that a ring has place for. A convolution along time reads before it writes where a step is one frame,
    so that the new one may take the place of the oldest, unless that is needed once more.
    """
    return part.frames + (0 if count == 1 and not part.reads and not again else count)


def _goes_aside(part: Part, count: int, aside: Aside) -> bool:
    """Whether a part lives in the host's memory: it must not be asked for frames that the same step brings."""
    return aside != "none" and min(part.reads or _SITE_READS) >= count and (bool(part.reads) or aside == "all")


class _Kept(NamedTuple):
    memory: _Memory
    new: Tensor
    since: int
    layer: Layer | None

    def at(self, behind: int) -> Tensor:
        """The frames that are `behind` frames behind the new ones, as the layer makes them."""
        frames = self.memory.read(behind).to(self.new.dtype) if behind else self.new
        return self.layer(frames) if self.layer else frames


class Pass:
    """The step form for one pass over rings; `links` (lead + T,) are those before the T new frames, and theirs."""

    def __init__(self, links: Tensor, memories: list[_Memory], count: int) -> None:
        self._links = links
        self._memories = iter(memories)
        self._count = count
        self._delay = 0
        self._aside: list[_Kept] = []

    def site(self, block: TemporalBlock, x: Tensor) -> Tensor:
        inner, skip = self._mixed(block.first, x)
        inner, _ = self._mixed(block.second, torch.relu(inner))
        return skip + inner

    def set_aside(self, x: Tensor, layer: Layer | None = None) -> Tensor:
        memory = next(self._memories)
        memory.write(x)
        self._aside.append(_Kept(memory, x, self._delay, layer))
        return layer(x) if layer else x

    def set_aside_again(self, layer: Layer) -> Tensor:
        self._aside.append(self._aside[-1]._replace(layer=layer))
        return self._aside[-1].at(0)

    def take_up(self) -> Tensor:
        kept = self._aside.pop()
        return kept.at(self._delay - kept.since)

    def _mixed(self, conv: TemporalConv, x: Tensor) -> tuple[Tensor, Tensor]:
        """What a convolution along time makes of the newest frames, one frame late; and its input, two frames late."""
        memory = next(self._memories)
        self._delay += 1
        begin = len(self._links) - self._count - self._delay
        gate = self._links[begin : begin + self._count + 1].view(-1, 1, 1, 1).to(x.dtype)
        if self._count > 1:  # the new frames are among those that are read
            memory.write(x)
        oldest, middle = (memory.read(behind).to(x.dtype) for behind in _SITE_READS)
        if self._count == 1:  # the new frame may take the place of the oldest
            memory.write(x)
        mixed: Tensor = conv.taps(torch.cat([oldest * gate[:-1], middle, x * gate[1:]], 1))
        return mixed, oldest


def _shape(part: Part, size: tuple[int, int], frames: int) -> tuple[int, ...]:
    _, channels, height, width = part.shape(*size)
    return frames, height, width, channels


def _map(frames: Tensor) -> Tensor:
    """(T, h, w, C) as (T, C, h, w), without a copy."""
    return frames.permute(0, 3, 1, 2)


def _kept(x: Tensor, type: torch.dtype) -> Tensor:
    """(T, C, h, w) as (T, h, w, C) in the type of a memory, which has no infinity: one would stay for ever."""
    if x.dtype != type:
        most = torch.finfo(type).max
        x = x.clamp(-most, most).to(type)
    return x.permute(0, 2, 3, 1)

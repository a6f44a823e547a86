"""The step form with its state in place: rings of fixed memory, which a step reads and writes at places that move on.

`Stream` joins each part of the state with the new frames and hands on the end of that; for the delay lines of a large
frame this moves gigabytes a step. Here each part is a ring of as many frames as it holds and a step brings. Places are
read from a table on the device, so that a recorded step (a CUDA graph) finds them too. A step overwrites nothing that
it reads: until `advance`, it may be taken again.

Delay lines are most of the state, yet a step touches a frame or three of each. So they may live in the host's memory
("aside"), and these few frames are carried there and back between steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from vsadcvsr.nets.paper_dims import UNSHUFFLED, PaperDims, Part
from vsadcvsr.nets.temporal import TemporalBlock, TemporalConv

type Layer = Callable[[Tensor], Tensor]


class Rings:
    """The state of one stream of (height, width) frames that takes `count` frames a step. It has seen nothing yet.

    Maps are kept in `type`, the frames' own pixels and the links in fp32. Raises RuntimeError where memory lacks.
    """

    def __init__(
        self,
        dims: PaperDims,
        size: tuple[int, int],
        count: int,
        type: torch.dtype,
        device: torch.device,
        *,
        aside: bool = False,
    ) -> None:
        links, *maps = dims.state
        self.count = count
        self.clock = Clock([part.frames for part in dims.state], count, device)
        self._links = torch.zeros(links.frames + count, device=device)
        self._lead = links.frames
        self._memories: list[_Memory] = []
        for part in maps:
            kind = torch.float32 if part.channels == UNSHUFFLED and part.reads else type
            kept_aside = aside and part.reads and min(part.reads) >= count
            maker = _Aside if kept_aside else _Near
            self._memories.append(maker(part, size, self.clock, kind, device))

    def begin(self, links: Tensor) -> Pass:
        """A pass over the next `count` frames, whose links (count,) these are."""
        order = self.clock.order(self._lead)
        self._links.index_copy_(0, order[self._lead :], links)
        return Pass(self._links.index_select(0, order), self._memories, self.count)

    def advance(self) -> None:
        """Makes the last pass count: what it took in is held from now on."""
        for memory in self._memories:
            memory.store()
        self.clock.advance()
        for memory in self._memories:
            memory.load()

    def clear(self) -> None:
        """Forgets all that was seen."""
        self._links.zero_()
        for memory in self._memories:
            memory.clear()

    def take_over(self, other: Rings) -> None:
        """Takes over what another, of the same frames but another `count`, has seen."""
        self._links.index_copy_(0, self.clock.held(self._lead), other._links[other.clock.held(self._lead)])
        for mine, theirs in zip(self._memories, other._memories, strict=True):
            mine.fill(theirs.held())

    @property
    def nbytes(self) -> tuple[int, int]:
        """On the device, and aside."""
        near = self._links.nbytes + self.clock.nbytes + sum(memory.near for memory in self._memories)
        return near, sum(memory.aside for memory in self._memories)


class Clock:
    """Where each ring is at: for those that hold so many frames, the places of held and new frames in order of age."""

    def __init__(self, holds: Iterable[int], count: int, device: torch.device) -> None:
        self.count = count
        self.position = 0
        """The number of the first new frame."""
        lengths = {held: held + count for held in sorted(set(holds))}
        ages = [torch.arange(length) - held for held, length in lengths.items()]
        moduli = [torch.full((length,), length) for length in lengths.values()]
        self._ages, self._moduli = torch.cat(ages).to(device), torch.cat(moduli).to(device)
        self._table = torch.remainder(self._ages, self._moduli)
        self._orders: dict[int, Tensor] = dict(
            zip(lengths, torch.split(self._table, list(lengths.values())), strict=True)
        )

    @property
    def nbytes(self) -> int:
        return 3 * self._table.nbytes

    def order(self, held: int) -> Tensor:
        """(held + count,): the last `count` places are for new frames. It changes in place."""
        return self._orders[held]

    def held(self, held: int) -> Tensor:
        """(held,): the places of what is held, oldest first."""
        return self._orders[held][:held]

    def places(self, held: int, behind: int, frames: int) -> list[int]:
        """The places of `frames` frames that begin so far behind the new ones, without asking the device."""
        return [(self.position - behind + index) % (held + self.count) for index in range(frames)]

    def advance(self) -> None:
        self.position += self.count
        torch.remainder(self._ages + self.position, self._moduli, out=self._table)


class _Memory(Protocol):
    """The ring of one part. Maps come and go as (T, C, h, w) with channels last in memory."""

    part: Part
    near: int
    aside: int

    def write(self, x: Tensor) -> None: ...
    def read(self, behind: int) -> Tensor: ...
    def store(self) -> None: ...
    def load(self) -> None: ...
    def clear(self) -> None: ...
    def held(self) -> Tensor: ...
    def fill(self, frames: Tensor) -> None: ...


class _Near:
    """A ring on the device."""

    aside = 0

    def __init__(
        self, part: Part, size: tuple[int, int], clock: Clock, type: torch.dtype, device: torch.device
    ) -> None:
        self.part = part
        self._clock = clock
        self._memory = torch.zeros(_shape(part, size, part.frames + clock.count), dtype=type, device=device)
        self.near = self._memory.nbytes

    def write(self, x: Tensor) -> None:
        order = self._clock.order(self.part.frames)
        self._memory.index_copy_(0, order[self.part.frames :], _kept(x, self._memory.dtype))

    def read(self, behind: int) -> Tensor:
        begin = self.part.frames - behind
        order = self._clock.order(self.part.frames)[begin : begin + self._clock.count]
        return _map(self._memory.index_select(0, order))

    def store(self) -> None:
        """Nothing: what was written is there."""

    def load(self) -> None:
        """Nothing: what will be read is there."""

    def clear(self) -> None:
        self._memory.zero_()

    def held(self) -> Tensor:
        return self._memory[self._clock.held(self.part.frames)]

    def fill(self, frames: Tensor) -> None:
        self._memory.index_copy_(0, self._clock.held(self.part.frames), frames.to(self._memory.device))


class _Aside:
    """A delay line in the host's memory; on the device are only the frames that the next step reads or writes."""

    def __init__(
        self, part: Part, size: tuple[int, int], clock: Clock, type: torch.dtype, device: torch.device
    ) -> None:
        self.part = part
        self._clock = clock
        shape = _shape(part, size, part.frames + clock.count)
        self._memory = torch.zeros(shape, dtype=type, pin_memory=device.type == "cuda")
        few = (clock.count, *shape[1:])
        self._new = torch.zeros(few, dtype=type, device=device)
        self._read = {behind: torch.zeros(few, dtype=type, device=device) for behind in part.reads}
        self.near = self._new.nbytes * (1 + len(self._read))
        self.aside = self._memory.nbytes

    def write(self, x: Tensor) -> None:
        self._new.copy_(_kept(x, self._new.dtype))

    def read(self, behind: int) -> Tensor:
        return _map(self._read[behind])

    def store(self) -> None:
        for place, frame in zip(self._places(0), self._new, strict=True):
            self._memory[place].copy_(frame, non_blocking=True)

    def load(self) -> None:
        for behind, into in self._read.items():
            for place, frame in zip(self._places(behind), into, strict=True):
                frame.copy_(self._memory[place], non_blocking=True)

    def clear(self) -> None:
        self._settle()
        for tensor in (self._memory, self._new, *self._read.values()):
            tensor.zero_()

    def held(self) -> Tensor:
        self._settle()
        return self._memory[self._clock.places(self.part.frames, self.part.frames, self.part.frames)]

    def fill(self, frames: Tensor) -> None:
        self._settle()
        self._memory[self._clock.places(self.part.frames, self.part.frames, self.part.frames)] = frames.cpu()
        self.load()

    def _places(self, behind: int) -> list[int]:
        return self._clock.places(self.part.frames, behind, self._clock.count)

    def _settle(self) -> None:
        """Waits for copies that are under way."""
        if self._new.is_cuda:
            torch.cuda.synchronize(self._new.device)


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
        memory.write(x)
        self._delay += 1
        begin = len(self._links) - self._count - self._delay
        gate = self._links[begin : begin + self._count + 1].view(-1, 1, 1, 1).to(x.dtype)
        oldest, middle = (memory.read(behind).to(x.dtype) for behind in (2, 1))
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

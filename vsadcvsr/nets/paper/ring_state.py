"""Step form with its state in ring buffers of fixed memory, which a step reads and writes at moving positions.

`StepContext` concatenates each part of the state with the new frames and returns the end of that; for the delay lines
of large frames this moves gigabytes per step. Here each part is a ring buffer of as many frames as it holds plus those
of a step. Indices are read from a table on the device, so that CUDA graphs follow them too.

A step touches one to three frames of each part. So parts may be offloaded to host memory: these few frames are copied
to staging buffers before the step and back after it. Streams that take turns share the staging buffers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from vsadcvsr.nets.paper.config import UNSHUFFLED, PaperDims, StatePart
from vsadcvsr.nets.temporal import TemporalBlock, TemporalConv
from vsadcvsr.spec import Offload

type Layer = Callable[[Tensor], Tensor]
type Staging = dict[int, Tensor]
"""By part: (frames, h, w, C) on the device."""

_CONV_READS = (2, 1)  # a convolution along time sees the frame before and the one after


class StateRings:
    """The state of one stream of (height, width) frames with `count` frames per step, initially empty.

    Feature maps are stored in `type`, input pixels and links in fp32. What `offload` names is in host memory as far as
    steps of `count` frames allow it. A step may be repeated before `advance` only if `retryable`, which takes one more
    frame per part. Raises RuntimeError if memory is short.
    """

    def __init__(
        self,
        dims: PaperDims,
        size: tuple[int, int],
        count: int,
        type: torch.dtype,
        device: torch.device,
        *,
        offload: Offload = "none",
        retryable: bool = False,
        staging: Staging | None = None,
    ) -> None:
        link_part, *parts = dims.state
        self.count = count
        ring_shapes = [RingShape(part.frames, _ring_capacity(part, count, retryable=retryable)) for part in parts]
        self._link_shape = RingShape(link_part.frames, link_part.frames + count)
        self.index = RingIndex([self._link_shape, *ring_shapes], count, device)
        self._links = torch.zeros(self._link_shape.capacity, device=device)
        self._rings: list[_Ring] = []
        staging = {} if staging is None else staging
        for number, (part, ring_shape) in enumerate(zip(parts, ring_shapes, strict=True)):
            dtype = torch.float32 if part.channels == UNSHUFFLED and part.reads else type
            if _is_offloaded(part, count, offload):
                self._rings.append(HostRing(number, part, ring_shape, size, self.index, dtype, device, staging))
            else:
                self._rings.append(DeviceRing(part, ring_shape, size, self.index, dtype, device))

    def context(self, links: Tensor) -> RingContext:
        """The context of a pass over the next `count` frames with links (count,)."""
        indices = self.index.indices(self._link_shape)
        self._links.index_copy_(0, indices[self._link_shape.frames :], links)
        return RingContext(self._links.index_select(0, indices), self._rings, self.count)

    def load(self) -> None:
        """Copies what the next pass reads to the staging buffers."""
        for ring in self._rings:
            ring.load()

    def advance(self) -> None:
        """Commits the last pass."""
        for ring in self._rings:
            ring.store()
        self.index.advance()

    def clear(self) -> None:
        """Resets the state."""
        self._links.zero_()
        for ring in self._rings:
            ring.clear()

    def copy_state_from(self, other: StateRings) -> None:
        """Takes over the state of a stream of the same frames, but another `count`."""
        self._links.index_copy_(
            0, self.index.held_indices(self._link_shape), other._links[other.index.held_indices(other._link_shape)]
        )
        for ring, source in zip(self._rings, other._rings, strict=True):
            ring.fill(source.held_frames())

    @property
    def nbytes(self) -> tuple[int, int]:
        """Bytes on the device, without staging, and on the host."""
        on_device = self._links.nbytes + sum(ring.device_bytes for ring in self._rings)
        return on_device, sum(ring.host_bytes for ring in self._rings)


class RingShape(NamedTuple):
    """Frames that a ring buffer holds between steps, and its capacity."""

    frames: int
    capacity: int


class RingIndex:
    """Positions of each ring buffer: indices of held and of new frames, oldest first."""

    def __init__(self, shapes: Iterable[RingShape], count: int, device: torch.device) -> None:
        self.count = count
        self.position = 0
        """The number of the first new frame."""
        distinct = sorted(set(shapes))
        ages = [torch.arange(-shape.frames, count) for shape in distinct]
        moduli = [torch.full_like(age, shape.capacity) for age, shape in zip(ages, distinct, strict=True)]
        self._ages, self._moduli = torch.cat(ages).to(device), torch.cat(moduli).to(device)
        self._table = torch.remainder(self._ages, self._moduli)
        indices = torch.split(self._table, [len(age) for age in ages])
        self._indices: dict[RingShape, Tensor] = dict(zip(distinct, indices, strict=True))

    def indices(self, shape: RingShape) -> Tensor:
        """(held + count,): the last `count` are for new frames. Updated in place."""
        return self._indices[shape]

    def held_indices(self, shape: RingShape) -> Tensor:
        """(held,): indices of the held frames, oldest first."""
        return self._indices[shape][: shape.frames]

    def host_indices(self, shape: RingShape, behind: int, frames: int) -> list[int]:
        """Indices of `frames` frames that begin so far behind the new ones, computed on the host."""
        return [(self.position - behind + index) % shape.capacity for index in range(frames)]

    def advance(self) -> None:
        self.position += self.count
        torch.remainder(self._ages + self.position, self._moduli, out=self._table)


class _Ring(Protocol):
    """Ring buffer of one part. Feature maps are (T, C, h, w) with channels last in memory."""

    device_bytes: int
    host_bytes: int

    def write(self, x: Tensor) -> None: ...
    def read(self, behind: int) -> Tensor: ...
    def load(self) -> None: ...
    def store(self) -> None: ...
    def clear(self) -> None: ...
    def held_frames(self) -> Tensor: ...
    def fill(self, frames: Tensor) -> None: ...


class DeviceRing:
    """A ring buffer on the device."""

    host_bytes = 0

    def __init__(
        self,
        part: StatePart,
        shape: RingShape,
        size: tuple[int, int],
        index: RingIndex,
        type: torch.dtype,
        device: torch.device,
    ) -> None:
        self._shape = shape
        self._index = index
        self._memory = torch.zeros(_memory_shape(part, size, shape.capacity), dtype=type, device=device)
        self.device_bytes = self._memory.nbytes

    def write(self, x: Tensor) -> None:
        indices = self._index.indices(self._shape)[self._shape.frames :]
        self._memory.index_copy_(0, indices, _to_nhwc(x, self._memory.dtype))

    def read(self, behind: int) -> Tensor:
        start = self._shape.frames - behind
        indices = self._index.indices(self._shape)[start : start + self._index.count]
        return _to_nchw(self._memory.index_select(0, indices))

    def load(self) -> None:
        """No-op: the memory is read in place."""

    def store(self) -> None:
        """No-op: the memory is written in place."""

    def clear(self) -> None:
        self._memory.zero_()

    def held_frames(self) -> Tensor:
        return self._memory[self._index.held_indices(self._shape)]

    def fill(self, frames: Tensor) -> None:
        self._memory.index_copy_(0, self._index.held_indices(self._shape), frames.to(self._memory.device))


class HostRing:
    """A ring buffer in host memory, with staging buffers for the frames that a step reads and writes."""

    device_bytes = 0

    def __init__(
        self, number: int, part: StatePart, shape: RingShape, size: tuple[int, int], index: RingIndex,
        type: torch.dtype, device: torch.device, staging: Staging,
    ) -> None:  # fmt: skip
        self._shape = shape
        self._index = index
        memory_shape = _memory_shape(part, size, shape.capacity)
        self._memory = torch.zeros(memory_shape, dtype=type, pin_memory=device.type == "cuda")
        self._reads = part.reads or _CONV_READS
        frames = (len(self._reads) + 1) * index.count
        if number not in staging:
            staging[number] = torch.zeros((frames, *memory_shape[1:]), dtype=type, device=device)
        *read, self._new = torch.split(staging[number], index.count)
        self._read: dict[int, Tensor] = dict(zip(self._reads, read, strict=True))
        self.host_bytes = self._memory.nbytes

    def write(self, x: Tensor) -> None:
        self._new.copy_(_to_nhwc(x, self._new.dtype))

    def read(self, behind: int) -> Tensor:
        return _to_nchw(self._read[behind])

    def load(self) -> None:
        for behind, staged in self._read.items():
            for index, frame in zip(self._host_indices(behind), staged, strict=True):
                frame.copy_(self._memory[index], non_blocking=True)

    def store(self) -> None:
        for index, frame in zip(self._host_indices(0), self._new, strict=True):
            self._memory[index].copy_(frame, non_blocking=True)

    def clear(self) -> None:
        self._synchronize()
        self._memory.zero_()

    def held_frames(self) -> Tensor:
        self._synchronize()
        return self._memory[self._index.host_indices(self._shape, self._shape.frames, self._shape.frames)]

    def fill(self, frames: Tensor) -> None:
        self._synchronize()
        self._memory[self._index.host_indices(self._shape, self._shape.frames, self._shape.frames)] = frames.cpu()

    def _host_indices(self, behind: int) -> list[int]:
        return self._index.host_indices(self._shape, behind, self._index.count)

    def _synchronize(self) -> None:
        """Waits for pending copies."""
        if self._new.is_cuda:
            torch.cuda.synchronize(self._new.device)


def _ring_capacity(part: StatePart, count: int, *, retryable: bool) -> int:
    """Capacity of a ring buffer. A temporal convolution reads before it writes if a step has one frame, so that the new
    frame may replace the oldest, unless the step must be repeatable.
    """
    return part.frames + (0 if count == 1 and not part.reads and not retryable else count)


def _is_offloaded(part: StatePart, count: int, offload: Offload) -> bool:
    """Whether a part is in host memory: it must not be read for frames of the same step."""
    return offload != "none" and min(part.reads or _CONV_READS) >= count and (bool(part.reads) or offload == "all")


class _RingSkip(NamedTuple):
    ring: _Ring
    new: Tensor
    delay: int
    layer: Layer | None

    def delayed(self, behind: int) -> Tensor:
        """The frames `behind` the new ones, through the layer."""
        frames = self.ring.read(behind).to(self.new.dtype) if behind else self.new
        return self.layer(frames) if self.layer else frames


class RingContext:
    """The step form for one pass over ring buffers; `links` (lead + T,) are those before the T new frames, and theirs.
    """

    def __init__(self, links: Tensor, rings: list[_Ring], count: int) -> None:
        self._links = links
        self._rings = iter(rings)
        self._count = count
        self._delay = 0
        self._skips: list[_RingSkip] = []

    def apply(self, block: TemporalBlock, x: Tensor) -> Tensor:
        y, skip = self._convolve(block.first, x)
        y, _ = self._convolve(block.second, torch.relu(y))
        return skip + y

    def push_skip(self, x: Tensor, layer: Layer | None = None) -> Tensor:
        ring = next(self._rings)
        ring.write(x)
        self._skips.append(_RingSkip(ring, x, self._delay, layer))
        return layer(x) if layer else x

    def push_skip_again(self, layer: Layer) -> Tensor:
        self._skips.append(self._skips[-1]._replace(layer=layer))
        return self._skips[-1].delayed(0)

    def pop_skip(self) -> Tensor:
        skip = self._skips.pop()
        return skip.delayed(self._delay - skip.delay)

    def _convolve(self, conv: TemporalConv, x: Tensor) -> tuple[Tensor, Tensor]:
        """Output of a temporal convolution, one frame late; and its input, two frames late."""
        ring = next(self._rings)
        self._delay += 1
        start = len(self._links) - self._count - self._delay
        gate = self._links[start : start + self._count + 1].view(-1, 1, 1, 1).to(x.dtype)
        if self._count > 1:  # the pass also reads the new frames
            ring.write(x)
        oldest, middle = (ring.read(behind).to(x.dtype) for behind in _CONV_READS)
        if self._count == 1:  # the new frame may take the place of the oldest
            ring.write(x)
        output: Tensor = conv.taps(torch.cat([oldest * gate[:-1], middle, x * gate[1:]], 1))
        return output, oldest


def _memory_shape(part: StatePart, size: tuple[int, int], frames: int) -> tuple[int, ...]:
    _, channels, height, width = part.shape(*size)
    return frames, height, width, channels


def _to_nchw(frames: Tensor) -> Tensor:
    """(T, h, w, C) as (T, C, h, w), without a copy."""
    return frames.permute(0, 3, 1, 2)


def _to_nhwc(x: Tensor, type: torch.dtype) -> Tensor:
    """(T, C, h, w) as (T, h, w, C) in the type of a ring buffer, clamped to its range: infinity would persist in the
    state.
    """
    if x.dtype != type:
        limit = torch.finfo(type).max
        x = x.clamp(-limit, limit).to(type)
    return x.permute(0, 2, 3, 1)

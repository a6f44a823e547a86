"""Step forms in place, in any precision: what a backend runs, again and again, in the same memory.

`run` makes pictures of the next frames, and `advance` makes that count. Until then it may be run again, for instance in
fp32 where fp16 was too narrow.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor, nn

from vsadcvsr.nets.paper.memory import needs
from vsadcvsr.nets.paper.model import PaperStudent
from vsadcvsr.nets.paper.ring_state import Desk, Rings
from vsadcvsr.nets.paper.temporal_context import Clip
from vsadcvsr.nets.weights_file import Student
from vsadcvsr.spec import Aside, Needs

type Made = tuple[Tensor, ...]
"""The pictures of a step: whole, or their base and detail."""


class Running(Protocol):
    """A stream of frames of one size, `count` at a time. A step is `load`, `run`, `advance`."""

    count: int

    def run(self, frames: Tensor, links: Tensor, *, exact: bool = False) -> Made:
        """What comes out as frames (T, 3, H, W) with links (T,) go in; `exact` takes the step in fp32."""

    def load(self) -> None:
        """Makes ready for the next run; to be called before it."""

    def advance(self) -> None:
        """Makes the last run count."""

    def clear(self) -> None:
        """Forgets all that was seen."""

    def take_over(self, other: Running) -> None:
        """Takes over what a stream of the same network and size, but another `count`, has seen."""


def prepared(net: Student, type: torch.dtype, device: torch.device) -> Student:
    """The network on a device, with channels last in memory, in the precision that it is to be run in.

    The paper's is brought to `type` itself, but for the layers that see the frame and make the picture: what a rounded
    input or output costs cannot be made good. The compact ones stay in fp32, and their convolutions are narrowed.
    """
    if isinstance(net, PaperStudent) and type != torch.float32:
        net.unet.set_submodule("stem", _Fine(net.unet.stem, type))
        net.decoder.set_submodule("head", _Fine(net.decoder.head, torch.float32))
        for module in net.modules():
            if not isinstance(module, _Fine):
                _narrow(module, type)
    return net.to(device).to(memory_format=torch.channels_last)


@dataclass(frozen=True, kw_only=True)
class Keeping:
    """How a stream's state is kept: what of it in the host's memory, on a desk that streams of one size share; whether
    runs may be taken `again`; whether it must be `fixed` in one place, for recorded steps.
    """

    aside: Aside = "none"
    again: bool = False
    fixed: bool = False
    desk: Desk = field(default_factory=dict)


def running(net: Student, size: tuple[int, int], count: int, type: torch.dtype, keeping: Keeping) -> Running:
    """A stream of (height, width) frames through a prepared network. Raises RuntimeError where memory lacks."""
    if isinstance(net, PaperStudent):
        return _Ringed(net, size, count, type, keeping)
    return _Handed(net, size, count, type, fixed=keeping.fixed)


def needs_of(net: Student, size: tuple[int, int], type: torch.dtype) -> Needs | None:
    """What a prepared network takes for frames of (height, width), one a step; None where that is little."""
    if not isinstance(net, PaperStudent):
        return None
    weights = sum(parameter.nbytes for parameter in net.parameters())
    return needs(net.dims, size, value=type.itemsize, weights=weights, again=type == torch.float16)


class _Ringed:
    """The paper's student on rings."""

    def __init__(
        self, net: PaperStudent, size: tuple[int, int], count: int, type: torch.dtype, keeping: Keeping
    ) -> None:
        self.count = count
        self._net = net
        self.rings: Rings | None = None
        if net.dims.temporal:
            device = next(net.parameters()).device
            self.rings = Rings(
                net.dims, size, count, type, device, aside=keeping.aside, again=keeping.again, desk=keeping.desk
            )

    def load(self) -> None:
        if self.rings is not None:
            self.rings.load()

    def run(self, frames: Tensor, links: Tensor, *, exact: bool = False) -> Made:
        time = Clip(links) if self.rings is None else self.rings.begin(links)
        with in_fp32(self._net) if exact else nullcontext():
            return (self._net.pictures(self._net.features_in(time, frames)),)

    def advance(self) -> None:
        if self.rings is not None:
            self.rings.advance()

    def clear(self) -> None:
        if self.rings is not None:
            self.rings.clear()

    def take_over(self, other: Running) -> None:
        assert isinstance(other, _Ringed)
        if self.rings is not None and other.rings is not None:
            self.rings.take_over(other.rings)


class _Handed:
    """A student whose state is handed on from step to step, as the compact ones' small state is."""

    def __init__(self, net: Student, size: tuple[int, int], count: int, type: torch.dtype, *, fixed: bool) -> None:
        self.count = count
        self._net = net
        self._device = next(net.parameters()).device.type
        self._type = type
        self._fixed = fixed
        self._state = self._following = net.fresh_state(*size)
        if fixed:
            self._following = net.fresh_state(*size)

    def load(self) -> None:
        """Nothing: the state is where it is read."""

    def run(self, frames: Tensor, links: Tensor, *, exact: bool = False) -> Made:
        narrow = self._type != torch.float32 and not exact
        with torch.autocast(self._device, self._type, enabled=narrow):
            made, following = self._net.step(frames, links, self._state)
        if self._fixed:
            for kept, new in zip(self._following, following, strict=True):
                kept.copy_(new)
        else:
            self._following = following
        return made if isinstance(made, tuple) else (made,)

    def advance(self) -> None:
        if not self._fixed:
            self._state = self._following
            return
        for kept, new in zip(self._state, self._following, strict=True):
            kept.copy_(new)

    def clear(self) -> None:
        for part in self._state:
            part.zero_()

    def take_over(self, other: Running) -> None:
        assert isinstance(other, _Handed)
        for kept, seen in zip(self._state, other._state, strict=True):
            kept.copy_(seen)


class _Fine(nn.Module):
    """A layer that counts in fp32 whatever it is given, and gives the type `gives`."""

    def __init__(self, layer: nn.Module, gives: torch.dtype) -> None:
        super().__init__()
        self.layer = layer
        self.gives = gives

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.layer(x.float())
        return made.to(self.gives)


def _narrow(module: nn.Module, type: torch.dtype) -> None:
    """Brings the layers right below to `type`, but for those in a `_Fine`."""
    for child in module.children():
        if not isinstance(child, _Fine) and not list(child.children()):
            child.to(type)


@contextmanager
def in_fp32(net: nn.Module) -> Iterator[None]:
    """Within, every layer counts in fp32. Weights are widened one layer at a time, so this takes hardly any memory."""
    narrow: dict[nn.Module, dict[str, nn.Parameter | None]] = {}

    def widen(module: nn.Module, _: object) -> None:
        narrow[module] = dict(module._parameters)
        wide = {name: nn.Parameter(part.float(), False) for name, part in narrow[module].items() if part is not None}
        module._parameters.update(wide)

    def restore(module: nn.Module, *_: object) -> None:
        module._parameters.update(narrow.pop(module))

    layers = [module for module in net.modules() if module._parameters]
    fine = [module for module in net.modules() if isinstance(module, _Fine)]
    gave = [module.gives for module in fine]
    hooks = [layer.register_forward_pre_hook(widen) for layer in layers]
    hooks += [layer.register_forward_hook(restore) for layer in layers]
    try:
        for module in fine:
            module.gives = torch.float32
        yield
    finally:
        for module, gives in zip(fine, gave, strict=True):
            module.gives = gives
        for hook in hooks:
            hook.remove()
        for layer in list(narrow):
            restore(layer)

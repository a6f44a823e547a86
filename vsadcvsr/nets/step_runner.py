"""Streaming step with preallocated state, in fp32, bf16 or fp16.

`run` computes the output of the next frames, and `advance` commits it. Until then it may be run again, for instance in
fp32 after an fp16 overflow.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor, nn

from vsadcvsr.nets.image_networks import ImageNetwork
from vsadcvsr.nets.paper.memory import memory_needs
from vsadcvsr.nets.paper.model import PaperStudent
from vsadcvsr.nets.paper.ring_state import Staging, StateRings
from vsadcvsr.nets.paper.temporal_context import ClipContext
from vsadcvsr.nets.weights_file import Student
from vsadcvsr.spec import MemoryNeeds, Offload

type StepOutput = tuple[Tensor, ...]
"""Output of a step: RGB, or base and detail."""


type Network = Student | ImageNetwork


class StepRunner(Protocol):
    """A stream of frames of one size, `count` at a time. A step is `load`, `run`, `advance`."""

    count: int

    def run(self, frames: Tensor, links: Tensor, *, fp32: bool = False) -> StepOutput:
        """The output for frames (T, 3, H, W) with links (T,); `fp32` computes the step in fp32."""

    def load(self) -> None:
        """Prepares the next run; to be called before it."""

    def advance(self) -> None:
        """Commits the last run."""

    def clear(self) -> None:
        """Resets the state."""

    def copy_state_from(self, other: StepRunner) -> None:
        """Takes over the state of a stream of the same network and size, but another `count`."""


def prepare[N: Network](net: N, type: torch.dtype, device: torch.device) -> N:
    """The network on a device, channels last in memory, in the precision that it runs in.

    The paper's network is converted to `type`, except for the first and last layers, whose rounding cannot be made
    good. The compact ones stay in fp32, and their convolutions run under autocast.
    """
    if isinstance(net, PaperStudent) and type != torch.float32:
        net.unet.set_submodule("stem", _Fp32Layer(net.unet.stem, type))
        net.decoder.set_submodule("head", _Fp32Layer(net.decoder.head, torch.float32))
        for module in net.modules():
            if not isinstance(module, _Fp32Layer):
                _cast_layers(module, type)
    net.to(device).to(memory_format=torch.channels_last)  # in place
    return net


@dataclass(frozen=True, kw_only=True)
class StateOptions:
    """Storage of a stream's state."""

    offload: Offload = "none"
    """What is offloaded to the host."""
    retryable: bool = False
    """Runs may be repeated before `advance`."""
    fixed_memory: bool = False
    """The state stays at fixed addresses, for CUDA graphs."""
    staging: Staging = field(default_factory=dict)
    """Staging buffers, shared by streams of one size."""


def step_runner(
    net: Network, size: tuple[int, int], count: int, type: torch.dtype, options: StateOptions
) -> StepRunner:
    """A stream of (height, width) frames through a prepared network. Raises RuntimeError if memory is short."""
    if isinstance(net, PaperStudent):
        return _RingStateRunner(net, size, count, type, options)
    return _CarriedStateRunner(net, size, count, type, fixed_memory=options.fixed_memory)


def network_memory(net: Network, size: tuple[int, int], type: torch.dtype) -> MemoryNeeds | None:
    """Memory of a prepared network for frames of (height, width), one per step; None if it is negligible."""
    if not isinstance(net, PaperStudent):
        return None
    weights = sum(parameter.nbytes for parameter in net.parameters())
    return memory_needs(net.dims, size, item_size=type.itemsize, weights=weights, retryable=type == torch.float16)


class _RingStateRunner:
    """The paper's network with ring buffers."""

    def __init__(
        self, net: PaperStudent, size: tuple[int, int], count: int, type: torch.dtype, options: StateOptions
    ) -> None:
        self.count = count
        self._net = net
        self.rings: StateRings | None = None
        if net.dims.temporal:
            device = next(net.parameters()).device
            self.rings = StateRings(
                net.dims,
                size,
                count,
                type,
                device,
                offload=options.offload,
                retryable=options.retryable,
                staging=options.staging,
            )

    def load(self) -> None:
        if self.rings is not None:
            self.rings.load()

    def run(self, frames: Tensor, links: Tensor, *, fp32: bool = False) -> StepOutput:
        context = ClipContext(links) if self.rings is None else self.rings.context(links)
        with in_fp32(self._net) if fp32 else nullcontext():
            return (self._net.reconstruct(self._net.features_with(context, frames)),)

    def advance(self) -> None:
        if self.rings is not None:
            self.rings.advance()

    def clear(self) -> None:
        if self.rings is not None:
            self.rings.clear()

    def copy_state_from(self, other: StepRunner) -> None:
        assert isinstance(other, _RingStateRunner)
        if self.rings is not None and other.rings is not None:
            self.rings.copy_state_from(other.rings)


class _CarriedStateRunner:
    """A network whose state is passed from step to step, as the small state of the compact ones."""

    def __init__(
        self, net: Network, size: tuple[int, int], count: int, type: torch.dtype, *, fixed_memory: bool
    ) -> None:
        self.count = count
        self._net = net
        self._device = next(net.parameters()).device.type
        self._type = type
        self._fixed_memory = fixed_memory
        self._state = self._next_state = net.initial_state(*size)
        if fixed_memory:
            self._next_state = net.initial_state(*size)

    def load(self) -> None:
        """No-op: the state is where it is read."""

    def run(self, frames: Tensor, links: Tensor, *, fp32: bool = False) -> StepOutput:
        narrow = self._type != torch.float32 and not fp32
        with torch.autocast(self._device, self._type, enabled=narrow):
            output, next_state = self._net.step(frames, links, self._state)
        if self._fixed_memory:
            for target, source in zip(self._next_state, next_state, strict=True):
                target.copy_(source)
        else:
            self._next_state = next_state
        return output if isinstance(output, tuple) else (output,)

    def advance(self) -> None:
        if not self._fixed_memory:
            self._state = self._next_state
            return
        for target, source in zip(self._state, self._next_state, strict=True):
            target.copy_(source)

    def clear(self) -> None:
        for part in self._state:
            part.zero_()

    def copy_state_from(self, other: StepRunner) -> None:
        assert isinstance(other, _CarriedStateRunner)
        for target, source in zip(self._state, other._state, strict=True):
            target.copy_(source)


class _Fp32Layer(nn.Module):
    """A layer that computes in fp32 whatever its input type, and returns `output_type`."""

    def __init__(self, layer: nn.Module, output_type: torch.dtype) -> None:
        super().__init__()
        self.layer = layer
        self.output_type = output_type

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.layer(x.float())
        return output.to(self.output_type)


def _cast_layers(module: nn.Module, type: torch.dtype) -> None:
    """Casts the direct child layers to `type`, except for each `_Fp32Layer`."""
    for child in module.children():
        if not isinstance(child, _Fp32Layer) and not list(child.children()):
            child.to(type)


@contextmanager
def in_fp32(net: nn.Module) -> Iterator[None]:
    """Computes every layer in fp32 within the context. Weights are widened one layer at a time, which takes hardly any
    memory.
    """
    originals: dict[nn.Module, dict[str, nn.Parameter | None]] = {}

    def widen(module: nn.Module, _: object) -> None:
        originals[module] = dict(module._parameters)
        wide = {name: nn.Parameter(part.float(), False) for name, part in originals[module].items() if part is not None}
        module._parameters.update(wide)

    def restore(module: nn.Module, *_: object) -> None:
        module._parameters.update(originals.pop(module))

    layers = [module for module in net.modules() if module._parameters]
    fp32_layers = [module for module in net.modules() if isinstance(module, _Fp32Layer)]
    output_types = [module.output_type for module in fp32_layers]
    hooks = [layer.register_forward_pre_hook(widen) for layer in layers]
    hooks += [layer.register_forward_hook(restore) for layer in layers]
    try:
        for module in fp32_layers:
            module.output_type = torch.float32
        yield
    finally:
        for module, output_type in zip(fp32_layers, output_types, strict=True):
            module.output_type = output_type
        for hook in hooks:
            hook.remove()
        for layer in list(originals):
            restore(layer)

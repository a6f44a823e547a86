"""Dimensions of the paper's network, and what follows from them: its facts and the layout of its state."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from vsadcvsr.errors import UsageError
from vsadcvsr.nets.temporal import TemporalBlock
from vsadcvsr.spec import ModelSpec

UNSHUFFLED = 12
"""Channels of the input: 2x2 RGB pixels for each place of the grid."""

_DECODER_STAGES = 4
"""Between them the grid doubles three times, from half the input's size to four times it."""


class StatePart(NamedTuple):
    """One tensor of the step form's state: the last `frames` links if `channels` is 0, else frames of a feature map at
    1/`divisor` of the input's size. New frames enter at its end, old ones leave at its front.

    `reads` says how many frames behind the newest a delay line is read; () for other parts.
    """

    frames: int
    channels: int
    divisor: int = 1
    reads: tuple[int, ...] = ()

    def shape(self, height: int, width: int) -> tuple[int, ...]:
        """The shape in a stream of (height, width) frames."""
        map_shape = (self.channels, height // self.divisor, width // self.divisor)
        return (self.frames, *map_shape) if self.channels else (self.frames,)


@dataclass(frozen=True, kw_only=True)
class PaperDims:
    """Dimensions of a network of the paper's shape; the defaults are the paper's."""

    name: str = "paper"
    widths: tuple[int, ...] = (240, 480, 960, 960)
    """Widths of the UNet, from the finest resolution to the coarsest, which alone has no transformers."""
    layers: int = 2
    head_dim: int = 48
    decoder: tuple[int, ...] = (256, 256, 128, 64)
    """Widths of the half decoder in forward order."""
    decoder_layers: int = 3
    groups: tuple[int, ...] = (32, 24, 16, 12, 8, 6, 4, 2, 1)
    """Group counts; a normalisation uses the first that divides its channels."""
    temporal: bool = True
    """Without temporal blocks it is the image network AdcSR, which needs no state."""

    def __post_init__(self) -> None:
        if len(self.widths) < 2 or min(self.widths) < 1:
            raise UsageError.of("widths", self.widths, "two or more widths of the UNet, above 0")
        if self.head_dim < 1 or any(width % self.head_dim for width in self.widths[:-1]):
            raise UsageError.of("head_dim", self.head_dim, f"a divisor of the widths {self.widths[:-1]}")
        if len(self.decoder) != _DECODER_STAGES or min(self.decoder) < 1:
            raise UsageError.of("decoder", self.decoder, f"{_DECODER_STAGES} widths above 0")
        if min(self.layers, self.decoder_layers) < 1:
            raise UsageError.of("layers", (self.layers, self.decoder_layers), "1 or more")
        if not self.groups or self.groups[-1] != 1:
            raise UsageError.of("groups", self.groups, "falling counts that end with 1")

    @property
    def spec(self) -> ModelSpec:
        """The facts of a network of these dimensions."""
        return ModelSpec(
            name=self.name,
            lookahead=self.state[0].frames if self.temporal else 0,
            multiple=2 * self.divisors[-1] // self.divisors[0],
            reach=None,  # attention is global
            color_fix="frame",  # as AdcSR does
            precisions=("fp32", "bf16", "fp16"),
        )

    @property
    def divisors(self) -> tuple[int, ...]:
        """For each of the UNet's widths, by how much its grid is smaller than the input."""
        return tuple(2 << level for level in range(len(self.widths)))

    def groups_of(self, channels: int) -> int:
        """The number of groups that `channels` are normalised in."""
        return next(count for count in self.groups if channels % count == 0)

    @cached_property
    def state(self) -> tuple[StatePart, ...]:
        """The state of the step form, in the order that it is read; () if there is none."""
        return _StatePlanner(self).plan() if self.temporal else ()



class _StatePlanner:
    """Follows a frame through the UNet: at which delay each skip is pushed and popped."""

    def __init__(self, dims: PaperDims) -> None:
        self.dims = dims
        self.delay = 0
        self._parts: list[StatePart] = []
        self._skips: list[tuple[int, int]] = []  # of each skip: the index of its part, the delay when it was put aside

    def plan(self) -> tuple[StatePart, ...]:
        grids = list(zip(self.dims.widths, self.dims.divisors, strict=True))
        deepest = grids[-1]
        self._push_skip(UNSHUFFLED, deepest[1] >> (len(grids) - 1))
        for grid in grids:
            for _ in range(self.dims.layers):
                self._layer(*grid, transformer=grid is not deepest)
                self._push_skip(*grid)
            if grid is not deepest:
                self._skips.append(self._skips[-1])  # made smaller again from the same line
        self._layer(*deepest, transformer=True)
        self._layer(*deepest, transformer=False)
        for grid in reversed(grids):
            for _ in range(self.dims.layers + 1):
                self._pop_skip()
                self._layer(*grid, transformer=grid is not deepest)
        return (StatePart(self.delay, 0), *self._parts)

    def _layer(self, channels: int, divisor: int, *, transformer: bool) -> None:
        for _ in range(1 + transformer):
            self._parts += [StatePart(2, channels, divisor)] * 2  # what each of a block's two convolutions has seen
            self.delay += TemporalBlock.delay

    def _push_skip(self, channels: int, divisor: int) -> None:
        self._skips.append((len(self._parts), self.delay))
        self._parts.append(StatePart(0, channels, divisor))

    def _pop_skip(self) -> None:
        index, since = self._skips.pop()
        part = self._parts[index]
        behind = self.delay - since
        self._parts[index] = part._replace(frames=max(part.frames, behind), reads=(*part.reads, behind))


PAPER = PaperDims()
"""AdcVSR as the paper has it: 572,935,443 parameters."""

IMAGE = PaperDims(name="adcsr", temporal=False)
"""AdcSR, its image network: 456,073,683 parameters."""

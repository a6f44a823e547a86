"""What an ONNX file of our export says of itself; for every backend that runs such files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vsadcvsr.errors import WeightsError
from vsadcvsr.output import Parts, Picture
from vsadcvsr.spec import SCALE, Array, ModelSpec

KEY = "adcvsr"
"""The metadata entry that holds it, as JSON."""

FORMAT = 2
_PICTURES = (("upscaled",), ("base", "detail"))
"""The outputs that a picture may be: whole, or in parts."""


@dataclass(frozen=True)
class Slot:
    """One state tensor: (frames,) where `channels` is 0, else (frames, channels, H / divisor, W / divisor).

    A step reads it as `state_i` and writes what it takes in as `fresh_i`.
    """

    frames: int
    channels: int
    divisor: int = 1

    def shape(self, count: int, height: int, width: int) -> tuple[int, ...]:
        """The shape of `count` frames of it in a stream of (height, width) frames."""
        return (count, *((self.channels, height // self.divisor, width // self.divisor) if self.channels else ()))


@dataclass(frozen=True)
class Facts:
    """The model, its state, and the names of the outputs that make a picture."""

    spec: ModelSpec
    state: tuple[Slot, ...]
    pictures: tuple[str, ...]

    @property
    def inputs(self) -> list[str]:
        return ["frames", "links", *(f"state_{index}" for index in range(len(self.state)))]

    @property
    def outputs(self) -> list[str]:
        return [*self.pictures, *(f"fresh_{index}" for index in range(len(self.state)))]

    def shapes(self, count: int, height: int, width: int) -> list[tuple[int, ...]]:
        """The shapes of `pictures` for `count` frames of (height, width)."""
        large = (height * SCALE, width * SCALE)
        return [(count, 3, *large)] if len(self.pictures) == 1 else [(count, 3, height, width), (count, *large)]


def read_facts(path: Path, noted: str | None, inputs: Sequence[str], outputs: Sequence[str]) -> Facts:
    """The facts in a metadata entry, checked against the names of the graph's ends. Raises WeightsError."""
    try:
        held = json.loads(noted or "")
        if held["format"] != FORMAT:
            raise WeightsError(f"{path} has format {held['format']!r}, allowed: {FORMAT}; export the weights again")
        facts = Facts(
            spec=ModelSpec(
                name=str(held["name"]),
                lookahead=held["lookahead"],
                multiple=held["multiple"],
                reach=held["reach"],
                parts=len(held["pictures"]) > 1,
                color_fix=held["color_fix"],
                precisions=tuple(held["precisions"]),
            ),
            state=tuple(Slot(**slot) for slot in held["state"]),
            pictures=tuple(held["pictures"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"{path} was not made by `adcvsr export`; export the weights with it") from error
    if facts.pictures not in _PICTURES or [*inputs] != facts.inputs or [*outputs] != facts.outputs:
        raise WeightsError(f"{path} does not fit its own description; export the weights again")
    return facts


def picture_of(made: Sequence[Array]) -> Picture:
    """What the outputs of `Facts.pictures` are together."""
    return made[0] if len(made) == 1 else Parts(*made)

"""Metadata of ONNX files made by `adcvsr export`, for every backend that runs them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vsadcvsr.errors import WeightsError
from vsadcvsr.output import BaseAndDetail, NetworkOutput
from vsadcvsr.spec import Array, ModelSpec

KEY = "adcvsr"
"""The metadata entry that holds it, as JSON."""

FORMAT = 2
_DEFAULT_SCALE = 4
"""Scale of files without the entry, which is newer than `FORMAT`."""

WEIGHTS_ELSEWHERE = "its weights are in another file, which must lie beside it, whole"
"""What to do about an ONNX file with external data that cannot be read."""

SPARE_FRAMES = 7
"""Steps whose new state fits behind the old one in a state's buffer, until what is held moves to the front."""

_IMAGE_OUTPUTS = (("upscaled",), ("base", "detail"))
"""Allowed outputs of an image: RGB, or base and detail."""


@dataclass(frozen=True)
class StateSpec:
    """Shape of one state tensor: (frames,) if `channels` is 0, else (frames, channels, H / divisor, W / divisor).

    A step reads it as `state_i` and writes its new frames as `fresh_i`.
    """

    frames: int
    channels: int
    divisor: int = 1

    def shape(self, count: int, height: int, width: int) -> tuple[int, ...]:
        """The shape of `count` frames of it in a stream of (height, width) frames."""
        return (count, *((self.channels, height // self.divisor, width // self.divisor) if self.channels else ()))


@dataclass(frozen=True)
class ModelMetadata:
    """The model, its state, and the names of the outputs that make an image."""

    spec: ModelSpec
    state: tuple[StateSpec, ...]
    image_outputs: tuple[str, ...]

    @property
    def inputs(self) -> list[str]:
        return ["frames", "links", *(f"state_{index}" for index in range(len(self.state)))]

    @property
    def outputs(self) -> list[str]:
        return [*self.image_outputs, *(f"fresh_{index}" for index in range(len(self.state)))]

    def image_shapes(self, count: int, height: int, width: int) -> list[tuple[int, ...]]:
        """The shapes of `image_outputs` for `count` frames of (height, width)."""
        upscaled = (height * self.spec.scale, width * self.spec.scale)
        return (
            [(count, 3, *upscaled)] if len(self.image_outputs) == 1 else [(count, 3, height, width), (count, *upscaled)]
        )


def read_metadata(path: Path, entry: str | None, inputs: Sequence[str], outputs: Sequence[str]) -> ModelMetadata:
    """The metadata of a file, checked against the inputs and outputs of its graph. Raises WeightsError."""
    try:
        data = json.loads(entry or "")
        if data["format"] != FORMAT:
            raise WeightsError(f"{path} has format {data['format']!r}, allowed: {FORMAT}; export the weights again")
        metadata = ModelMetadata(
            spec=ModelSpec(
                name=str(data["name"]),
                lookahead=data["lookahead"],
                scale=data.get("scale", _DEFAULT_SCALE),
                multiple=data["multiple"],
                reach=data["reach"],
                split_output=len(data["pictures"]) > 1,
                color_fix=data["color_fix"],
                precisions=tuple(data["precisions"]),
            ),
            state=tuple(StateSpec(**slot) for slot in data["state"]),
            image_outputs=tuple(data["pictures"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"{path} was not made by `adcvsr export`; export the weights with it") from error
    if metadata.image_outputs not in _IMAGE_OUTPUTS or [*inputs] != metadata.inputs or [*outputs] != metadata.outputs:
        raise WeightsError(f"{path} does not fit its own description; export the weights again")
    return metadata


def network_output(arrays: Sequence[Array]) -> NetworkOutput:
    """RGB or base and detail, from the arrays of `ModelMetadata.image_outputs`."""
    return arrays[0] if len(arrays) == 1 else BaseAndDetail(*arrays)

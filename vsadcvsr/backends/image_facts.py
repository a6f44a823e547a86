"""Facts of image networks in ONNX files of any origin, from their graph and from the sizes that they take."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vsadcvsr.color import luma
from vsadcvsr.errors import BackendError, WeightsError
from vsadcvsr.spec import SCALES, Array, ModelSpec

type Shape = tuple[int, ...]
type Size = tuple[int, int]
"""Height and width."""
type ShapeOf = Callable[[str, Shape], Shape]
"""The shape of the output for an input of an element type and a shape. Raises BackendError where it is not taken."""

PRECISIONS = {"float32": "fp32", "float16": "fp16"}
"""Element types of images, and what they are called as precisions."""

_CHANNELS = (3, 1)
_MULTIPLES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 128)
_LEAST_TRIED = 16
_MAX_FIXED_PIXELS = 1 << 23
"""Pixels of the largest fixed size, about 3840x2160."""

_NEEDED = "a network with one image in and one image out is needed"


@dataclass(frozen=True)
class Port:
    """An input or an output of a graph. Sizes that are not fixed are None, and so is the shape if nothing is known."""

    name: str
    type: str
    """The element type, as NumPy calls it."""
    shape: tuple[int | None, ...] | None


@dataclass(frozen=True, kw_only=True)
class ImageFacts:
    """Arrays and sizes of an image network."""

    input: str
    output: str
    type: str
    """Element type of the input, as NumPy calls it."""
    channels: int
    """3 for RGB, 1 for grey."""
    channels_last: bool
    """Arrays are (1, H, W, C) instead of (1, C, H, W)."""
    scale: int
    multiple: int = 1
    minimum: int = 1
    fixed_size: Size | None = None

    def spec(self, name: str, precisions: tuple[str, ...]) -> ModelSpec:
        """The facts for the engine."""
        return ModelSpec(
            name=name, lookahead=0, scale=self.scale, multiple=self.multiple, minimum=self.minimum,
            fixed_size=self.fixed_size, reach=None, reach_unknown=True, split_output=self.channels == 1,
            precisions=precisions,
        )  # fmt: skip

    def shape(self, height: int, width: int) -> Shape:
        """The shape of an array for images of (height, width)."""
        return (1, height, width, self.channels) if self.channels_last else (1, self.channels, height, width)

    def array(self, frame: Array, type: str) -> NDArray[np.generic]:
        """The input for a frame (3, H, W), RGB; a grey network takes its luma."""
        image = frame if self.channels == 3 else luma(frame)[None]
        image = np.moveaxis(image, 0, -1) if self.channels_last else image
        return np.ascontiguousarray(image, type)[None]

    def image(self, array: NDArray[np.generic]) -> Array:
        """The output as an image (C, H, W) in fp32."""
        image = np.moveaxis(array[0], -1, 0) if self.channels_last else array[0]
        return np.ascontiguousarray(image, np.float32)


def inspect(path: Path, inputs: Sequence[Port], outputs: Sequence[Port], shape_of: ShapeOf) -> ImageFacts:
    """The facts of the network in the file `path`. Raises WeightsError, which says why it is no such network."""
    source, target = _only(path, inputs, "input"), _only(path, outputs, "output")
    if not {source.type, target.type} <= PRECISIONS.keys():
        raise WeightsError(f"{path} has arrays of {source.type} and {target.type}, allowed: {', '.join(PRECISIONS)}")
    dims = _dims(path, source, "input")
    _dims(path, target, "output")
    problem = ""
    for channels, channels_last in _layouts(path, dims):
        facts = ImageFacts(
            input=source.name, output=target.name, type=source.type, channels=channels, channels_last=channels_last,
            scale=1, fixed_size=_fixed_size(path, *(dims[1:3] if channels_last else dims[2:])),
        )  # fmt: skip
        try:
            return _fixed(path, facts, target, shape_of) if facts.fixed_size else _dynamic(path, facts, shape_of)
        except BackendError as error:
            problem = problem or str(error)
    raise WeightsError(f"{path} takes no image of any size that was tried ({problem}); {_NEEDED}")


def _only(path: Path, ports: Sequence[Port], what: str) -> Port:
    if len(ports) != 1:
        names = ", ".join(port.name for port in ports) or "none"
        raise WeightsError(f"{path} has {len(ports)} {what}s ({names}); {_NEEDED}")
    return ports[0]


def _dims(path: Path, port: Port, what: str) -> tuple[int | None, ...]:
    """The four sizes of an image array."""
    shape = (None,) * 4 if port.shape is None else port.shape
    if len(shape) != 4:
        meaning = {5: "several frames at once", 2: "no image"}.get(len(shape), "no batch of images")
        raise WeightsError(f"{path} has an {what} of shape {_text(shape)}, {meaning}; {_NEEDED}")
    if shape[0] not in {None, 1}:
        raise WeightsError(f"{path} has an {what} of shape {_text(shape)}, {shape[0]} images at once; {_NEEDED}")
    return shape


def _layouts(path: Path, dims: tuple[int | None, ...]) -> list[tuple[int, bool]]:
    """Numbers of channels, and whether they are the last axis, best first."""
    _, first, _, last = dims
    if first in _CHANNELS:
        return [(first, False)]
    if last in _CHANNELS:
        return [(last, True)]
    if first is None:
        return [(channels, False) for channels in _CHANNELS] + ([(3, True)] if last is None else [])
    raise WeightsError(f"{path} takes images of {first} channels, allowed: 3 (RGB) or 1 (grey)")


def _fixed_size(path: Path, height: int | None, width: int | None) -> Size | None:
    """The only size that is taken; where one side alone is fixed, the other is the same."""
    if not height and not width:
        return None
    size = height or width or 0, width or height or 0
    if size[0] * size[1] > _MAX_FIXED_PIXELS:
        raise WeightsError(f"{path} takes images of {size[1]}x{size[0]} alone, allowed: fixed sizes up to 3840x2160")
    return size


def _fixed(path: Path, facts: ImageFacts, target: Port, shape_of: ShapeOf) -> ImageFacts:
    """The facts of a network for one size, whose scale its graph may state."""
    assert facts.fixed_size
    shape = facts.shape(*facts.fixed_size)
    declared = tuple(side for side in target.shape or () if side)
    return _scaled(path, facts, facts.fixed_size, declared if len(declared) == 4 else shape_of(facts.type, shape))


def _dynamic(path: Path, facts: ImageFacts, shape_of: ShapeOf) -> ImageFacts:
    """The facts of a network for any size: its scale, and the least multiple and size that it takes."""
    multiple, size, output = _first_taken(path, facts, shape_of, _tried_sizes())
    # A least size may have kept smaller multiples from being taken, so that they are tried at larger sizes.
    with suppress(BackendError, WeightsError):
        divisors = (m for m in _MULTIPLES if m < multiple and multiple % m == 0)
        multiple, _, _ = _first_taken(path, facts, shape_of, ((m, _enlarged(size, m)) for m in divisors))
    minimum = multiple
    try:
        _first_taken(path, facts, shape_of, [(minimum, (minimum, minimum))])
    except (BackendError, WeightsError):
        minimum = min(size)
    return replace(_scaled(path, facts, size, output), multiple=multiple, minimum=minimum)


def _tried_sizes() -> Iterator[tuple[int, Size]]:
    """Each multiple with small sizes that divide by it and by no larger power of two."""
    for multiple in _MULTIPLES:
        factor = -(-_LEAST_TRIED // multiple) | 1
        yield multiple, (factor * multiple, (factor + 2) * multiple)


def _enlarged(size: Size, multiple: int) -> Size:
    return size[0] + multiple, size[1] + 3 * multiple


def _first_taken(
    path: Path, facts: ImageFacts, shape_of: ShapeOf, sizes: Iterable[tuple[int, Size]]
) -> tuple[int, Size, Shape]:
    """The first multiple and size for which an image of a fitting size comes out, with its shape.

    Raises BackendError if there is none, WeightsError if images come out, but at no scale.
    """
    failure: Exception | None = None
    for multiple, size in sizes:
        try:
            output = shape_of(facts.type, facts.shape(*size))
            _scaled(path, facts, size, output)
            return multiple, size, output
        except (BackendError, WeightsError) as error:
            failure = failure if isinstance(failure, WeightsError) else error
    raise failure or BackendError("nothing was tried")


def _scaled(path: Path, facts: ImageFacts, size: Size, output: Shape) -> ImageFacts:
    """The facts with the scale of an output of that shape. Raises WeightsError for what is no image of a scale."""
    if len(output) != 4 or output[0] != 1:
        raise WeightsError(f"{path} returns an array of shape {_text(output)}, no image; {_NEEDED}")
    channels = output[3 if facts.channels_last else 1]
    height, width = output[1:3] if facts.channels_last else output[2:]
    if channels != facts.channels:
        raise WeightsError(f"{path} returns {channels} channels for {facts.channels}, allowed: as many as it takes")
    scale = height // size[0]
    if (height, width) != (scale * size[0], scale * size[1]) or scale not in SCALES:
        what = f"{width}x{height} for {size[1]}x{size[0]}"
        raise WeightsError(f"{path} returns {what}, allowed: {', '.join(map(str, SCALES))} times the size")
    return replace(facts, scale=scale)


def _text(shape: Sequence[int | None]) -> str:
    return f"({', '.join('?' if side is None else str(side) for side in shape)})"

"""Blends of two sets of weights of one network: faithful ones and restoring ones (network interpolation).

Faithful weights are trained on decent sources. Restoring weights are the same network, trained further on bad ones:
noise, blur, old codecs. `denoise` is the share of the restoring ones, from 0 to 1.

A blend is made while a model is loaded, so that it costs no time per frame. Each weight is computed in float64 and
rounded once, to fp16 where the files have fp16: the same bits on every machine, for every backend. Files are read
without any package but NumPy.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from vsadcvsr import argument_checks
from vsadcvsr.errors import WeightsError
from vsadcvsr.former_names import current_name
from vsadcvsr.spec import Array

SUFFIX = "-restore.safetensors"
"""Suffix of the restoring weights: those of `NAME.onnx` and `NAME.safetensors` are in `NAME-restore.safetensors`."""

ALLOWED = "0 (faithful) to 1 (restoring)"

PREFIX = "student."
"""Prefix of the names of weights in our ONNX files."""

HALF_SUFFIX = ".half"
"""Suffix of the names of those that are stored in fp16."""

_GRAPH, _INITIALIZER, _NAME, _RAW_DATA = 7, 5, 8, 9  # fields of onnx.proto
_FIXED = {1: 8, 5: 4}  # bytes of the values of protobuf's wire types
_DTYPES = {"F32": "<f4", "F16": "<f2", "BF16": "<u2"}

type Stored = NDArray[np.floating[Any]]
"""A tensor in the precision of its file."""


@dataclass(frozen=True)
class Blend:
    """`denoise` of the restoring weights in the file `path`, the rest of a model's own: 0 is all its own, 1 none."""

    path: Path
    denoise: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "denoise", checked(self.denoise))

    def weights(self, faithful: Mapping[str, Array]) -> dict[str, Array]:
        """The blend with weights by their names. Raises WeightsError where the file does not have all of these."""
        restoring = read(self.path)
        if faithful.keys() != restoring.keys():
            self._refuse(next(iter(faithful.keys() ^ restoring.keys())))
        return {name: self._mean(name, own, restoring[name]).astype(np.float32) for name, own in faithful.items()}

    def graph(self, path: Path) -> bytes:
        """The content of an ONNX file of our export, with the blend for its weights. Raises WeightsError."""
        content = bytearray(_content(path))
        try:
            places = {weight_name(name): place for name, *place in _initializers(content) if name.startswith(PREFIX)}
        except (IndexError, ValueError) as error:
            raise WeightsError(f"{path} cannot be read as ONNX; it is truncated or no ONNX file") from error
        restoring = read(self.path)
        if places.keys() != restoring.keys():
            self._refuse(f"that of {path}")
        for name, (begin, end) in places.items():
            other = restoring[name]
            if end - begin != other.nbytes:
                self._refuse(name)
            own = np.frombuffer(content, other.dtype, other.size, begin).reshape(other.shape)
            content[begin:end] = self._mean(name, own, other).tobytes()
        return bytes(content)

    def _mean(self, name: str, own: Stored, other: Stored) -> Stored:
        """The mean of a weight, in the precision of the restoring file."""
        if own.shape != other.shape:
            self._refuse(name)
        mean = (1 - self.denoise) * own.astype(np.float64) + self.denoise * other.astype(np.float64)
        return mean.astype(other.dtype)

    def _refuse(self, what: str) -> NoReturn:
        raise WeightsError(
            f"{self.path} does not have the weights of this network ({what}); train both from the same weights"
        )


def checked(denoise: object) -> float:
    """A value of `denoise`. Raises UsageError."""
    return argument_checks.in_range("denoise", denoise, (0, 1), ALLOWED)


def restoring_path(path: Path) -> Path:
    """Where the restoring weights of a model's file are, if it has any."""
    return path.with_name(path.stem + SUFFIX)


def weight_name(name: str) -> str:
    """The present name of a weight, from that of its tensor in our ONNX files."""
    return current_name(name.removeprefix(PREFIX).removesuffix(HALF_SUFFIX))


def read(path: Path) -> dict[str, Stored]:
    """The tensors of a safetensors file, in the precision of the file; bfloat16 as float32. Raises WeightsError."""
    content = _content(path)
    try:
        size = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + size])
        tensors = {name: tensor for name, tensor in header.items() if name != "__metadata__"}
        return {
            current_name(name): _tensor(memoryview(content)[8 + size :], **tensor) for name, tensor in tensors.items()
        }
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise WeightsError(
            f"{path} cannot be read as safetensors of {', '.join(_DTYPES)}; copy or export it again"
        ) from error


def _tensor(data: memoryview, *, dtype: str, shape: list[int], data_offsets: list[int]) -> Stored:
    begin, end = data_offsets
    values = np.frombuffer(data[begin:end], _DTYPES[dtype]).reshape(shape)
    if dtype == "BF16":  # the upper half of a float32
        return (values.astype(np.uint32) << 16).view(np.float32)
    return values


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}") from error


def _initializers(content: bytearray) -> Iterator[tuple[str, int, int]]:
    """Names of the tensors of an ONNX graph that have raw data, with the range of its bytes."""
    for field, *graph in _fields(content, 0, len(content)):
        for inner, *tensor in _fields(content, *graph) if field == _GRAPH else ():
            if inner == _INITIALIZER:
                parts = {number: (begin, end) for number, begin, end in _fields(content, *tensor)}
                if _RAW_DATA in parts:
                    begin, end = parts[_NAME]
                    yield content[begin:end].decode(), *parts[_RAW_DATA]


def _fields(content: bytearray, begin: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Numbers of the length-delimited fields of a protobuf message, with their byte ranges. Raises IndexError."""
    at = begin
    while at < end:
        tag, at = _varint(content, at)
        kind = tag & 7
        if kind == 0:
            _, at = _varint(content, at)
        elif kind == 2:
            size, at = _varint(content, at)
            yield tag >> 3, at, at + size
            at += size
        elif kind in _FIXED:
            at += _FIXED[kind]
        else:
            raise IndexError(kind)
    if at != end:
        raise IndexError(at)


def _varint(content: bytearray, at: int) -> tuple[int, int]:
    value = shift = 0
    while content[at] & 0x80:
        value |= (content[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
    return value | content[at] << shift, at + 1

"""Weights files: safetensors with the network's family and dimensions as metadata."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import safetensors
import safetensors.numpy
import torch
from torch import Tensor

from vsadcvsr.blending import Blend
from vsadcvsr.errors import UsageError, WeightsError, one_line, shortened_list
from vsadcvsr.files import replacing
from vsadcvsr.former_names import current_name, with_current_names
from vsadcvsr.spec import Array

if TYPE_CHECKING:
    from vsadcvsr.nets.compact import CompactDims, CompactStudent
    from vsadcvsr.nets.paper.config import PaperDims
    from vsadcvsr.nets.paper.model import PaperStudent

type Dims = CompactDims | PaperDims
type Student = CompactStudent | PaperStudent

FORMAT = 1
"""The version of the weights file; a reader refuses any other."""

KEY = "adcvsr"
"""The metadata key."""

_FAMILIES = {
    "compact": ("vsadcvsr.nets.compact", "CompactDims", "CompactStudent"),
    "paper": ("vsadcvsr.nets.paper.model", "PaperDims", "PaperStudent"),
}
"""Module, dimensions and network of each family, imported on first use."""

_MAX_NAMED = 8  # problems that one message tells of


def empty_student(dims: Dims) -> Student:
    """The network of these dimensions, in evaluation mode, on the meta device."""
    module, _, factory = _FAMILIES[_family(dims)]
    with torch.device("meta"):
        student: Student = getattr(import_module(module), factory)(dims)
    return student.eval()


def shapes(dims: Dims) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor in a file of these dimensions."""
    return {name: tuple(value.shape) for name, value in empty_student(dims).state_dict().items()}


def mismatches(actual: Mapping[str, tuple[int, ...]], expected: Mapping[str, tuple[int, ...]]) -> list[str]:
    """Differences between actual and expected tensors, each with its key."""
    return [
        *(f"{key} is missing" for key in expected if key not in actual),
        *(f"{key} is not known" for key in actual if key not in expected),
        *(f"{key} is {actual[key]}, not {shape}" for key, shape in expected.items() if actual.get(key, shape) != shape),
    ]


def summary(problems: list[str]) -> str:
    """Problems as part of one line: the first few, and how many more there are."""
    return shortened_list(problems, _MAX_NAMED)


def save_weights(student: Student, path: Path, *, half: bool = False) -> None:
    """Writes weights, with `half` in 16 bits, and dimensions, replacing the file in one move."""
    kind = torch.float16 if half else torch.float32
    tensors = {name: value.detach().to(kind).cpu().numpy() for name, value in student.state_dict().items()}
    write_tensors(tensors, student.dims, path)


def write_tensors(tensors: Mapping[str, Array], dims: Dims, path: Path) -> None:
    """Writes the tensors of a network of these dimensions, replacing the file in one move."""
    metadata = {KEY: json.dumps({"format": FORMAT, "family": _family(dims), "dims": asdict(dims)})}
    # Arrays keep the memory order of channels-last networks, which the format has no word for.
    flat = {name: value.copy("C") if not value.flags.c_contiguous else value for name, value in tensors.items()}
    try:
        with replacing(path) as unfinished:
            unfinished.touch()
            mode = unfinished.stat().st_mode  # the default mode; safetensors creates files for the owner only
            safetensors.numpy.save_file(flat, unfinished, metadata)
            unfinished.chmod(mode)
    except (OSError, safetensors.SafetensorError) as error:
        raise WeightsError(f"{path} cannot be written ({error}); give a folder that exists and has room") from error


def load_problem(error: Exception) -> str:
    """Why `torch.load` cannot read a file, on one line. For a file that is no pickle of tensors torch advises to run
    what is in it, which no user shall do.
    """
    if isinstance(error, pickle.UnpicklingError):
        return "no pickle of tensors"
    return one_line(error, 200) or type(error).__name__


def is_own(path: Path) -> bool:
    """Whether a safetensors file says that AdcVSR wrote it, or cannot be read at all, which `load_weights` reports."""
    try:
        with safetensors.safe_open(path, framework="np") as file:
            return KEY in (file.metadata() or {})
    except (OSError, safetensors.SafetensorError, ValueError):
        return True


def load_weights(path: Path, blend: Blend | None = None) -> Student:
    """The network of a weights file, or of its blend, in fp32 and evaluation mode; WeightsError for any other file."""
    metadata, tensors = _read(path)
    if metadata.get("format") != FORMAT:
        hint = "give a file that AdcVSR's training or `adcvsr convert` made"
        raise WeightsError(f"{path} holds no AdcVSR weights of format {FORMAT}; {hint}")
    student = empty_student(_dims_from(path, metadata))
    expected = {name: tuple(value.shape) for name, value in student.state_dict().items()}
    if problems := mismatches({name: tuple(value.shape) for name, value in tensors.items()}, expected):
        raise WeightsError(f"{path} does not fit its own dimensions: {summary(problems)}")
    student.load_state_dict(_blended(tensors, blend) if blend else tensors, assign=True)
    return student


def _blended(tensors: Mapping[str, Tensor], blend: Blend) -> dict[str, Tensor]:
    values = blend.weights({name: value.numpy() for name, value in tensors.items()})
    return {name: torch.from_numpy(value) for name, value in values.items()}


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = json.loads((file.metadata() or {}).get(KEY, "{}"))
            tensors = {current_name(name): file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118  # not a dict
    except (OSError, safetensors.SafetensorError, ValueError) as error:
        hint = "give a file that AdcVSR's training or `adcvsr convert` made"
        raise WeightsError(f"{path} cannot be read as safetensors ({error}); {hint}") from error
    return (metadata if isinstance(metadata, dict) else {}), tensors


def _dims_from(path: Path, metadata: Mapping[str, Any]) -> Dims:
    family = metadata.get("family", "compact")
    if family not in _FAMILIES:
        known = ", ".join(_FAMILIES)
        raise WeightsError(
            f"{path} holds a network of the family {family!r}, known: {known}; a newer AdcVSR may read it"
        )
    module, dims_class, _ = _FAMILIES[family]
    try:
        values = with_current_names(metadata["dims"]).items()
        dims: Dims = getattr(import_module(module), dims_class)(
            **{name: tuple(value) if isinstance(value, list) else value for name, value in values}
        )
    except (KeyError, AttributeError, TypeError, UsageError) as error:
        raise WeightsError(
            f"{path} has dimensions that make no network ({error}); download or copy it again"
        ) from error
    return dims


def _family(dims: Dims) -> str:
    return next(family for family, (_, dims_class, _) in _FAMILIES.items() if dims_class == type(dims).__name__)

"""Weights files: safetensors with the network's family and dimensions beside its tensors.

The metadata has, under `adcvsr`, JSON such as {"format": 1, "family": "paper", "dims": {…}}; files without a family are
of compact students.
"""

from __future__ import annotations

import json
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
from vsadcvsr.errors import UsageError, WeightsError
from vsadcvsr.files import replacing
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
"""Where the dimensions and the network of a family are; imported when first asked for."""

_NAMED = 8  # problems that one message tells of


def blank(dims: Dims) -> Student:
    """The network of these dimensions, in evaluation mode, without memory for its weights."""
    module, _, maker = _FAMILIES[_family(dims)]
    with torch.device("meta"):
        student: Student = getattr(import_module(module), maker)(dims)
    return student.eval()


def shapes(dims: Dims) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor that a file of these dimensions must have."""
    return {name: tuple(value.shape) for name, value in blank(dims).state_dict().items()}


def misfits(found: Mapping[str, tuple[int, ...]], wanted: Mapping[str, tuple[int, ...]]) -> list[str]:
    """What keeps tensors of these shapes from being what is wanted: each problem with its key."""
    return [
        *(f"{key} is missing" for key in wanted if key not in found),
        *(f"{key} is not known" for key in found if key not in wanted),
        *(f"{key} is {found[key]}, not {shape}" for key, shape in wanted.items() if found.get(key, shape) != shape),
    ]


def told(problems: list[str]) -> str:
    """Problems as part of one line: the first of them, and how many more there are."""
    more = len(problems) - _NAMED
    return ", ".join(problems[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def save_weights(student: Student, path: Path) -> None:
    """Writes weights and dimensions, replacing the file in one move."""
    write({name: value.detach().float().cpu().numpy() for name, value in student.state_dict().items()},
          student.dims, path)  # fmt: skip


def write(tensors: Mapping[str, Array], dims: Dims, path: Path) -> None:
    """Writes the tensors of a network of these dimensions, replacing the file in one move."""
    noted = {KEY: json.dumps({"format": FORMAT, "family": _family(dims), "dims": asdict(dims)})}
    # Arrays keep the memory order of channels-last networks, which the format has no word for.
    flat = {name: value.copy("C") if not value.flags.c_contiguous else value for name, value in tensors.items()}
    try:
        with replacing(path) as unfinished:
            unfinished.touch()
            mode = unfinished.stat().st_mode  # as files are made here; safetensors makes them for the owner alone
            safetensors.numpy.save_file(flat, unfinished, noted)
            unfinished.chmod(mode)
    except (OSError, safetensors.SafetensorError) as error:
        raise WeightsError(f"{path} cannot be written ({error}); give a folder that exists and has room") from error


def load_weights(path: Path, blend: Blend | None = None) -> Student:
    """The network of a weights file, or of its blend, in fp32 and evaluation mode; WeightsError for any other file."""
    noted, tensors = _read(path)
    if noted.get("format") != FORMAT:
        hint = "give a file that AdcVSR's training or `adcvsr convert` made"
        raise WeightsError(f"{path} holds no AdcVSR weights of format {FORMAT}; {hint}")
    student = blank(_dims(path, noted))
    wanted = {name: tuple(value.shape) for name, value in student.state_dict().items()}
    if problems := misfits({name: tuple(value.shape) for name, value in tensors.items()}, wanted):
        raise WeightsError(f"{path} does not fit its own dimensions: {told(problems)}")
    student.load_state_dict(_blended(tensors, blend) if blend else tensors, assign=True)
    return student


def _blended(tensors: Mapping[str, Tensor], blend: Blend) -> dict[str, Tensor]:
    made = blend.weights({name: value.numpy() for name, value in tensors.items()})
    return {name: torch.from_numpy(value) for name, value in made.items()}


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    try:
        with safetensors.safe_open(path, framework="pt") as held:
            noted = json.loads((held.metadata() or {}).get(KEY, "{}"))
            tensors = {name: held.get_tensor(name).float() for name in held.keys()}  # noqa: SIM118  # not a dict
    except (OSError, safetensors.SafetensorError, ValueError) as error:
        hint = "give a file that AdcVSR's training or `adcvsr convert` made"
        raise WeightsError(f"{path} cannot be read as safetensors ({error}); {hint}") from error
    return (noted if isinstance(noted, dict) else {}), tensors


def _dims(path: Path, noted: Mapping[str, Any]) -> Dims:
    family = noted.get("family", "compact")
    if family not in _FAMILIES:
        known = ", ".join(_FAMILIES)
        raise WeightsError(
            f"{path} holds a network of the family {family!r}, known: {known}; a newer AdcVSR may read it"
        )
    module, maker, _ = _FAMILIES[family]
    try:
        given = {name: tuple(value) if isinstance(value, list) else value for name, value in noted["dims"].items()}
        dims: Dims = getattr(import_module(module), maker)(**given)
    except (KeyError, AttributeError, TypeError, UsageError) as error:
        raise WeightsError(f"{path} has dimensions that make no network ({error}); get the file anew") from error
    return dims


def _family(dims: Dims) -> str:
    return next(family for family, (_, maker, _) in _FAMILIES.items() if maker == type(dims).__name__)

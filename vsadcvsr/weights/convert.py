"""Conversion of checkpoints to weights files: the official ones of AdcSR, and those of our own training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vsadcvsr.commands import check_output
from vsadcvsr.errors import UsageError, WeightsError
from vsadcvsr.former_names import current_name
from vsadcvsr.spec import SCALES, Array
from vsadcvsr.weights import adcsr_keys
from vsadcvsr.weights.safe_unpickle import StoredTensor, TorchFile

if TYPE_CHECKING:
    from vsadcvsr.nets.weights_file import Dims

_OFFICIAL = "net_params_200.pkl and halfDecoder.ckpt of AdcSR"
_CHECKPOINT_KEYS = ("mean", "student", "state_dict", "model")
"""Keys of the weights in a checkpoint, best first."""


@dataclass(frozen=True)
class _TensorSource:
    """A tensor, and how to read it."""

    stored: StoredTensor
    file: TorchFile

    def array(self) -> Array:
        return self.file.array(self.stored)


@dataclass(frozen=True)
class Converted:
    """Summary of the written file."""

    name: str
    scale: int
    tensors: int
    values: int


def convert(sources: Sequence[Path], out: Path, *, candidates: Sequence[Dims] = ()) -> Converted:
    """Writes the weights file `out` from AdcSR's two files, in any order, or from one checkpoint of our training.

    A checkpoint's network is the one of `candidates` that its tensors fit; by default all that have a name, the compact
    ones at every scale. The official network is the first of them. Executes no code of the file. Raises WeightsError,
    which names tensors that are missing, unknown, of another shape, not finite, or not equal to their repetition; then
    `out` is unchanged.
    """
    from vsadcvsr.nets import weights_file

    candidates = candidates or _named()
    check_output("output", out, ".safetensors")
    with ExitStack() as stack:
        opened = [stack.enter_context(TorchFile(path)) for path in sources]
        tensors = _official(opened) if len(opened) == 2 else _from_checkpoint(opened)
        dims = candidates[0] if len(opened) == 2 else _fitting(tensors, candidates)
        names = " and ".join(path.name for path in sources)
        names = names if len(opened) == 2 else f"{names}, read as {dims.name} x{dims.spec.scale}"
        _expect(
            weights_file.mismatches(
                {key: source.stored.shape for key, source in tensors.items()}, weights_file.shapes(dims)
            ),
            names,
        )
        arrays = {key: source.array() for key, source in tensors.items()}
    _expect([f"{key} holds NaN or infinity" for key, array in arrays.items() if not np.isfinite(array).all()], names)
    weights_file.write_tensors(arrays, dims, out)
    return Converted(dims.name, dims.spec.scale, len(arrays), sum(array.size for array in arrays.values()))


def _named() -> tuple[Dims, ...]:
    from vsadcvsr.nets.compact import BASE, FAST
    from vsadcvsr.nets.paper.config import IMAGE, PAPER

    return (IMAGE, PAPER, *(replace(dims, scale=scale) for dims in (BASE, FAST) for scale in reversed(SCALES)))


def _expect(problems: list[str], names: str) -> None:
    from vsadcvsr.nets import weights_file

    if problems:
        raise WeightsError(
            f"{names}: {weights_file.summary(problems)}; download or copy the files again, they must be {_OFFICIAL}, "
            "or our own"
        )


def _official(opened: Sequence[TorchFile]) -> dict[str, _TensorSource]:
    """The tensors of the two files of AdcSR by their names here."""
    nets, decoders = (
        [file for file in opened if fits(weights_in(file))] for fits in (adcsr_keys.is_net, adcsr_keys.is_decoder)
    )
    if len(nets) != 1 or len(decoders) != 1:
        names = " and ".join(file.path.name for file in opened)
        raise WeightsError(f"{names} are not {_OFFICIAL}; give these two, or one checkpoint of our own")
    net, decoder = nets[0], decoders[0]
    unique, repeats = adcsr_keys.deduplicated(weights_in(net))
    _expect(_differences(net, unique, repeats), net.path.name)
    return _renamed(net, unique, adcsr_keys.net_name) | _renamed(decoder, weights_in(decoder), adcsr_keys.decoder_name)


def _renamed(
    file: TorchFile, tensors: Mapping[str, StoredTensor], name: Callable[[str], str | None]
) -> dict[str, _TensorSource]:
    return {ours: _TensorSource(value, file) for theirs, value in tensors.items() if (ours := name(theirs)) is not None}


def _differences(file: TorchFile, unique: Mapping[str, StoredTensor], repeats: Mapping[str, str]) -> list[str]:
    """Messages about repeated tensors that differ. Nothing is read if both are the same range of the file."""
    problems, tensors = list[str](), weights_in(file)
    for name, first in repeats.items():
        if first not in unique:
            problems.append(f"{name} repeats {first}, which is missing")
        elif tensors[name] != unique[first] and not _same(file, tensors[name], unique[first]):
            problems.append(f"{name} differs from {first}")
    return problems


def _same(file: TorchFile, tensor: StoredTensor, other: StoredTensor) -> bool:
    return tensor.shape == other.shape and np.array_equal(file.array(tensor), file.array(other), equal_nan=True)


def _from_checkpoint(opened: Sequence[TorchFile]) -> dict[str, _TensorSource]:
    """The tensors of a checkpoint of our own; a distributed run's names lose their prefix."""
    if len(opened) != 1:
        raise UsageError(f"{len(opened)} files are given; give {_OFFICIAL}, or one checkpoint of our own")
    file = opened[0]
    tensors = weights_in(file)
    if adcsr_keys.is_net(tensors) or adcsr_keys.is_decoder(tensors):
        raise WeightsError(f"{file.path.name} is one of two; give both {_OFFICIAL}")
    return _renamed(file, tensors, lambda name: current_name(name.removeprefix("module.")))


def weights_in(file: TorchFile) -> dict[str, StoredTensor]:
    """The tensors by name, wherever a checkpoint has them."""
    content = file.content
    if isinstance(content, dict):
        content = next((content[key] for key in _CHECKPOINT_KEYS if isinstance(content.get(key), dict)), content)
    tensors = content if isinstance(content, dict) else {}
    stored = {
        name: value for name, value in tensors.items() if isinstance(name, str) and isinstance(value, StoredTensor)
    }
    if not stored:
        raise WeightsError(f"{file.path.name} holds no tensors by name; give {_OFFICIAL}, or a checkpoint of our own")
    return stored


def _fitting(tensors: Mapping[str, _TensorSource], candidates: Sequence[Dims]) -> Dims:
    """The dimensions that the tensors fit best."""
    from vsadcvsr.nets import weights_file

    shapes = {key: source.stored.shape for key, source in tensors.items()}
    return min(candidates, key=lambda dims: len(weights_file.mismatches(shapes, weights_file.shapes(dims))))

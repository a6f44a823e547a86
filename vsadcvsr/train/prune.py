"""Removal of what never acts in a compact student: units between the two layers of a block whose ReLU is zero for every
input, and blocks without any other (Hu et al. 2016, network trimming). The smaller student computes the same, with as
many layers before its head as the larger one. For a model without blocks all that works at a quarter of the size is
left out; the mean of what it adds is kept, and the output changes.

Training at a high rate leaves them behind: a unit that is below zero everywhere has no gradient, and never returns.

    python -m vsadcvsr.train.prune run/base.safetensors --model base --pool pool --out pruned
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from vsadcvsr.commands import status
from vsadcvsr.errors import UsageError
from vsadcvsr.extras import needs
from vsadcvsr.train import options

with needs("train", "a smaller student", __name__, options.prune_options):
    import torch
    from torch import Tensor

    from vsadcvsr.nets.compact import CompactDims, CompactStudent
    from vsadcvsr.nets.export import load_weights, save_weights
    from vsadcvsr.train.students import blended, compact_dims, links, run_over
    from vsadcvsr.train.units import contributions, sources

_CLIPS = 96  # of each pool


@dataclass(frozen=True)
class Kept:
    """The old numbers of the blocks, of their units, and of the blocks that a temporal block follows."""

    blocks: tuple[int, ...]
    units: tuple[Tensor, ...]
    sites: tuple[int, ...]


def choose(measured: Mapping[str, Tensor], old: CompactDims, dims: CompactDims) -> Kept:
    """What contributes most, as much of it as `dims` have. Raises UsageError if these are no part of the old ones."""
    same = ("width", "quarter_width", "refine", "late_temporal", "scale")
    if any(getattr(old, name) != getattr(dims, name) for name in same) or dims.blocks > old.blocks:
        raise UsageError(f"{dims.name} is no part of {old.name}: they may differ in blocks, inner and sites alone")
    blocks = _largest({index: _total(measured[f"blocks.{index}"]) for index in range(old.blocks)}, dims.blocks)
    sites = _largest({site: _total(measured[f"temporal.{site}"]) for site in old.sites}, len(dims.sites))
    if tuple(sum(block <= site for block in blocks) - 1 for site in sites) != dims.sites:
        raise UsageError(f"the temporal blocks after {_words(sites)} of {old.name}, which act, follow other blocks of "
                         f"{dims.name}; sites must be these among the blocks {_words(blocks)}")  # fmt: skip
    if any(dims.inner_widths[index] > old.inner_widths[block] for index, block in enumerate(blocks)):
        raise UsageError(f"{dims.name} has {_words(dims.inner_widths)} units between the layers of blocks, more than "
                         f"the blocks {_words(blocks)} of {old.name}")  # fmt: skip
    units = [measured[f"blocks.{block}"].argsort(descending=True, stable=True) for block in blocks]
    chosen = [order[:count].sort().values for order, count in zip(units, dims.inner_widths, strict=True)]
    return Kept(blocks, tuple(chosen), sites)


def _total(units: Tensor) -> float:
    return float(units.square().sum())


def _largest(totals: Mapping[int, float], count: int) -> tuple[int, ...]:
    return tuple(sorted(sorted(totals, key=lambda number: -totals[number])[:count]))


def _words(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers)) or "none"


def prune(student: CompactStudent, kept: Kept, dims: CompactDims) -> CompactStudent:
    """The part of a student that is kept. The bias of a block that is left out goes into the one before it."""
    old = student.state_dict()
    new = {name: value.clone() for name, value in old.items() if not name.startswith(("blocks.", "temporal."))}
    biases: list[str] = []  # of what was added to the features last
    for number in range(student.dims.blocks):
        if number in kept.blocks:
            index = kept.blocks.index(number)
            new |= _block(old, number, index, kept.units[index])
            biases.append(f"blocks.{index}.second.bias")
        else:
            _add_bias(new, biases, old[f"blocks.{number}.second.bias"])
        if number in kept.sites:
            site = f"temporal.{dims.sites[kept.sites.index(number)]}."
            new |= {name.replace(f"temporal.{number}.", site): value.clone() for name, value in old.items()
                    if name.startswith(f"temporal.{number}.")}  # fmt: skip
            biases.append(f"{site}second.taps.bias")
        elif number in student.dims.sites:
            _add_bias(new, biases, old[f"temporal.{number}.second.taps.bias"])
    result = CompactStudent(dims).eval()
    result.load_state_dict(new)
    return result


def _block(old: Mapping[str, Tensor], number: int, index: int, units: Tensor) -> dict[str, Tensor]:
    """The weights of a block with some of its units, under its new number."""
    source, target = f"blocks.{number}.", f"blocks.{index}."
    return {
        target + "first.weight": old[source + "first.weight"][units],
        target + "first.bias": old[source + "first.bias"][units],
        target + "second.weight": old[source + "second.weight"][:, units],
        target + "second.bias": old[source + "second.bias"].clone(),
    }


def without_blocks(student: CompactStudent, dims: CompactDims, clips: Sequence[Tensor]) -> CompactStudent:
    """The part of a student that works at half size. What the other part adds over the clips (T, 3, H, W), in the mean,
    goes into the bias of `skip`. Raises UsageError if the dimensions differ in more than that.
    """
    if replace(student.dims, name=dims.name, quarter_width=0, blocks=0, inner=(), sites=()) != dims:
        raise UsageError(f"{dims.name} has no blocks, and is no other part of {student.dims.name}: width, refine, "
                         "late_temporal and scale must be the same")  # fmt: skip
    means: list[Tensor] = []
    hook = student.get_submodule("upsample").register_forward_hook(lambda *call: means.append(call[2].mean((0, 2, 3))))
    run_over(student, clips)
    hook.remove()
    result = CompactStudent(dims).eval()
    old = student.state_dict()
    result.load_state_dict({name: old[name] for name in result.state_dict()})
    with torch.no_grad():
        result.get_parameter("skip.bias").add_(torch.stack(means).mean(0).view(dims.width, 4).mean(1))
    return result


def _add_bias(new: Mapping[str, Tensor], biases: Sequence[str], bias: Tensor) -> None:
    if not biases:
        raise UsageError("the first block does not act, and there is none before it to take its bias; keep it")
    new[biases[-1]].add_(bias)


def main(argv: Sequence[str] | None = None) -> int:
    """Writes the smaller students, and returns the exit status."""
    arguments = options.prune_options().parse_args(argv)
    return status("prune", lambda: _make(arguments))


def _make(arguments: argparse.Namespace) -> None:
    files = [arguments.file, *([arguments.restoring] if arguments.restoring else [])]
    students = [load_weights(file) for file in files]
    old = students[0].dims
    dims = replace(compact_dims(arguments.model, old.scale), refine=old.refine)
    clips = [clip for pool in arguments.pool for clip in sources(pool, dims.scale, _CLIPS)]
    if old.blocks and not dims.blocks:
        parts = [without_blocks(student, dims, clips) for student in students]
    else:
        measured = [contributions(student, clips) for student in blended(arguments.file, arguments.restoring)]
        largest = {name: torch.stack([part[name] for part in measured]).amax(0) for name in measured[0]}
        kept = choose(largest, old, dims)
        parts = [prune(student, kept, dims) for student in students]
    arguments.out.mkdir(parents=True, exist_ok=True)
    for student, part, file in zip(students, parts, files, strict=True):
        save_weights(part, arguments.out / file.name, half=arguments.half)
        sys.stdout.write(f"{arguments.out / file.name}: {_size(student):,} to {_size(part):,} parameters, "
                         f"{_change(student, part, clips):.1g} of root mean square change\n")  # fmt: skip


def _size(student: CompactStudent) -> int:
    return sum(value.numel() for value in student.parameters())


def _change(student: CompactStudent, part: CompactStudent, clips: Sequence[Tensor]) -> float:
    """The root mean square difference of the outputs, for a range of 1."""
    with torch.inference_mode():
        squares = [(student(clip, links(1, len(clip))) - part(clip, links(1, len(clip)))).square() for clip in clips]
    return float(torch.stack([square.mean() for square in squares]).mean().sqrt())


if __name__ == "__main__":
    raise SystemExit(main())

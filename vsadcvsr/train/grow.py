"""Growth of a compact student into a larger one that computes the same: a start for its training which keeps what the
smaller one has learned (Chen et al. 2016, Net2Net, with new parts that begin without effect).

    python -m vsadcvsr.train.grow small.safetensors --model base --out begin.safetensors

New channels begin with random inputs and zero outputs, new blocks and temporal blocks with a zero last layer, new
layers before the head as the identity of the old channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vsadcvsr.commands import check_output, status
from vsadcvsr.errors import UsageError
from vsadcvsr.extras import needs
from vsadcvsr.train import options

with needs("train", "a larger student", __name__, options.grow_options):
    import torch
    from torch import Tensor, nn

    from vsadcvsr.nets.compact import CompactDims, CompactStudent
    from vsadcvsr.nets.export import load_weights, save_weights
    from vsadcvsr.train.students import compact_dims


def grow(small: CompactStudent, dims: CompactDims, seed: int = 0) -> CompactStudent:
    """A student of larger dimensions that gives the output of `small`, up to rounding.

    Raises UsageError where a dimension is smaller, or a temporal block of `small` would lose its place.
    """
    _check_dims(small.dims, dims)
    torch.manual_seed(seed)
    large = CompactStudent(dims)
    layers = _convolutions(large)
    with torch.no_grad():
        for name, layer in _convolutions(small).items():
            _fill(layers[name], layer, groups=3 if name.endswith(".taps") else 1)
        for index in range(small.dims.blocks, dims.blocks):
            nn.init.zeros_(layers[f"blocks.{index}.second"].weight)
            nn.init.zeros_(_bias(layers[f"blocks.{index}.second"]))
        for index in range(small.dims.refine, dims.refine):
            _fill(layers[f"refine.{index}"], _identity(small.dims.width))
    return large


def _convolutions(student: CompactStudent) -> dict[str, nn.Conv2d]:
    return {name: module for name, module in student.named_modules() if isinstance(module, nn.Conv2d)}


def _check_dims(small: CompactDims, large: CompactDims) -> None:
    if small.scale != large.scale:
        raise UsageError(f"{small.name} is x{small.scale} and {large.name} x{large.scale}; "
                         "a student only grows at its own scale")  # fmt: skip
    for name in ("width", "quarter_width", "blocks", "refine", "late_temporal"):
        if getattr(large, name) < getattr(small, name):
            raise UsageError(f"{small.name} has a {name} of {getattr(small, name)} and {large.name} one of "
                             f"{getattr(large, name)}; a student can only grow")  # fmt: skip
    widths = small.inner_widths, large.inner_widths
    if any(new < old for old, new in zip(*widths, strict=False)):
        old, new = (", ".join(map(str, part)) for part in widths)
        raise UsageError(f"{small.name} has {old} units between the layers of its blocks and {large.name} {new}; "
                         "a student can only grow")  # fmt: skip
    if missing := set(small.sites) - set(large.sites):
        raise UsageError(f"{large.name} has no temporal block after block {min(missing)}, as {small.name} has; "
                         "a student can only grow")  # fmt: skip


def _identity(channels: int) -> nn.Conv2d:
    layer = nn.Conv2d(channels, channels, 3, padding=1)
    nn.init.dirac_(layer.weight)
    nn.init.zeros_(_bias(layer))
    return layer


def _fill(large: nn.Conv2d, small: nn.Conv2d, groups: int = 1) -> None:
    """Makes the first outputs of the large layer those of the small one; they take nothing from new inputs, and new
    outputs keep their random weights, since nothing old reads them.

    The inputs are so many groups of channels, each of which grows at its end.
    """
    rows, columns = small.weight.shape[:2]
    grown = large.weight.view(large.out_channels, groups, -1, *large.kernel_size)
    grown[:rows] = 0
    grown[:rows, :, : columns // groups] = small.weight.view(rows, groups, -1, *small.kernel_size)
    _bias(large)[:rows] = _bias(small)


def _bias(layer: nn.Conv2d) -> Tensor:
    assert layer.bias is not None
    return layer.bias


def main(argv: Sequence[str] | None = None) -> int:
    """Writes the grown student, and returns the exit status."""
    arguments = options.grow_options().parse_args(argv)
    return status("grow", lambda: _make(arguments.file, arguments.model, arguments.out))


def _make(file: Path, model: str, out: Path) -> None:
    check_output("--out", out, ".safetensors")
    small = load_weights(file)
    save_weights(grow(small, compact_dims(model, small.dims.scale)), out)


if __name__ == "__main__":
    raise SystemExit(main())

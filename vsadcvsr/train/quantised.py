"""Training for 8-bit integers: forward passes in which inputs and weights of layers are rounded as in int8, with
gradients as if they were not (Jacob et al. 2018, arXiv 1712.05877; straight-through, Bengio et al. 2013).

The weights that learn keep all of their bits, and so does their moving average.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from vsadcvsr.nets.compact import CompactStudent
from vsadcvsr.quantisation import INPUT_LEVELS, WEIGHT_LEVELS, input_bounds, weight_bounds
from vsadcvsr.train.students import PIXEL_LAYERS


@contextmanager
def quantised(student: CompactStudent) -> Iterator[None]:
    """Rounds the student's convolutions until the end of the block, which must hold the backward pass as well: the
    gradients of weights are those at the rounded ones.
    """
    layers = {name: layer for name, layer in student.named_modules() if isinstance(layer, nn.Conv2d)}
    weights = {name: layer.weight.data for name, layer in layers.items()}
    hooks = [layer.register_forward_pre_hook(_rounding(name)) for name, layer in layers.items()]
    try:
        for name, layer in layers.items():
            layer.weight.data = rounded_weights(weights[name])
        yield
    finally:
        for name, layer in layers.items():
            layer.weight.data = weights[name]
        for hook in hooks:
            hook.remove()


def rounded_weights(weights: Tensor) -> Tensor:
    """Weights (C out, C in, K, K) on the levels of int8."""
    step = 2 * torch.from_numpy(weight_bounds(weights.numpy(force=True))).to(weights.device) / (WEIGHT_LEVELS - 1)
    return (weights / step).round() * step


def rounded_inputs(inputs: Tensor, bounds: tuple[float, float]) -> Tensor:
    """Inputs between these bounds on the levels of int8; the gradient is that of the inputs."""
    low, high = input_bounds(*bounds)
    step = (high - low) / (INPUT_LEVELS - 1)
    with torch.no_grad():
        error = ((inputs - low) / step).round() * step + low - inputs
    return inputs + error


def _rounding(name: str) -> Any:  # noqa: ANN401 - torch's type of hooks is private
    def hook(_: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
        bounds = (0.0, 1.0) if name in PIXEL_LAYERS else _bounds(inputs[0])
        return (rounded_inputs(inputs[0], bounds),)

    return hook


def _bounds(inputs: Tensor) -> tuple[float, float]:
    """The least and the greatest of a batch's inputs, with 0: crops are few, and hold fewer outliers than whole frames,
    which calibration clips.
    """
    least, most = torch.aminmax(inputs.detach())
    return min(0.0, least.item()), max(0.0, most.item())

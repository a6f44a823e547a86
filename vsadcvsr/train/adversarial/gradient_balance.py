"""Gradients of several losses, each given a share of another's instead of a weight.

What a discriminator's opinion is worth changes by orders of magnitude with the scale of its input and with its own
progress: on a compact student's features its gradient was some 4,000 times that of the regression, on pictures half of
it. So an opinion's gradient is brought to a share of the regression's, as VQGAN does (Esser et al., arXiv 2012.09841).
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

_LEAST = 1e-12


def gradient(loss: Tensor, at: Tensor) -> Tensor:
    """The gradient of a loss at a tensor that it comes from; the graph stays."""
    (found,) = torch.autograd.grad(loss, at, retain_graph=True)
    return found


def joined(first: Tensor, others: Iterable[tuple[float, Tensor]], reference: Tensor) -> Tensor:
    """`first`, and of each other gradient as much as has a `share` of the norm of `reference`."""
    total = first
    for share, other in others:
        total = total + other * (share * reference.norm() / other.norm().clamp_min(_LEAST))
    return total

"""Balancing of the gradients of several losses: each gets a share of a reference's norm instead of a weight.

The scale of an adversarial gradient changes by orders of magnitude with its input and during training: on a compact
student's features it was some 4,000 times that of the regression, on images half of it. So it is normalised to a share
of the regression's, as in VQGAN (Esser et al., arXiv 2012.09841).
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

_LEAST = 1e-12


def gradient(loss: Tensor, tensor: Tensor) -> Tensor:
    """The gradient of a loss at a tensor that it comes from; the graph stays."""
    (result,) = torch.autograd.grad(loss, tensor, retain_graph=True)
    return result


def balance(first: Tensor, others: Iterable[tuple[float, Tensor]], reference: Tensor) -> Tensor:
    """`first`, and of each other gradient as much as has a `share` of the norm of `reference`."""
    total = first
    for share, other in others:
        total = total + other * (share * reference.norm() / other.norm().clamp_min(_LEAST))
    return total

"""Muon: momentum whose updates of a layer's weights are made orthogonal (Jordan et al. 2024), with the coefficients of
Polar Express (Amsel et al. 2025, arXiv 2505.16932); biases are updated as by Adam.

A convolution's weights (C out, C in, K, K) are one matrix (C out, C in * K * K).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

_COEFFICIENTS = (
    (4.0848, -6.8946, 2.9270),
    (3.9505, -6.3029, 2.6377),
    (3.7418, -5.5913, 2.3037),
    (2.8769, -3.1427, 1.2046),
    (2.8366, -3.0525, 1.2012),
)
_MOMENTUM = 0.95
_SCALE = 0.2  # the root mean square of Adam's updates, so that one learning rate serves both
_BETAS = (0.9, 0.99)
_EPSILON = 1e-8


def orthogonalised(matrices: Tensor) -> Tensor:
    """Matrices (N, R, C) with all singular values near 1 (within .3), by five matrix polynomials of degree 5."""
    tall = matrices.shape[1] > matrices.shape[2]
    result: Tensor = (matrices.mT if tall else matrices) / (matrices.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for linear, cubic, quintic in _COEFFICIENTS:
        square = result @ result.mT
        result = linear * result + torch.baddbmm(square, square, square, beta=cubic, alpha=quintic) @ result
    return result.mT if tall else result


class Muon(torch.optim.Optimizer):
    """Muon for weights of four dimensions, Adam for all others, in one parameter group with one learning rate.

    Layers of one shape are updated together: a GPU needs longer to start a small product than to compute it.
    """

    def __init__(self, parameters: ParamsT, lr: float) -> None:
        super().__init__(parameters, {"lr": lr})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]  # losses are computed before, so no closure is taken
        """Updates each parameter that has a gradient."""
        for group in self.param_groups:
            alike: dict[torch.Size, list[Tensor]] = {}
            for value in group["params"]:
                if value.grad is None:
                    continue
                if value.ndim == 4:
                    alike.setdefault(value.shape, []).append(value)
                else:
                    self._step_adam(value, value.grad, group["lr"])
            for values in alike.values():
                self._step_matrices(values, group["lr"])

    def _step_matrices(self, values: Sequence[Tensor], lr: float) -> None:
        """A step of weights of one shape."""
        updates = torch.stack([self._update(value, value.grad) for value in values if value.grad is not None])
        length = max(updates.shape[1:]) ** 0.5
        for value, update in zip(values, orthogonalised(updates), strict=True):
            value.add_(update.reshape(value.shape), alpha=-lr * _SCALE * length)

    def _update(self, value: Tensor, gradient: Tensor) -> Tensor:
        """The gradient with momentum, as a matrix."""
        state = self.state[value]
        if not state:
            state["momentum"] = torch.zeros_like(value)
        momentum = state["momentum"].lerp_(gradient, 1 - _MOMENTUM)
        return gradient.lerp(momentum, _MOMENTUM).reshape(value.shape[0], -1)

    def _step_adam(self, value: Tensor, gradient: Tensor, lr: float) -> None:
        state = self.state[value]
        if not state:
            state.update(step=torch.zeros(()), mean=torch.zeros_like(value), square=torch.zeros_like(value))
        state["step"] += 1
        steps = float(state["step"])
        mean = state["mean"].lerp_(gradient, 1 - _BETAS[0]) / (1 - _BETAS[0] ** steps)
        square = state["square"].lerp_(gradient.square(), 1 - _BETAS[1]) / (1 - _BETAS[1] ** steps)
        value.addcdiv_(mean, square.sqrt_().add_(_EPSILON), value=-lr)

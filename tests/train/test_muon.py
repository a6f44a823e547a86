"""Muon's updates."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from vsadcvsr.train.muon import Muon, all_orthogonalised, orthogonalised


@pytest.mark.parametrize("shape", [(8, 8), (8, 40), (40, 8), (1, 9)])
def test_singular_values_become_one(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonalised(matrix))
    assert values.min() > 0.7
    assert values.max() < 1.3
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    assert (left.T @ orthogonalised(matrix) @ right.T).diagonal().min() > 0.7  # and keep their directions


@pytest.mark.parametrize("shape", [(3, 8, 40), (2, 40, 8)])
def test_matrices_of_one_shape_are_made_orthogonal_together(shape: tuple[int, ...]) -> None:
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    together = all_orthogonalised(matrices)
    assert torch.allclose(together, torch.stack([orthogonalised(matrix) for matrix in matrices]), atol=1e-5)


def test_weights_of_one_shape_can_be_updated_together() -> None:
    apart, together = network(), network()
    train(apart, first := Muon(apart.parameters(), 1e-3), 1)
    train(together, second := Muon(together.parameters(), 1e-3), 1)
    convolutions = [value for value in together.parameters() if value.ndim == 4]
    first.step()
    with torch.no_grad():
        for value in convolutions:
            second._step_alike([value], 1e-3)
    pairs = zip([value for value in apart.parameters() if value.ndim == 4], convolutions, strict=True)
    assert all(torch.allclose(one, other, atol=1e-6) for one, other in pairs)


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 3, 3, padding=1))


def train(net: nn.Sequential, optimiser: torch.optim.Optimizer, steps: int) -> float:
    loss = torch.zeros(())
    for step in range(steps):
        x = torch.rand(2, 3, 12, 12, generator=torch.Generator().manual_seed(step))
        loss = (net(x) - x.flip(1)).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return float(loss.detach())


def test_it_learns() -> None:
    net = network()
    before = train(net, Muon(net.parameters(), 0.0), 1)
    assert train(net, Muon(net.parameters(), 1e-2), 120) < before / 10


def test_a_resumed_run_has_the_same_bits() -> None:
    whole, parts = network(), network()
    train(whole, Muon(whole.parameters(), 1e-3), 6)
    first = Muon(parts.parameters(), 1e-3)
    train(parts, first, 3)
    second = Muon(parts.parameters(), 1e-3)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    for step in range(3, 6):
        x = torch.rand(2, 3, 12, 12, generator=torch.Generator().manual_seed(step))
        second.zero_grad()
        (parts(x) - x.flip(1)).square().mean().backward()
        second.step()
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), parts.parameters(), strict=True))

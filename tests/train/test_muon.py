"""Muon's updates."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from vsadcvsr.train.muon import Muon, orthogonalised


@pytest.mark.parametrize("shape", [(8, 8), (8, 40), (40, 8), (1, 9)])
def test_singular_values_become_one(shape: tuple[int, int]) -> None:
    matrices = torch.randn(3, *shape, generator=torch.Generator().manual_seed(0))
    results = orthogonalised(matrices)
    values = torch.linalg.svdvals(results)
    assert values.min() > 0.7
    assert values.max() < 1.3
    left, _, right = torch.linalg.svd(matrices, full_matrices=False)
    assert (left.mT @ results @ right.mT).diagonal(dim1=1, dim2=2).min() > 0.7  # and keep their directions


def test_the_size_of_a_matrix_and_its_neighbours_change_nothing() -> None:
    matrices = torch.randn(3, 8, 40, generator=torch.Generator().manual_seed(0))
    alone = torch.cat([orthogonalised(100 * matrix[None]) for matrix in matrices])
    assert torch.allclose(orthogonalised(matrices), alone, atol=1e-5)


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


def test_the_loss_falls_to_a_tenth() -> None:
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

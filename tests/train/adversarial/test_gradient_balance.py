"""Gradients in proportion."""

from __future__ import annotations

import pytest
import torch

from vsadcvsr.train.adversarial.gradient_balance import balance, gradient


def test_a_gradient_is_brought_to_its_share() -> None:
    wanted, other = torch.tensor([3.0, 4.0]), torch.tensor([0.0, 1e-6])
    pulled = balance(wanted, [(0.2, other)], wanted)
    assert pulled.tolist() == pytest.approx([3.0, 5.0])


def test_a_gradient_of_zero_changes_nothing() -> None:
    wanted = torch.tensor([3.0, 4.0])
    assert balance(wanted, [(1.0, torch.zeros(2))], wanted).equal(wanted)


def test_the_gradient_is_that_of_backward() -> None:
    at = torch.tensor([1.0, 2.0], requires_grad=True)
    result = at * 3
    assert gradient((result**2).sum(), result).tolist() == [6.0, 12.0]
    assert at.grad is None

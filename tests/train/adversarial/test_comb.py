"""The comb filter: what repeats on the head's grid is hidden, everything else is seen."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from vsadcvsr.train.adversarial.comb import without_repetition
from vsadcvsr.train.losses import luma

PERIOD = 8


def truth() -> Tensor:
    return torch.rand(2, 3, 48, 64, generator=torch.Generator().manual_seed(1))


def dots(period: int, *, rows: bool) -> Tensor:
    """A dot in every cell of a row, or of a column."""
    error = torch.zeros(2, 1, 48, 64)
    if rows:
        error[:, :, 20, 3::period] = 0.1
    else:
        error[:, :, 3::period, 20] = 0.1
    return error


@pytest.mark.parametrize("rows", [True, False])
@pytest.mark.parametrize("period", [4, PERIOD])
def test_dots_along_an_edge_are_not_seen(period: int, rows: bool) -> None:
    """But for their mean, which a real line has too."""
    seen = without_repetition(truth() + dots(period, rows=rows), truth(), PERIOD) - truth()
    along = 3 if rows else 2
    assert torch.allclose(seen, seen.mean(along, keepdim=True).expand_as(seen), atol=1e-6)


def test_dots_with_another_distance_are_seen() -> None:
    error = torch.zeros(2, 1, 48, 64)
    error[:, :, 20, 3::11] = 0.1
    seen = without_repetition(truth() + error, truth(), PERIOD) - truth()
    assert (seen[:, :, 20, 3::11] > 0.05).all()


def test_noise_is_seen_nearly_whole_and_regular_texture_of_the_truth_quite() -> None:
    noise = 0.05 * torch.randn(2, 1, 48, 64, generator=torch.Generator().manual_seed(2))
    seen = without_repetition(truth() + noise, truth(), PERIOD) - truth()
    assert 0.55 < (luma(seen[None]).var() / noise.var()).item() < 1
    striped = truth() + dots(PERIOD, rows=True)
    assert torch.allclose(without_repetition(striped, striped, PERIOD), striped)


def test_nothing_is_asked_of_a_pattern() -> None:
    """Whatever is done with the result, its slope along a pattern is none."""
    images = truth().requires_grad_()
    weights = torch.randn(2, 3, 48, 64, generator=torch.Generator().manual_seed(3))
    (weights * without_repetition(images, truth(), PERIOD)).sum().backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    pattern = dots(PERIOD, rows=True)
    pattern = pattern - pattern.mean(3, keepdim=True)
    assert images.grad is not None
    assert abs((images.grad * pattern).sum()) < 1e-4
    assert abs((weights * pattern).sum()) > 0.1

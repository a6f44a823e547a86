"""The paper's student at a size for tests: the whole topology, few channels, every weight random."""

from __future__ import annotations

from dataclasses import replace

import torch

from vsadcvsr.nets.paper.config import PaperDims
from vsadcvsr.nets.paper.model import PaperStudent

WHOLE = PaperDims(name="small", widths=(4, 8, 8, 8), head_dim=4, decoder=(8, 8, 4, 4), groups=(2, 1))
"""Every block of the paper's network: 38 temporal sites, 12 skips."""

SHALLOW = PaperDims(
    name="shallow", widths=(4, 8), layers=1, head_dim=2, decoder=(4, 4, 4, 4), decoder_layers=1, groups=(2, 1)
)
"""Two grids with one layer each: 12 temporal sites, 4 skips."""


def student(dims: PaperDims = WHOLE, seed: int = 0) -> PaperStudent:
    """A student in which nothing is zero, so that no path hides, and nothing grows along the depth."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    net = PaperStudent(dims).eval()
    with torch.no_grad():
        for name, weight in net.named_parameters():
            if weight.ndim == 1:
                weight.copy_(torch.randn_like(weight) * 0.1 + (name.endswith("weight")))  # a gain is about one
            else:
                weight.copy_(torch.randn_like(weight) * (0.5 / weight[0].numel()) ** 0.5)
    return net


def with_temporal_blocks(image: PaperStudent, name: str = "paper") -> PaperStudent:
    """A student that gives what `image`, one without temporal blocks, gives: theirs are at their start, the identity.

    It shares the weights of `image`; the new ones come from torch's current random state.
    """
    grown = PaperStudent(replace(image.dims, name=name, temporal=True))
    grown.load_state_dict(image.state_dict(), strict=False, assign=True)
    return grown

"""The paper's student at a size for tests: the whole topology, few channels, every weight random."""

from __future__ import annotations

import torch
from torch import Tensor

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


def clip(frames: int, cuts: set[int], size: tuple[int, int], seed: int = 1) -> tuple[Tensor, Tensor]:
    """Random frames and their links."""
    torch.manual_seed(seed)
    links = torch.tensor([0.0 if index == 0 or index in cuts else 1.0 for index in range(frames)])
    return torch.rand(frames, 3, *size), links


def streamed(net: PaperStudent, frames: Tensor, links: Tensor, steps: list[int]) -> Tensor:
    """The whole clip through the step form: `steps` frames at a time, then the flush."""
    late, size = net.spec.lookahead, (frames.shape[2], frames.shape[3])
    frames = torch.cat([frames, torch.rand(late, 3, *size)])
    links = torch.cat([links, torch.zeros(late)])
    state, at = net.initial_state(*size), 0
    out: list[Tensor] = []
    while at < len(frames):
        count = steps[len(out) % len(steps)]
        made, state = net.step(frames[at : at + count], links[at : at + count], state)
        out.append(made)
        at += count
    return torch.cat(out)[late:]

"""Random clips, and the step form of a network over a whole clip."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from vsadcvsr.nets.compact import CompactStudent, join
from vsadcvsr.nets.paper.model import PaperStudent


def clip(frames: int, cuts: set[int], size: tuple[int, int] = (8, 12), seed: int = 1) -> tuple[Tensor, Tensor]:
    """Random frames and their links."""
    torch.manual_seed(seed)
    links = torch.tensor([0.0 if index == 0 or index in cuts else 1.0 for index in range(frames)])
    return torch.rand(frames, 3, *size), links


def streamed(net: CompactStudent | PaperStudent, frames: Tensor, links: Tensor, steps: Sequence[int]) -> Tensor:
    """The whole clip through the step form: `steps` frames at a time, then the flush."""
    late, size = net.spec.lookahead, (frames.shape[2], frames.shape[3])
    frames = torch.cat([frames, torch.rand(late, 3, *size)])
    links = torch.cat([links, torch.zeros(late)])
    state, at = net.initial_state(*size), 0
    outputs: list[Tensor] = []
    while at < len(frames):
        count = steps[len(outputs) % len(steps)]
        output, state = net.step(frames[at : at + count], links[at : at + count], state)
        outputs.append(output if isinstance(output, Tensor) else join(*output))
        at += count
    return torch.cat(outputs)[late:]

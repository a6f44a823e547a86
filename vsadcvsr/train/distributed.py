"""Distributed training: one process, or as many as `torchrun` has started."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import distributed, nn

from vsadcvsr.errors import BackendError


@dataclass(frozen=True)
class World:
    """This process's rank among `size` processes, and its device."""

    device: torch.device
    rank: int = 0
    size: int = 1

    @classmethod
    def join(cls, device: str) -> World:
        """The world that the environment describes; BackendError if there is no such device."""
        if device == "cuda" and not torch.cuda.is_available():
            raise BackendError("device is 'cuda', but torch finds no CUDA device; set device to auto or cpu")
        cuda = device != "cpu" and torch.cuda.is_available()
        size = int(os.environ.get("WORLD_SIZE", "1"))
        if size > 1 and not distributed.is_initialized():
            distributed.init_process_group("nccl" if cuda else "gloo")
        local_rank = int(os.environ.get("LOCAL_RANK", "0"))
        return cls(
            torch.device("cuda", local_rank) if cuda else torch.device("cpu"), int(os.environ.get("RANK", "0")), size
        )

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and shows progress."""
        return self.rank == 0

    def barrier(self) -> None:
        """Returns when every process has reached this point."""
        if self.size > 1:
            distributed.barrier()

    def from_main(self, number: float) -> float:
        """The main process's number, in every process."""
        if self.size == 1:
            return number
        shared = torch.tensor(number, dtype=torch.float64, device=self.device)
        distributed.broadcast(shared, 0)
        return float(shared)

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Averages gradients over all processes."""
        if self.size == 1:
            return
        gradients = [value.grad for value in parameters if value.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients]) / self.size
        distributed.all_reduce(flat)
        parts = torch.split(flat, [gradient.numel() for gradient in gradients])
        for gradient, mean in zip(gradients, parts, strict=True):
            gradient.copy_(mean.view(gradient.shape))

"""One step of fixed sizes, recorded as a CUDA graph and replayed: a thousand kernels are launched as one.

Where nothing is recorded (on a CPU, or switched off), the step is simply run.
"""

from __future__ import annotations

import torch

from vsadcvsr.nets.running import Made, Running


class Graphs:
    """What the recordings of one model share: their stream and their memory, for only one is replayed at a time.

    Results lie in that memory, and must be copied out of it before another one is replayed.
    """

    def __init__(self, stream: torch.cuda.Stream) -> None:
        self.stream = stream
        self.pool = torch.cuda.graph_pool_handle()
        self.warm: set[tuple[int, ...]] = set()
        """The shapes of frames that a step has been run on without being recorded."""


class Step:
    """A running step with its inputs, which lie still: `frames` (T, 3, H, W) and `links` (T,)."""

    def __init__(self, running: Running, size: tuple[int, int], device: torch.device, graphs: Graphs | None) -> None:
        shape = (running.count, 3, *size)
        self.running = running
        self.size = size
        self.frames = torch.zeros(shape, device=device).contiguous(memory_format=torch.channels_last)
        self.links = torch.zeros(running.count, device=device)
        self._graphs = graphs
        self._recorded: torch.cuda.CUDAGraph | None = None
        self._made: Made = ()

    def run(self) -> Made:
        """The pictures of what is in `frames` and `links` by now. They are good until the next run of any step."""
        if self._graphs is None:
            return self.running.run(self.frames, self.links)
        if tuple(self.frames.shape) not in self._graphs.warm:  # libraries choose and load their kernels in a first run
            made = self.running.run(self.frames, self.links)
            self._graphs.warm.add(tuple(self.frames.shape))
            return made
        if self._recorded is None:
            self._record(self._graphs)
        assert self._recorded is not None
        self._recorded.replay()
        return self._made

    def run_in_fp32(self) -> Made:
        """The same, in fp32 throughout."""
        return self.running.run(self.frames, self.links, exact=True)

    def _record(self, graphs: Graphs) -> None:
        recorded = torch.cuda.CUDAGraph()
        with torch.cuda.graph(
            recorded, pool=graphs.pool, stream=graphs.stream, capture_error_mode="thread_local"
        ):  # other threads may use the GPU meanwhile
            self._made = self.running.run(self.frames, self.links)
        self._recorded = recorded

"""One step of fixed sizes, recorded as a CUDA graph and replayed: a thousand kernels are launched as one.

Where nothing is recorded (on a CPU, or switched off), the step is simply run.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

import torch

from vsadcvsr.nets.step_runner import Made, Running


class Graphs:
    """What the recordings of one model share: their stream and their memory, for only one is replayed at a time.

    Results lie in that memory, and must be copied out of it before a step is replayed again.
    """

    def __init__(self, stream: torch.cuda.Stream) -> None:
        self.stream = stream
        self.pool = torch.cuda.graph_pool_handle()
        self.warm: set[Hashable] = set()
        """The kinds of act that have been run without being recorded."""


class Recorded:
    """An act on memory that lies still. It is run once for each `kind`, then recorded, and replayed from then on."""

    def __init__(self, act: Callable[[], Made], kind: Hashable, graphs: Graphs | None) -> None:
        self._act = act
        self._kind = kind
        self._graphs = graphs
        self._recording: torch.cuda.CUDAGraph | None = None
        self.made: Made = ()
        """What a replay makes, always in the same place; empty before the first."""

    def run(self) -> Made:
        """The result, good until the next run of any act, but for acts on this very result."""
        if self._graphs is None:
            return self._act()
        if self._kind not in self._graphs.warm:  # libraries choose and load their kernels in a first run
            made = self._act()
            self._graphs.warm.add(self._kind)
            return made
        if self._recording is None:
            self._record(self._graphs)
        assert self._recording is not None
        self._recording.replay()
        return self.made

    def _record(self, graphs: Graphs) -> None:
        recording = torch.cuda.CUDAGraph()
        with torch.cuda.graph(
            recording, pool=graphs.pool, stream=graphs.stream, capture_error_mode="thread_local"
        ):  # other threads may use the GPU meanwhile
            self.made = self._act()
        self._recording = recording


class Step:
    """A running step with its inputs, which lie still: `frames` (T, 3, H, W) and `links` (T,)."""

    def __init__(self, running: Running, size: tuple[int, int], device: torch.device, graphs: Graphs | None) -> None:
        shape = (running.count, 3, *size)
        self.running = running
        self.size = size
        self.frames = torch.zeros(shape, device=device).contiguous(memory_format=torch.channels_last)
        self.links = torch.zeros(running.count, device=device)
        self._recorded = Recorded(lambda: running.run(self.frames, self.links), shape, graphs)

    def run(self) -> Made:
        """The pictures of what is in `frames` and `links` by now. They are good until the next run of any step."""
        return self._recorded.run()

    def lies_still(self, made: Made) -> bool:
        """Whether the pictures of all further runs will be where these are."""
        return bool(made) and made is self._recorded.made

    def run_in_fp32(self) -> Made:
        """The same, in fp32 throughout."""
        return self.running.run(self.frames, self.links, exact=True)

"""Capture of a step of fixed shape as a CUDA graph: a thousand kernels are launched as one.

Without graphs (on a CPU, or disabled), the step is simply run.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

import torch

from vsadcvsr.nets.step_runner import StepOutput, StepRunner


class GraphPool:
    """Stream and memory shared by the graphs of one model, of which only one is replayed at a time.

    Results are in that memory, and must be copied before another replay.
    """

    def __init__(self, stream: torch.cuda.Stream) -> None:
        self.stream = stream
        self.pool = torch.cuda.graph_pool_handle()
        self.warmed_up: set[Hashable] = set()
        """The kinds of act that have been run without being recorded."""


class CapturedGraph:
    """A function on static memory. It is run once per `key`, then captured, and replayed from then on."""

    def __init__(self, function: Callable[[], StepOutput], key: Hashable, pool: GraphPool | None) -> None:
        self._function = function
        self._key = key
        self._pool = pool
        self._graph: torch.cuda.CUDAGraph | None = None
        self.output: StepOutput = ()
        """What a replay makes, always in the same place; empty before the first."""

    def run(self) -> StepOutput:
        """The result, valid until the next run of any graph, except graphs that read it."""
        if self._pool is None:
            return self._function()
        if self._key not in self._pool.warmed_up:  # libraries choose and load their kernels in a first run
            output = self._function()
            self._pool.warmed_up.add(self._key)
            return output
        if self._graph is None:
            self._capture(self._pool)
        assert self._graph is not None
        self._graph.replay()
        return self.output

    def _capture(self, pool: GraphPool) -> None:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(
            graph, pool=pool.pool, stream=pool.stream, capture_error_mode="thread_local"
        ):  # other threads may use the GPU meanwhile
            self.output = self._function()
        self._graph = graph


class CapturedStep:
    """A step with static inputs: `frames` (T, 3, H, W) and `links` (T,)."""

    def __init__(self, runner: StepRunner, size: tuple[int, int], device: torch.device, pool: GraphPool | None) -> None:
        shape = (runner.count, 3, *size)
        self.runner = runner
        self.size = size
        self.frames = torch.zeros(shape, device=device).contiguous(memory_format=torch.channels_last)
        self.links = torch.zeros(runner.count, device=device)
        self._captured = CapturedGraph(lambda: runner.run(self.frames, self.links), shape, pool)

    def run(self) -> StepOutput:
        """The output for the current contents of `frames` and `links`, valid until the next run of any step."""
        return self._captured.run()

    def is_static(self, output: StepOutput) -> bool:
        """Whether all further output will be in the same memory."""
        return bool(output) and output is self._captured.output

    def run_in_fp32(self) -> StepOutput:
        """As `run`, entirely in fp32."""
        return self.runner.run(self.frames, self.links, fp32=True)

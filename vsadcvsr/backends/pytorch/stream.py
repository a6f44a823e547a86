"""State of one stream: the executor of its steps, and the output that is still being downloaded."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np

from vsadcvsr.backends.pytorch.cuda_graphs import CapturedStep
from vsadcvsr.backends.pytorch.planes import PlaneConverter, PlaneConverters, planes_from_host
from vsadcvsr.backends.pytorch.transfer import PendingDownload, Transfer, Uploads
from vsadcvsr.color import OutputFormat
from vsadcvsr.nets.step_runner import StepOutput
from vsadcvsr.output import Planes
from vsadcvsr.spec import Array


class StepExecutor(NamedTuple):
    """Executes steps of one length on frames of one size, for one stream at a time."""

    step: CapturedStep
    transfer: Transfer
    plane_converters: PlaneConverters


class _PendingOutput(NamedTuple):
    """Format of an output that is to come, and its source frame if postprocessing needs it."""

    output_format: OutputFormat
    source: Array | None


class TorchStream:
    """Executes the steps of a stream. If `pipelined`, output comes one frame later than the network produces it, so
    that a step need not wait for its own download; the first is blank.

    `executor_for` returns an executor for steps of a given number of frames. The network's output is `delay` frames
    late. `on_nonfinite` is called if a step produced NaN or infinity, which is then repeated in fp32; None disables the
    check.
    """

    def __init__(
        self,
        executor_for: Callable[[int], StepExecutor],
        *,
        delay: int,
        pipelined: bool,
        on_nonfinite: Callable[[], None] | None,
    ) -> None:
        self.executors: list[StepExecutor] = []
        """None before the first step, then one."""
        self._executor_for = executor_for
        self._pipelined = pipelined
        self._on_nonfinite = on_nonfinite
        self._pending_outputs: deque[_PendingOutput | None] = deque([None] * delay)
        self._pending_step: PendingDownload | None = None  # the last frame, if its download is pending
        self._pending_planar_step: Callable[[], list[Array] | Planes] | None = None  # the same, for `planar_step`

    def step(self, frames: Array, links: Array) -> list[Array]:
        """Feeds frames (T, 3, H, W) with links (T,); returns the output, RGB or base and detail."""
        executor = self._executor(len(frames))
        outputs = self._run(executor, [(frames, executor.step.frames), (links, executor.step.links)])
        download = cache(executor.transfer.download(outputs))
        executor.step.runner.advance()
        if not self._pipelined:
            return download()
        previous, self._pending_step = self._pending_step, lambda: [array[-1:] for array in download()]
        first = previous() if previous else _blank(outputs)
        if len(frames) == 1:
            return first
        return [np.concatenate([last, array[:-1]]) for last, array in zip(first, download(), strict=True)]

    def planar_step(self, frame: Array, link: Array, output_format: OutputFormat | None) -> list[Array] | Planes:
        """As `step`, for one frame (1, 3, H, W) with the format of its output. A stream uses either `step` or
        `planar_step` throughout.
        """
        self._pending_outputs.append(_pending_output(frame, output_format))
        executor, pending = self._executor(1), self._pending_outputs.popleft()
        converter = executor.plane_converters.of(pending.output_format) if pending else None
        uploads: Uploads = [(frame, executor.step.frames), (link, executor.step.links)]
        if pending and converter and pending.source is not None:
            uploads.append((pending.source, converter.source))
        outputs = self._run(executor, uploads)
        download = self._planes(executor, outputs, converter) if converter else executor.transfer.download(outputs)
        executor.step.runner.advance()
        if not self._pipelined:
            return download()
        previous, self._pending_planar_step = self._pending_planar_step, download
        return previous() if previous else _blank(outputs)

    def _planes(self, executor: StepExecutor, outputs: StepOutput, converter: PlaneConverter) -> Callable[[], Planes]:
        planes = executor.transfer.download_planes(converter.run(outputs, is_static=executor.step.is_static(outputs)))
        return lambda: planes_from_host(planes())

    def _run(self, executor: StepExecutor, uploads: Uploads) -> StepOutput:
        executor.transfer.upload(uploads)
        step = executor.step
        step.runner.load()
        outputs = step.run()
        if self._on_nonfinite and not all(bool(part.isfinite().all()) for part in outputs):
            self._on_nonfinite()
            outputs = step.run_in_fp32()
        return outputs

    def _executor(self, count: int) -> StepExecutor:
        if not self.executors or self.executors[0].step.runner.count != count:
            executor = self._executor_for(count)
            if self.executors:
                executor.step.runner.copy_state_from(self.executors[0].step.runner)
            self.executors[:] = [executor]
        return self.executors[0]


def _pending_output(frame: Array, output_format: OutputFormat | None) -> _PendingOutput | None:
    if output_format is None:
        return None
    return _PendingOutput(
        output_format,
        frame[0, :, : output_format.height, : output_format.width] if output_format.needs_source else None,
    )


def _blank(outputs: StepOutput) -> list[Array]:
    return [np.zeros((1, *part.shape[1:]), np.float32) for part in outputs]

"""PyTorch backend: runs the networks of `vsadcvsr.nets` from the weights files that training writes, and other people's
image networks that spandrel knows.

On a GPU, steps are captured as CUDA graphs, and transfers overlap with computation.
"""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from vsadcvsr.backends import BackendOptions, closed_error, stop_sharing
from vsadcvsr.color import OutputFormat
from vsadcvsr.errors import BackendError, one_line
from vsadcvsr.extras import needs
from vsadcvsr.memory import MemoryPlan, plan_memory, plan_memory_for_tiles, usable_memory
from vsadcvsr.output import BaseAndDetail, NetworkOutput, OutputFrame, Planes
from vsadcvsr.spec import Array, MemoryNeeds, Offload
from vsadcvsr.tiling import TileOptions

with needs("torch", "backend 'torch'"):
    import torch

    from vsadcvsr.backends.pytorch.cuda_graphs import CapturedStep, GraphPool
    from vsadcvsr.backends.pytorch.planes import PlaneConverters
    from vsadcvsr.backends.pytorch.stream import StepExecutor, TorchStream
    from vsadcvsr.backends.pytorch.transfer import DirectTransfer, PinnedTransfer
    from vsadcvsr.nets.image_networks import ImageNetwork, load_network
    from vsadcvsr.nets.paper.ring_state import Staging
    from vsadcvsr.nets.step_runner import Network, StateOptions, network_memory, prepare, step_runner

_DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
_OUT_OF_MEMORY_TEXTS = ("allocate", "not enough memory", "out of memory")
_ENVIRONMENT = ("ADCVSR_CUDA_GRAPHS", "ADCVSR_CUDA_PLANES")
"""Environment variables that disable CUDA graphs and planar output if set to 0."""

type Size = tuple[int, int]
"""(height, width) of a stream's frames."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class TorchOptions:
    """Execution options. Output is unchanged, except that a memory limit may force tiling and planar output may round
    differently.
    """

    cuda_graphs: bool = False
    """Capture steps as CUDA graphs (CUDA only)."""
    planar_output: bool = False
    """Produce planes on the device, for hosts that ask for them."""
    pipelined_output: bool = False
    """Return output one frame later, so that its download overlaps with the next step."""
    memory_limit: int | None = None
    """Bytes of memory to plan tiles and offloading for; None disables planning."""
    offload: Offload = "none"
    """What to offload without planning."""

    @classmethod
    def for_device(cls, device: torch.device) -> TorchOptions:
        """Defaults for a device."""
        if device.type != "cuda":
            return cls()
        memory_limit = usable_memory(torch.cuda.get_device_properties(device).total_memory)
        cuda_graphs, planar_output = (os.environ.get(variable, "1") != "0" for variable in _ENVIRONMENT)
        return cls(
            cuda_graphs=cuda_graphs, planar_output=planar_output, pipelined_output=True, memory_limit=memory_limit
        )


class TorchBackend:
    """A network in evaluation mode.

    In half precision, the paper's network keeps its sums, statistics, first and last layers in fp32; the compact ones
    keep everything but convolutions in fp32. In fp16, a step that overflows is repeated in fp32. `threads` is torch's
    own setting and applies to the whole process.
    """

    def __init__(self, path: Path, options: BackendOptions) -> None:
        device = _device(options)
        net = load_network(path, options.blend)
        if options.threads and device.type == "cpu":
            torch.set_num_threads(options.threads)
        self._setup(net, device, _precision(options.precision, device, net.spec.precisions), _options(net, device))

    @classmethod
    def from_network(
        cls, net: Network, device: torch.device, precision: str, options: TorchOptions | None = None
    ) -> TorchBackend:
        """A backend for a network in memory, which it takes over."""
        backend = cls.__new__(cls)
        backend._setup(net, device, precision, options or TorchOptions.for_device(device))
        return backend

    def _setup(self, net: Network, device: torch.device, precision: str, options: TorchOptions) -> None:
        self.spec = replace(net.spec, lookahead=net.spec.lookahead + options.pipelined_output)
        self.label = f"torch/{device.type}/{precision}"
        self._device, self._dtype, self._options = device, _DTYPES[precision], options
        self.planar_output = options.planar_output
        self._delay = net.spec.lookahead
        self._is_fp16 = self._dtype == torch.float16
        with _mapped_errors():
            self._net: Network | None = prepare(net, self._dtype, device)
            self._streams = _streams(device)
            self._graphs = GraphPool(self._streams[0]) if options.cuda_graphs and self._streams else None
        self._lock = threading.Lock()
        self._executor_lock = threading.Lock()  # guards the idle executors; fp32 steps on a CPU take no other
        self._warned = False
        self._plans: dict[tuple[int, int, TileOptions | None], MemoryPlan] = {}
        self._offload: dict[Size, Offload] = {}
        self._staging: dict[tuple[int, ...], Staging] = {}
        self._idle_executors: list[StepExecutor] = []  # executors of finished streams, which new streams reuse

    def _require_net(self) -> Network:
        """The network. Raises BackendError after `close`."""
        if self._net is None:
            raise closed_error()
        return self._net

    def plan(self, height: int, width: int, requested: TileOptions | None) -> TileOptions | None:
        """See `backends.MemoryPlanner`; also decides what a stream of that tile size offloads."""
        if (
            self._options.memory_limit is None
            or network_memory(self._require_net(), self.spec.padded(height, width), self._dtype) is None
        ):
            return requested
        key = (height, width, requested)
        if key not in self._plans:
            self._plans[key] = self._plan_memory(height, width, requested, self._options.memory_limit)
        memory_plan = self._plans[key]
        self._offload[memory_plan.size] = memory_plan.offload
        return memory_plan.tiles

    def _plan_memory(self, height: int, width: int, requested: TileOptions | None, limit: int) -> MemoryPlan:
        if requested is None:
            plan = plan_memory(self.spec, self.needs, height, width, limit)
        else:
            plan = plan_memory_for_tiles(self.spec, self.needs, height, width, limit, requested)
        _log.info("model %r on %dx%d: %s", self.spec.name, width, height, plan)
        return plan

    def needs(self, height: int, width: int) -> MemoryNeeds:
        """Memory of a stream of frames of that size."""
        memory = network_memory(self._require_net(), (height, width), self._dtype)
        assert memory is not None, "compact students are not planned"
        return memory

    def start(self, height: int, width: int) -> object:
        self._require_net()
        stream = TorchStream(
            lambda count: self._executor((height, width), count),
            delay=self._delay,
            pipelined=self._options.pipelined_output,
            on_nonfinite=self._warn_overflow if self._is_fp16 else None,
        )
        weakref.finalize(stream, _return_executors, stream.executors, self._idle_executors).atexit = False
        return stream

    def step(self, frames: Array, links: Array, state: object) -> tuple[NetworkOutput, object]:
        assert isinstance(state, TorchStream)
        self._require_net()
        with _mapped_errors(), self._stepping():
            output = state.step(frames, links)
        return self._network_output(output), state

    def planar_step(
        self, frame: Array, link: Array, state: object, output_format: OutputFormat | None
    ) -> tuple[OutputFrame, object]:
        """See `backends.PlanarBackend`."""
        assert isinstance(state, TorchStream)
        self._require_net()
        with _mapped_errors(), self._stepping():
            output = state.planar_step(frame, link, output_format)
        return output if isinstance(output, Planes) else self._network_output(output), state

    def _network_output(self, output: list[Array]) -> NetworkOutput:
        return BaseAndDetail(*output) if self.spec.split_output else output[0]

    def close(self) -> None:
        stop_sharing(self)
        with self._executor_lock:
            self._net = None
            self._idle_executors = []  # streams that end later return theirs to the old list
            self._staging.clear()

    @contextmanager
    def _stepping(self) -> Iterator[None]:
        """One step at a time where steps share memory: captured graphs, and layers that may be widened to fp32."""
        with ExitStack() as stack:
            if self._streams or self._is_fp16 or self._options.offload != "none":
                stack.enter_context(self._lock)
            if self._streams:
                stack.enter_context(torch.cuda.device(self._device))
                stack.enter_context(torch.cuda.stream(self._streams[0]))
            stack.enter_context(torch.inference_mode())
            yield

    def _executor(self, size: Size, count: int) -> StepExecutor:
        """An idle executor, reset, or a new one; idle ones of other sizes are dropped."""
        with self._executor_lock:
            return self._acquire(size, count)

    def _acquire(self, size: Size, count: int) -> StepExecutor:
        matching = [
            executor
            for executor in self._idle_executors
            if (executor.step.size, executor.step.runner.count) == (size, count)
        ]
        if matching:
            self._idle_executors.remove(matching[0])
            matching[0].step.runner.clear()
            return matching[0]
        self._idle_executors.clear()
        self._staging = {key: staging for key, staging in self._staging.items() if key == (*size, count)}
        state_options = StateOptions(
            offload=self._offload.get(size, self._options.offload),
            retryable=self._is_fp16,
            fixed_memory=self._graphs is not None,
            staging=self._staging.setdefault((*size, count), {}),
        )
        step = CapturedStep(
            step_runner(self._require_net(), size, count, self._dtype, state_options), size, self._device, self._graphs
        )
        transfer_dtype = torch.float32 if self._dtype == torch.float32 else torch.float16
        transfer = PinnedTransfer(*self._streams, transfer_dtype) if self._streams else DirectTransfer()
        return StepExecutor(step, transfer, PlaneConverters(self._device, self._graphs))

    def _warn_overflow(self) -> None:
        if not self._warned:
            self._warned = True
            _log.warning(
                "model %r overflows in fp16: such steps are repeated in fp32; precision='bf16' is faster on GPUs that "
                "support it", self.spec.name,
            )  # fmt: skip


def _options(net: Network, device: torch.device) -> TorchOptions:
    """Options for a network of a file. Other people's run without CUDA graphs: some of them make tensors on the way."""
    options = TorchOptions.for_device(device)
    return replace(options, cuda_graphs=False) if isinstance(net, ImageNetwork) else options


def _streams(device: torch.device) -> tuple[torch.cuda.Stream, torch.cuda.Stream] | None:
    """The streams of computation and of transfers; None on a CPU."""
    if device.type != "cuda":
        return None
    first, second = (torch.cuda.Stream(device) for _ in range(2))  # type: ignore[no-untyped-call]  # torch has none
    return first, second


def _return_executors(executors: list[StepExecutor], idle_executors: list[StepExecutor]) -> None:
    idle_executors += executors


def _device(options: BackendOptions) -> torch.device:
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    device = ("cuda" if count else "cpu") if options.device == "auto" else options.device
    available = ["cpu", *(["cuda"] if count else [])]
    if device not in available:
        raise BackendError(f"device {device!r} is not available to backend 'torch', available: {', '.join(available)}")
    if device == "cuda" and options.device_index >= count:
        raise BackendError(f"device_index {options.device_index} does not exist, available: 0 to {count - 1}")
    return torch.device(device, options.device_index) if device == "cuda" else torch.device(device)


def _precision(requested: str, device: torch.device, supported: tuple[str, ...]) -> str:
    precision = (
        next(precision_name for precision_name in _preferred_precisions(device) if precision_name in supported)
        if requested == "auto"
        else requested
    )
    if precision not in supported:
        raise BackendError(f"precision {precision!r} is not supported by this model, available: {', '.join(supported)}")
    return precision


def _preferred_precisions(device: torch.device) -> tuple[str, ...]:
    """Precisions that suit a device, best first."""
    if device.type == "cpu":
        return ("fp32",)
    with torch.cuda.device(device):
        return ("bf16", "fp32") if torch.cuda.is_bf16_supported(including_emulation=False) else ("fp16", "fp32")


@contextmanager
def _mapped_errors() -> Iterator[None]:
    """Raises torch's errors as MemoryError or BackendError."""
    try:
        yield
    except RuntimeError as error:
        raise _mapped_error(error) from error


def _mapped_error(error: RuntimeError) -> Exception:
    message = one_line(error, 300)
    if isinstance(error, torch.OutOfMemoryError) or any(text in message.lower() for text in _OUT_OF_MEMORY_TEXTS):
        return MemoryError(message)
    return BackendError(f"torch failed: {message}")

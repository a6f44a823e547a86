"""ONNX Runtime: runs files that our export made, on CPUs and on what else its build can use.

A step writes straight into its results: pictures into a fresh array, the state behind what it reads of it. On a GPU the
state leaves it only when a belt is full.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vsadcvsr.backends import Options, closed, forget
from vsadcvsr.backends import ort_tensorrt as engines
from vsadcvsr.backends.onnx_metadata import KEY, Facts, Slot, picture_of, read_facts
from vsadcvsr.environment import NO_TELEMETRY, variables
from vsadcvsr.errors import BackendError, MissingError, WeightsError, one_line
from vsadcvsr.output import Picture
from vsadcvsr.paths import cache
from vsadcvsr.spec import Array

try:
    with variables(NO_TELEMETRY):
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as failures
except ImportError as error:
    raise MissingError(f"backend 'ort' needs ONNX Runtime ({error}); run `pip install onnxruntime`") from error

_PROVIDERS = {
    "cpu": ("CPUExecutionProvider",),
    "cuda": ("CUDAExecutionProvider", "CPUExecutionProvider"),
    "tensorrt": ("TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"),
}
_PRECISIONS = {"cpu": ("fp32",), "cuda": ("fp32",), "tensorrt": ("fp16", "fp32")}
"""What each device can do with a file in fp32; the first is what "auto" means."""

_AUTO = ("cuda", "cpu")  # not TensorRT, which builds an engine for minutes

_FAILURES = (
    RuntimeError,  # what a run with a binding raises
    failures.Fail,
    failures.RuntimeException,
    failures.InvalidArgument,
    failures.EPFail,
    failures.NotImplemented,
)
_REFUSALS = (
    failures.InvalidProtobuf,
    failures.InvalidGraph,
    failures.InvalidArgument,
    failures.NoModel,
    failures.NoSuchFile,
    failures.NotImplemented,
    failures.Fail,
)
"""What a file that is not to be trusted brings about, and on a GPU a provider that does not start as well."""

_SPARE = 7  # steps until what is held moves to the front
_NO_MEMORY = ("allocate", "bad_alloc", "out of memory")

_log = logging.getLogger(__name__)

type _Session = Any  # onnxruntime has no types
type _Value = Any


class _Belt:
    """The memory of one state tensor. A step reads the frames that are held and writes behind them; only when there is
    no room left do those move to the front. Such a place is an address, so that it may be a GPU's.
    """

    def __init__(self, slot: Slot, size: tuple[int, int], place: tuple[str, int]) -> None:
        self.slot = slot
        self.size = size
        self.place = place
        self._move(np.zeros(slot.shape(slot.frames, *size), np.float32), 1)

    def bind(self, binding: _Value, index: int, count: int) -> None:
        """As what is read and written in a step of `count` frames."""
        held = self.slot.frames
        if (self.at + held + count) * self._frame_bytes > self._memory.nbytes:
            memory = self._memory if self.place[0] == "cpu" else self._value.numpy()
            self._move(memory[self.at : self.at + held], count)
        for name, take, begin, frames in (
            (f"state_{index}", binding.bind_input, self.at, held),
            (f"fresh_{index}", binding.bind_output, self.at + held, count),
        ):
            address = self._value.data_ptr() + begin * self._frame_bytes
            take(name, *self.place, np.float32, self.slot.shape(frames, *self.size), address)

    def _move(self, held: Array, count: int) -> None:
        """To new memory, with room for some steps of `count` frames."""
        self._memory = np.zeros((len(held) + _SPARE * count, *held.shape[1:]), np.float32)
        self._memory[: len(held)] = held
        self._value = onnxruntime.OrtValue.ortvalue_from_numpy(self._memory, *self.place)  # shared, on a CPU
        self._frame_bytes = self._memory[0].nbytes
        self.at = 0


class _State:
    """The belts of a stream, and the binding that each step fills in anew."""

    def __init__(self, session: _Session, belts: list[_Belt], size: tuple[int, int]) -> None:
        self.session = session
        self.binding = session.io_binding()
        self.belts = belts
        self.size = size

    def bind(self, count: int) -> None:
        for index, belt in enumerate(self.belts):
            belt.bind(self.binding, index, count)

    def advance(self, count: int) -> None:
        for belt in self.belts:
            belt.at += count


class OnnxRuntime:
    """A session and what its file says of the network."""

    def __init__(self, path: Path, options: Options) -> None:
        device, precision, self._session = _opened(path, options)
        self._place = ("cpu", 0) if device == "cpu" else ("cuda", options.device_index)
        self._facts = _facts(path, self._session)
        self.spec = self._facts.spec
        self.label = f"ort/{device}/{precision}"
        self._sized = _Sized(path, precision, options, self._facts) if device == "tensorrt" else None

    def start(self, height: int, width: int) -> object:
        session = self._running()
        if self._sized:
            session = self._sized.session(height, width)
        try:
            belts = [_Belt(slot, (height, width), self._place) for slot in self._facts.state]
            return _State(session, belts, (height, width))
        except _FAILURES as error:
            raise _failure(error) from error

    def step(self, frames: Array, links: Array, state: object) -> tuple[Picture, object]:
        assert isinstance(state, _State)
        self._running()
        binding = state.binding
        count, _, height, width = frames.shape
        if (height, width) != state.size:
            raise BackendError(f"a frame is {width}x{height}, its state was made for {state.size[1]}x{state.size[0]}")
        made = [np.empty(shape, np.float32) for shape in self._facts.shapes(count, height, width)]
        frames, links = np.ascontiguousarray(frames, np.float32), np.ascontiguousarray(links, np.float32)
        for name, array in (("frames", frames), ("links", links)):
            binding.bind_input(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)
        for name, array in zip(self._facts.pictures, made, strict=True):
            binding.bind_output(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)
        try:
            state.bind(count)
            state.session.run_with_iobinding(binding)
        except _FAILURES as error:
            raise _failure(error) from error
        state.advance(count)
        return picture_of(made), state

    def close(self) -> None:
        forget(self)
        self._session = self._sized = None

    def _running(self) -> _Session:
        if self._session is None:
            raise closed()
        return self._session


class _Sized:
    """Sessions on TensorRT, whose engines are each built for one size of frames and kept in the cache."""

    def __init__(self, path: Path, precision: str, options: Options, facts: Facts) -> None:
        self._path, self._precision, self._options, self._facts = path, precision, options, facts
        self._root = cache() / "tensorrt"
        self._lock = threading.Lock()
        self._made: dict[tuple[int, int], _Session] = {}

    def session(self, height: int, width: int) -> _Session:
        """The session for frames of (height, width); the first one of a size takes minutes. Raises BackendError."""
        with self._lock:
            if (height, width) not in self._made:
                self._made = {(height, width): self._built(height, width)}
            return self._made[height, width]

    def _built(self, height: int, width: int) -> _Session:
        built = self._for(height, width)
        engines.prepare(built, self._root)
        more = engines.engine_options(built, self._root)
        for _ in range(2):
            if session := _session(self._path, "tensorrt", self._precision, self._options, more):
                return session
            if not engines.drop(built, self._root):
                break
            engines.prepare(built, self._root)
        raise BackendError(f"TensorRT built no engine for {width}x{height} frames; device='cuda' does without")

    def _for(self, height: int, width: int) -> engines.Built:
        gpu, capability = engines.card(self._options.device_index)
        return engines.Built(
            model=_model_sum(self._path, self._options),
            gpu=gpu,
            capability=capability,
            onnxruntime=onnxruntime.__version__,
            tensorrt=engines.tensorrt_version(),
            precision=self._precision,
            shapes=engines.ranges(self._facts, height, width),
        )


def _model_sum(path: Path, options: Options) -> str:
    """The SHA-256 of what is run."""
    return hashlib.sha256(options.blend.graph(path) if options.blend else path.read_bytes()).hexdigest()


def _opened(path: Path, options: Options) -> tuple[str, str, _Session]:
    """A session on the first device that works: its device, its precision, itself."""
    devices = _devices(options.device)
    for device in devices:
        precision = _precision(options.precision, device)
        session = _session(path, device, precision, options)
        if session and session.get_providers()[0] == _PROVIDERS[device][0]:
            return device, precision, session
    words = f"device {devices[-1]!r} (index {options.device_index}) did not start"
    raise BackendError(f"{words}, available: cpu; look at the driver, CUDA and cuDNN")


def has_gpu() -> bool:
    """Whether this build of ONNX Runtime can use a GPU."""
    return "CUDAExecutionProvider" in onnxruntime.get_available_providers()


def _devices(wanted: str) -> list[str]:
    """The devices to try. Raises BackendError that names those which this build has."""
    provided = onnxruntime.get_available_providers()
    present = [device for device, (provider, *_) in _PROVIDERS.items() if provider in provided]
    if wanted == "auto":
        return [device for device in _AUTO if device in present]
    if wanted not in present:
        raise BackendError(
            f"device {wanted!r} is not available to backend 'ort', available: {', '.join(present)}; "
            "other devices need onnxruntime-gpu instead of onnxruntime, in a fresh environment"
        )
    return [wanted]


def _precision(wanted: str, device: str) -> str:
    able = _PRECISIONS[device]
    if wanted == "auto":
        return able[0]
    if wanted not in able:
        offer = f"available: {', '.join(able)}"
        raise BackendError(f"precision {wanted!r} is not available to backend 'ort' on {device}, {offer}")
    return wanted


def _session(
    path: Path, device: str, precision: str, options: Options, engine: Mapping[str, str] | None = None
) -> _Session | None:
    """A session; None where the device fails it. Raises WeightsError where the file does.

    Nothing is printed: builders of engines talk through the session's log, which is silent.
    """
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = options.threads or _cores()
    settings.inter_op_num_threads = 1
    settings.log_severity_level = 4  # what fails is raised as well
    # Hosts have work of their own for the cores that a spinning pool would hold.
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    settings.add_session_config_entry("session.set_denormal_as_zero", "1")
    if device != "cpu" and hasattr(onnxruntime, "preload_dlls"):
        onnxruntime.preload_dlls()  # CUDA from pip's packages, where those are
    providers = [(name, _provider_options(name, precision, options, engine or {})) for name in _PROVIDERS[device]]
    try:
        model = options.blend.graph(path) if options.blend else str(path)
        return onnxruntime.InferenceSession(model, settings, providers=providers)
    except (*_REFUSALS, *_FAILURES) as error:
        if device == "cpu" and isinstance(error, _REFUSALS):
            words = f"{path} cannot be read as ONNX ({one_line(error, 300)}); it is truncated or no ONNX file"
            raise WeightsError(words) from error
        if device != "cpu":
            _session(path, "cpu", "fp32", options)  # raises where the file is at fault
        _log.warning("device %r did not start: %s", device, one_line(error, 300))
        return None


def _provider_options(provider: str, precision: str, options: Options, engine: Mapping[str, str]) -> Mapping[str, str]:
    device = {"device_id": str(options.device_index)}
    if provider == "CUDAExecutionProvider":
        strict = {"use_tf32": "0"} if options.precision == "fp32" else {}
        memory = {"arena_extend_strategy": "kSameAsRequested"}  # else it doubles what it has
        return {**device, **strict, **memory, "cudnn_conv_algo_search": "HEURISTIC"}
    if provider == "TensorrtExecutionProvider":
        return {**device, "trt_fp16_enable": str(int(precision == "fp16")), **engine}
    return {}


def _cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _facts(path: Path, session: _Session) -> Facts:
    """What the export wrote into the file, checked against the graph."""
    noted = session.get_modelmeta().custom_metadata_map.get(KEY)
    names = [[node.name for node in nodes] for nodes in (session.get_inputs(), session.get_outputs())]
    return read_facts(path, noted, *names)


def _failure(error: Exception) -> Exception:
    """MemoryError or BackendError, as the words of ONNX Runtime suggest."""
    words = one_line(error, 300)
    if any(sign in words.lower() for sign in _NO_MEMORY):
        return MemoryError(words)
    return BackendError(f"ONNX Runtime failed: {words}")

"""ONNX Runtime backend, on CPUs and GPUs.

A step writes directly into its results: output frames into new arrays, state behind the state that it reads. On a GPU
the state leaves the device only when a state buffer is full.
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

from vsadcvsr.backends import BackendOptions, closed_error, stop_sharing
from vsadcvsr.backends import ort_tensorrt as engines
from vsadcvsr.backends.onnx_metadata import KEY, ModelMetadata, StateSpec, network_output, read_metadata
from vsadcvsr.environment import NO_TELEMETRY, variables
from vsadcvsr.errors import BackendError, MissingError, WeightsError, one_line
from vsadcvsr.output import NetworkOutput
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
"""Precisions of each device for a file in fp32; the first is the default of "auto"."""

_AUTO_DEVICES = ("cuda", "cpu")  # not TensorRT, which builds an engine for minutes

_RUN_ERRORS = (
    RuntimeError,  # what a run with a binding raises
    failures.Fail,
    failures.RuntimeException,
    failures.InvalidArgument,
    failures.EPFail,
    failures.NotImplemented,
)
_FILE_ERRORS = (
    failures.InvalidProtobuf,
    failures.InvalidGraph,
    failures.InvalidArgument,
    failures.NoModel,
    failures.NoSuchFile,
    failures.NotImplemented,
    failures.Fail,
)
"""Errors of a damaged or foreign file, and on a GPU of a provider that does not start."""

_SPARE_FRAMES = 7  # steps until what is held moves to the front
_NO_MEMORY = ("allocate", "bad_alloc", "out of memory")

_log = logging.getLogger(__name__)

type _Session = Any  # onnxruntime has no types
type _Value = Any


class _StateBuffer:
    """Memory of one state tensor. A step reads the frames it holds and writes the new ones behind them; only when the
    spare room is used up do they move to the front. The buffer is addressed by pointer, so it can be in GPU memory.
    """

    def __init__(self, spec: StateSpec, size: tuple[int, int], device: tuple[str, int]) -> None:
        self.spec = spec
        self.size = size
        self.device = device
        self._reallocate(np.zeros(spec.shape(spec.frames, *size), np.float32), 1)

    def bind(self, binding: _Value, index: int, count: int) -> None:
        """Binds the buffer as input and output of a step of `count` frames."""
        frames = self.spec.frames
        if (self.offset + frames + count) * self._frame_bytes > self._memory.nbytes:
            memory = self._memory if self.device[0] == "cpu" else self._value.numpy()
            self._reallocate(memory[self.offset : self.offset + frames], count)
        for name, bind_side, start, length in (
            (f"state_{index}", binding.bind_input, self.offset, frames),
            (f"fresh_{index}", binding.bind_output, self.offset + frames, count),
        ):
            address = self._value.data_ptr() + start * self._frame_bytes
            bind_side(name, *self.device, np.float32, self.spec.shape(length, *self.size), address)

    def _reallocate(self, frames: Array, count: int) -> None:
        """Moves to new memory, with room for some steps of `count` frames."""
        self._memory = np.zeros((len(frames) + _SPARE_FRAMES * count, *frames.shape[1:]), np.float32)
        self._memory[: len(frames)] = frames
        self._value = onnxruntime.OrtValue.ortvalue_from_numpy(self._memory, *self.device)  # shared, on a CPU
        self._frame_bytes = self._memory[0].nbytes
        self.offset = 0


class _State:
    """The state buffers of a stream, and the binding that each step fills."""

    def __init__(self, session: _Session, buffers: list[_StateBuffer], size: tuple[int, int]) -> None:
        self.session = session
        self.binding = session.io_binding()
        self.buffers = buffers
        self.size = size

    def bind(self, count: int) -> None:
        for index, buffer in enumerate(self.buffers):
            buffer.bind(self.binding, index, count)

    def advance(self, count: int) -> None:
        for buffer in self.buffers:
            buffer.offset += count


class OnnxRuntime:
    """A session and the metadata of its file."""

    def __init__(self, path: Path, options: BackendOptions) -> None:
        device, precision, self._session = _open(path, options)
        self._device = ("cpu", 0) if device == "cpu" else ("cuda", options.device_index)
        self._metadata = _metadata_of(path, self._session)
        self.spec = self._metadata.spec
        self.label = f"ort/{device}/{precision}"
        self._tensorrt = _TensorRTSessions(path, precision, options, self._metadata) if device == "tensorrt" else None

    def start(self, height: int, width: int) -> object:
        session = self._require_session()
        if self._tensorrt:
            session = self._tensorrt.session(height, width)
        try:
            buffers = [_StateBuffer(spec, (height, width), self._device) for spec in self._metadata.state]
            return _State(session, buffers, (height, width))
        except _RUN_ERRORS as error:
            raise _mapped_error(error) from error

    def step(self, frames: Array, links: Array, state: object) -> tuple[NetworkOutput, object]:
        assert isinstance(state, _State)
        self._require_session()
        binding = state.binding
        count, _, height, width = frames.shape
        if (height, width) != state.size:
            raise BackendError(f"a frame is {width}x{height}, its state was made for {state.size[1]}x{state.size[0]}")
        outputs = [np.empty(shape, np.float32) for shape in self._metadata.image_shapes(count, height, width)]
        frames, links = np.ascontiguousarray(frames, np.float32), np.ascontiguousarray(links, np.float32)
        for name, array in (("frames", frames), ("links", links)):
            binding.bind_input(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)
        for name, array in zip(self._metadata.image_outputs, outputs, strict=True):
            binding.bind_output(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)
        try:
            state.bind(count)
            state.session.run_with_iobinding(binding)
        except _RUN_ERRORS as error:
            raise _mapped_error(error) from error
        state.advance(count)
        return network_output(outputs), state

    def close(self) -> None:
        stop_sharing(self)
        self._session = self._tensorrt = None

    def _require_session(self) -> _Session:
        if self._session is None:
            raise closed_error()
        return self._session


class _TensorRTSessions:
    """TensorRT sessions, whose engines are built for one frame size each and cached."""

    def __init__(self, path: Path, precision: str, options: BackendOptions, metadata: ModelMetadata) -> None:
        self._path, self._precision, self._options, self._metadata = path, precision, options, metadata
        self._root = cache() / "tensorrt"
        self._lock = threading.Lock()
        self._sessions: dict[tuple[int, int], _Session] = {}

    def session(self, height: int, width: int) -> _Session:
        """The session for frames of (height, width); the first one of a size takes minutes. Raises BackendError."""
        with self._lock:
            if (height, width) not in self._sessions:
                self._sessions = {(height, width): self._build(height, width)}
            return self._sessions[height, width]

    def _build(self, height: int, width: int) -> _Session:
        key = self._engine_key(height, width)
        engines.prepare_folder(key, self._root)
        provider_options = engines.engine_options(key, self._root)
        for _ in range(2):
            if session := _session(self._path, "tensorrt", self._precision, self._options, provider_options):
                return session
            if not engines.remove_engine(key, self._root):
                break
            engines.prepare_folder(key, self._root)
        raise BackendError(f"TensorRT built no engine for {width}x{height} frames; device='cuda' does without")

    def _engine_key(self, height: int, width: int) -> engines.EngineKey:
        gpu, capability = engines.gpu_identity(self._options.device_index)
        return engines.EngineKey(
            model=_model_sum(self._path, self._options),
            gpu=gpu,
            capability=capability,
            onnxruntime=onnxruntime.__version__,
            tensorrt=engines.tensorrt_version(),
            precision=self._precision,
            shapes=engines.shape_ranges(self._metadata, height, width),
        )


def _model_sum(path: Path, options: BackendOptions) -> str:
    """The SHA-256 of what is run."""
    return hashlib.sha256(options.blend.graph(path) if options.blend else path.read_bytes()).hexdigest()


def _open(path: Path, options: BackendOptions) -> tuple[str, str, _Session]:
    """A session on the first device that works: device, precision, session."""
    devices = _devices(options.device)
    for device in devices:
        precision = _precision(options.precision, device)
        session = _session(path, device, precision, options)
        if session and session.get_providers()[0] == _PROVIDERS[device][0]:
            return device, precision, session
    message = f"device {devices[-1]!r} (index {options.device_index}) did not start"
    raise BackendError(f"{message}, available: cpu; look at the driver, CUDA and cuDNN")


def has_gpu() -> bool:
    """Whether this build of ONNX Runtime can use a GPU."""
    return "CUDAExecutionProvider" in onnxruntime.get_available_providers()


def _devices(requested: str) -> list[str]:
    """The devices to try. Raises BackendError that names those of this build."""
    provided = onnxruntime.get_available_providers()
    present = [device for device, (provider, *_) in _PROVIDERS.items() if provider in provided]
    if requested == "auto":
        return [device for device in _AUTO_DEVICES if device in present]
    if requested not in present:
        raise BackendError(
            f"device {requested!r} is not available to backend 'ort', available: {', '.join(present)}; "
            "other devices need onnxruntime-gpu instead of onnxruntime, in a fresh environment"
        )
    return [requested]


def _precision(requested: str, device: str) -> str:
    supported = _PRECISIONS[device]
    if requested == "auto":
        return supported[0]
    if requested not in supported:
        offer = f"available: {', '.join(supported)}"
        raise BackendError(f"precision {requested!r} is not available to backend 'ort' on {device}, {offer}")
    return requested


def _session(
    path: Path, device: str, precision: str, options: BackendOptions, tensorrt: Mapping[str, str] | None = None
) -> _Session | None:
    """A session; None if the device fails. Raises WeightsError if the file does.

    Nothing is printed: engine builders write to the session's log, which is silent.
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
    providers = [(name, _provider_options(name, precision, options, tensorrt or {})) for name in _PROVIDERS[device]]
    try:
        model = options.blend.graph(path) if options.blend else str(path)
        return onnxruntime.InferenceSession(model, settings, providers=providers)
    except (*_FILE_ERRORS, *_RUN_ERRORS) as error:
        if device == "cpu" and isinstance(error, _FILE_ERRORS):
            message = f"{path} cannot be read as ONNX ({one_line(error, 300)}); it is truncated or no ONNX file"
            raise WeightsError(message) from error
        if device != "cpu":
            _session(path, "cpu", "fp32", options)  # raises where the file is at fault
        _log.warning("device %r did not start: %s", device, one_line(error, 300))
        return None


def _provider_options(
    provider: str, precision: str, options: BackendOptions, tensorrt: Mapping[str, str]
) -> Mapping[str, str]:
    device = {"device_id": str(options.device_index)}
    if provider == "CUDAExecutionProvider":
        strict = {"use_tf32": "0"} if options.precision == "fp32" else {}
        memory = {"arena_extend_strategy": "kSameAsRequested"}  # else it doubles what it has
        return {**device, **strict, **memory, "cudnn_conv_algo_search": "HEURISTIC"}
    if provider == "TensorrtExecutionProvider":
        return {**device, "trt_fp16_enable": str(int(precision == "fp16")), **tensorrt}
    return {}


def _cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _metadata_of(path: Path, session: _Session) -> ModelMetadata:
    """The metadata of a file, checked against its graph."""
    entry = session.get_modelmeta().custom_metadata_map.get(KEY)
    names = [[node.name for node in nodes] for nodes in (session.get_inputs(), session.get_outputs())]
    return read_metadata(path, entry, *names)


def _mapped_error(error: Exception) -> Exception:
    """MemoryError or BackendError, as the words of ONNX Runtime suggest."""
    message = one_line(error, 300)
    if any(sign in message.lower() for sign in _NO_MEMORY):
        return MemoryError(message)
    return BackendError(f"ONNX Runtime failed: {message}")

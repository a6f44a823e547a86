"""ONNX Runtime backend, on CPUs and GPUs.

A step writes directly into its results: output frames into new arrays, state behind the state that it reads. On a GPU
the state leaves the device only when a state buffer is full.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsadcvsr.backends import Backend, BackendOptions, check_size, closed_error, stop_sharing
from vsadcvsr.backends import ort_tensorrt as engines
from vsadcvsr.backends.host_memory import TilePlanner
from vsadcvsr.backends.image_backend import ImageBackend, Run, shapes_of
from vsadcvsr.backends.image_facts import PRECISIONS, Port, inspect
from vsadcvsr.backends.onnx_metadata import (
    KEY,
    SPARE_FRAMES,
    ModelMetadata,
    StateSpec,
    network_output,
    read_metadata,
)
from vsadcvsr.backends.ort_session import (
    RUN_ERRORS,
    VERSION,
    Session,
    Value,
    mapped_error,
    new_session,
    open_session,
    precision_for,
    value_of,
)
from vsadcvsr.environment import usable_cores
from vsadcvsr.errors import BackendError
from vsadcvsr.output import NetworkOutput
from vsadcvsr.paths import cache
from vsadcvsr.spec import Array

_ELEMENT_TYPES = {"tensor(float)": "float32", "tensor(float16)": "float16"}


class _StateBuffer:
    """Memory of one state tensor. A step reads the frames it holds and writes the new ones behind them; only when the
    spare room is used up do they move to the front. The buffer is addressed by pointer, so it can be in GPU memory.
    """

    def __init__(self, spec: StateSpec, size: tuple[int, int], device: tuple[str, int]) -> None:
        self.spec = spec
        self.size = size
        self.device = device
        self._reallocate(np.zeros(spec.shape(spec.frames, *size), np.float32), 1)

    def bind(self, binding: Value, index: int, count: int) -> None:
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
        self._memory = np.zeros((len(frames) + SPARE_FRAMES * count, *frames.shape[1:]), np.float32)
        self._memory[: len(frames)] = frames
        self._value = value_of(self._memory, self.device)
        self._frame_bytes = self._memory[0].nbytes
        self.offset = 0


class _State:
    """The state buffers of a stream, and the binding that each step fills."""

    def __init__(self, session: Session, buffers: list[_StateBuffer], size: tuple[int, int]) -> None:
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


def open_model(path: Path, options: BackendOptions) -> Backend:
    """The network of an ONNX file: of our export, or else an image network. Raises WeightsError or BackendError."""
    device, session = open_session(path, options)
    if KEY in session.get_modelmeta().custom_metadata_map:
        return OnnxRuntime(path, options, device, session)
    return _image_backend(path, options, device, session)


class OnnxRuntime:
    """A session and the metadata of its file."""

    def __init__(self, path: Path, options: BackendOptions, device: str, session: Session) -> None:
        precision = precision_for(options.precision, device)
        self._session: Session | None = session
        self._device = ("cuda", options.device_index) if device in {"cuda", "tensorrt"} else ("cpu", 0)
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
        except RUN_ERRORS as error:
            raise mapped_error(error) from error

    def step(self, frames: Array, links: Array, state: object) -> tuple[NetworkOutput, object]:
        assert isinstance(state, _State)
        self._require_session()
        binding = state.binding
        check_size(frames, state.size)
        count = len(frames)
        outputs = [np.empty(shape, np.float32) for shape in self._metadata.image_shapes(count, *state.size)]
        frames, links = np.ascontiguousarray(frames, np.float32), np.ascontiguousarray(links, np.float32)
        for name, array in (("frames", frames), ("links", links)):
            binding.bind_input(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)
        for name, array in zip(self._metadata.image_outputs, outputs, strict=True):
            binding.bind_output(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)
        try:
            state.bind(count)
            state.session.run_with_iobinding(binding)
        except RUN_ERRORS as error:
            raise mapped_error(error) from error
        state.advance(count)
        return network_output(outputs), state

    def close(self) -> None:
        stop_sharing(self)
        self._session = self._tensorrt = None

    def _require_session(self) -> Session:
        if self._session is None:
            raise closed_error()
        return self._session


def _image_backend(path: Path, options: BackendOptions, device: str, session: Session) -> ImageBackend:
    """The image network of a session, on a CPU with `num_streams` sessions of its own.

    Raises WeightsError, or BackendError for another precision or device.
    """
    if device == "tensorrt":
        raise BackendError(f"device 'tensorrt' is for files of `adcvsr export`, not for {path.name}; take 'cuda'")

    run = _runner(session)
    facts = inspect(path, _ports(session.get_inputs()), _ports(session.get_outputs()), shapes_of(run))
    precision = PRECISIONS[facts.type]
    if options.precision not in {"auto", precision}:
        raise BackendError(f"precision {options.precision!r} is not that of {path.name}, available: {precision}")
    streams = options.num_streams if device == "cpu" else 1
    if streams > 1:
        run = _first_idle([_runner(each) for each in _stream_sessions(path, options)])
    return ImageBackend(
        facts, facts.spec(path.stem, (precision,)), f"ort/{device}/{precision}", prepare=lambda *_: run,
        type=facts.type, streams=streams, planner=TilePlanner(streams) if device == "cpu" else None,
    )  # fmt: skip


def _runner(session: Session) -> Run:
    """The function that computes the output of a session for an image."""
    name = session.get_inputs()[0].name

    def run(image: NDArray[np.generic]) -> NDArray[np.generic]:
        try:
            output: NDArray[np.generic] = session.run(None, {name: image})[0]
            return output
        except RUN_ERRORS as error:
            raise mapped_error(error) from error

    return run


def _stream_sessions(path: Path, options: BackendOptions) -> list[Session]:
    """A session for each stream, with its share of the threads."""
    threads = max(1, (options.threads or usable_cores()) // options.num_streams)
    share = replace(options, device="cpu", threads=threads)
    return [open_session(path, share)[1] for _ in range(options.num_streams)]


def _first_idle(runs: Sequence[Run]) -> Run:
    """A function that passes each image to one of `runs` that is idle, and waits for one."""
    idle: SimpleQueue[Run] = SimpleQueue()
    for run in runs:
        idle.put(run)

    def run_idle(image: NDArray[np.generic]) -> NDArray[np.generic]:
        run = idle.get()
        try:
            return run(image)
        finally:
            idle.put(run)

    return run_idle


def _ports(nodes: Sequence[Any]) -> list[Port]:
    """Inputs or outputs of a session; names of sizes are None."""
    return [
        Port(node.name, _ELEMENT_TYPES.get(node.type, node.type),
             tuple(side if isinstance(side, int) else None for side in node.shape))
        for node in nodes
    ]  # fmt: skip


class _TensorRTSessions:
    """TensorRT sessions, whose engines are built for one frame size each and cached."""

    def __init__(self, path: Path, precision: str, options: BackendOptions, metadata: ModelMetadata) -> None:
        self._path, self._precision, self._options, self._metadata = path, precision, options, metadata
        self._root = cache() / "tensorrt"
        self._lock = threading.Lock()
        self._sessions: dict[tuple[int, int], Session] = {}

    def session(self, height: int, width: int) -> Session:
        """The session for frames of (height, width); the first one of a size takes minutes. Raises BackendError."""
        with self._lock:
            if (height, width) not in self._sessions:
                self._sessions = {(height, width): self._build(height, width)}
            return self._sessions[height, width]

    def _build(self, height: int, width: int) -> Session:
        key = self._engine_key(height, width)
        engines.prepare_folder(key, self._root)
        provider_options = engines.engine_options(key, self._root)
        for _ in range(2):
            if session := new_session(self._path, "tensorrt", self._precision, self._options, provider_options):
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
            onnxruntime=VERSION,
            tensorrt=engines.tensorrt_version(),
            precision=self._precision,
            settings=self._options.settings,
            shapes=engines.shape_ranges(self._metadata, height, width),
        )


def _model_sum(path: Path, options: BackendOptions) -> str:
    """The SHA-256 of what is run."""
    return hashlib.sha256(options.blend.graph(path) if options.blend else path.read_bytes()).hexdigest()


def _metadata_of(path: Path, session: Session) -> ModelMetadata:
    """The metadata of a file, checked against its graph."""
    entry = session.get_modelmeta().custom_metadata_map.get(KEY)
    names = [[node.name for node in nodes] for nodes in (session.get_inputs(), session.get_outputs())]
    return read_metadata(path, entry, *names)

"""OpenVINO backend, for x86-64 CPUs and for GPUs of Intel.

The graph is compiled once per frame size, for all streams. Convolutions run in bf16 if `precision` says so; image
inputs and outputs, and all that is read and written, stay in fp32.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np

from vsadcvsr import calibration
from vsadcvsr.backends import BackendOptions, check_size, closed_error, stop_sharing
from vsadcvsr.backends.buffer_pool import BufferPool
from vsadcvsr.backends.cpu_features import CpuFeatures, cpu_features
from vsadcvsr.backends.onnx_metadata import KEY, SPARE_FRAMES, WEIGHTS_ELSEWHERE, network_output, read_metadata
from vsadcvsr.backends.openvino_runtime import (
    PrePostProcessor,
    core,
    device_name,
    is_onnx,
    mapped_error,
    openvino,
    precision_on_gpu,
    settings,
    without_source_lines,
    zero_copy,
)
from vsadcvsr.blending import Blend
from vsadcvsr.errors import BackendError, WeightsError, one_line
from vsadcvsr.output import NetworkOutput
from vsadcvsr.spec import Array

TYPES = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}
_CPU_TYPES = ("fp32", "bf16")
_MAP_CHANNELS = 8  # channels from which a state is a feature map
_HINTS = {
    "OpConversionFailure": "it has operators that OpenVINO lacks",
    "externally stored": WEIGHTS_ELSEWHERE,
}
"""What to do about an error of a file, by words in it."""


class _StateBuffer:
    """Memory of one state tensor. A step reads the frames it holds and writes the new ones behind them; only when the
    spare room is used up do they move to the front.
    """

    def __init__(self, frames: int, port: Any) -> None:  # noqa: ANN401 - no types
        frame_shape = [*port.shape][1:]
        self._frames = frames
        self._memory = openvino.Tensor(port.element_type, openvino.Shape([frames + SPARE_FRAMES, *frame_shape]))
        self._memory.data[:] = 0
        self._frame_shape = frame_shape
        self._offset = 0

    def next_views(self) -> tuple[Any, Any]:
        """The tensors to read and to write in the next step, which must follow."""
        if self._offset == SPARE_FRAMES:
            self._view(self._offset, self._frames).copy_to(self._view(0, self._frames))
            self._offset = 0
        read, write = self._view(self._offset, self._frames), self._view(self._offset + self._frames, 1)
        self._offset += 1
        return read, write

    def _view(self, start: int, count: int) -> Any:  # noqa: ANN401 - no types
        zeros = [0] * len(self._frame_shape)
        return openvino.Tensor(self._memory, [start, *zeros], [start + count, *self._frame_shape])


class _State:
    """The state buffers of a stream, and memory of its outputs. `request` runs the graph of one frame size."""

    def __init__(
        self,
        request: Any,  # noqa: ANN401 - no types
        size: tuple[int, int],
        buffers: list[_StateBuffer],
        outputs: list[BufferPool],
    ) -> None:
        self.request = request
        self.size = size
        self.buffers = buffers
        self.outputs = outputs


class OpenVino:
    """A graph and its metadata."""

    def __init__(self, path: Path, options: BackendOptions, model: Any) -> None:  # noqa: ANN401 - no types
        self._model = model
        entry = self._model.get_rt_info(["framework", KEY]).astype(str)
        names = [[port.get_any_name() for port in ports] for ports in (self._model.inputs, self._model.outputs)]
        self._metadata = read_metadata(path, entry, *names)
        self.spec = self._metadata.spec
        ranges = calibration.read(path, options.blend)
        self._device = device_name(options)
        if self._device == "CPU":
            precision = _precision(path, options.precision, self.spec.precisions, bool(ranges))
        else:
            precision = precision_on_gpu(options.precision)
        self.label = f"openvino/{'cpu' if self._device == 'CPU' else 'gpu'}/{precision}"
        self._type = TYPES[_floating(self.spec.precisions, supports_bf16())[-1] if precision == "int8" else precision]
        if precision == "int8":
            from vsadcvsr.backends.openvino_int8 import quantise

            quantise(self._model, ranges)
        self._settings = settings(self._type, options)
        self._compiled: dict[tuple[int, int], Any] = {}
        self._lock = threading.Lock()

    def start(self, height: int, width: int) -> object:
        try:
            with self._lock:
                if (height, width) not in self._compiled:
                    self._compiled[height, width] = self._compile(height, width)
                compiled = self._compiled[height, width]
            ports = [compiled.input(f"state_{index}") for index in range(len(self._metadata.state))]
            buffers = [_StateBuffer(spec.frames, port) for spec, port in zip(self._metadata.state, ports, strict=True)]
            outputs = [BufferPool(shape) for shape in self._metadata.image_shapes(1, height, width)]
            return _State(compiled.create_infer_request(), (height, width), buffers, outputs)
        except RuntimeError as error:
            raise mapped_error(error) from error

    def step(self, frames: Array, links: Array, state: object) -> tuple[NetworkOutput, object]:
        assert isinstance(state, _State)
        if self._model is None:
            raise closed_error()
        check_size(frames, state.size)
        pictures = [self._run_frame(state, frames[t : t + 1], links[t : t + 1]) for t in range(len(frames))]
        if len(pictures) == 1:
            return network_output(pictures[0]), state
        return network_output([np.concatenate(parts) for parts in zip(*pictures, strict=True)]), state

    def close(self) -> None:
        stop_sharing(self)
        with self._lock:
            self._compiled.clear()
            self._model = None

    def _compile(self, height: int, width: int) -> Any:  # noqa: ANN401 - no types
        if self._model is None:
            raise closed_error()
        model = self._model.clone()
        state_shapes = [[*spec.shape(spec.frames, height, width)] for spec in self._metadata.state]
        shapes = [[1, 3, height, width], [1], *state_shapes]
        model.reshape(dict(zip(self._metadata.inputs, shapes, strict=True)))
        map_states = [index for index, spec in enumerate(self._metadata.state) if spec.channels >= _MAP_CHANNELS]
        return core().compile_model(_with_native_layout(model, map_states, self._type), self._device, self._settings)

    def _run_frame(self, state: _State, frame: Array, link: Array) -> list[Array]:
        """Feeds one frame, and returns the output; writes new state frames behind the old ones."""
        images = [pool.take() for pool in state.outputs]
        views = [buffer.next_views() for buffer in state.buffers]
        inputs = [zero_copy(np.ascontiguousarray(array, np.float32)) for array in (frame, link)]
        for name, tensor in zip(self._metadata.inputs, [*inputs, *(read for read, _ in views)], strict=True):
            state.request.set_tensor(name, tensor)
        outputs = map(zero_copy, images)
        for name, tensor in zip(self._metadata.outputs, [*outputs, *(write for _, write in views)], strict=True):
            state.request.set_tensor(name, tensor)
        try:
            state.request.infer()
        except RuntimeError as error:
            raise mapped_error(error) from error
        return images


def _with_native_layout(model: Any, map_states: list[int], element_type: str) -> Any:  # noqa: ANN401 - no types
    """The model with its feature-map states in the layout and type of the convolutions, which saves conversions."""
    steps = PrePostProcessor(model)
    for index in map_states:
        for side in (steps.input(f"state_{index}"), steps.output(f"fresh_{index}")):
            side.tensor().set_element_type(getattr(openvino.Type, element_type)).set_layout(openvino.Layout("NHWC"))
            side.model().set_layout(openvino.Layout("NCHW"))
    return steps.build()


def supports_bf16() -> bool:
    """Whether this CPU has bf16 instructions. Raises BackendError."""
    try:
        return "BF16" in core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    except RuntimeError as error:
        raise BackendError(f"OpenVINO does not know this CPU ({one_line(error, 200)})") from error


def read_graph(path: Path, blend: Blend | None) -> Any:  # noqa: ANN401 - no types
    """The graph of an ONNX file, or of its blend. Raises WeightsError."""
    if not blend and not is_onnx(path):
        raise WeightsError(f"{path} cannot be read as ONNX (no model begins like it); it is truncated or no ONNX file")
    try:
        return core().read_model(blend.graph(path) if blend else str(path))
    except RuntimeError as error:
        message = without_source_lines(error)
        hints = (hint for words, hint in _HINTS.items() if words in message)
        hint = next(hints, "it is truncated or no ONNX file")
        raise WeightsError(f"{path} cannot be read as ONNX ({message[:200]}); {hint}") from error


def is_preferred(path: Path, options: BackendOptions) -> bool:
    """Whether OpenVINO is faster than ONNX Runtime with a file on this CPU, or alone has the precision that was asked
    for. Raises BackendError.
    """
    if options.precision != "auto":
        return options.precision == "int8" or supports_bf16()
    return is_faster_in_bf16() or (is_fastest_in_int8() and bool(calibration.read(path, options.blend)))


def is_faster_in_bf16() -> bool:
    """Whether this CPU is faster in bf16 than in fp32. Intel's without AMX have the instructions and are not: `fast`
    took 1.2 times as long on a Xeon of that kind. Raises BackendError.
    """
    features = cpu_features()
    return supports_bf16() and (CpuFeatures.INTEL not in features or CpuFeatures.AMX_BF16 in features)


def is_fastest_in_int8() -> bool:
    """Whether this CPU is fastest in int8: it has AVX2, and no AMX."""
    features = cpu_features()
    return CpuFeatures.AVX2 in features and CpuFeatures.AMX_INT8 not in features


def _floating(supported: tuple[str, ...], allows_bf16: bool) -> list[str]:
    return [name for name in _CPU_TYPES if name in supported and (name == "fp32" or allows_bf16)]


def _precision(path: Path, requested: str, supported: tuple[str, ...], has_ranges: bool) -> str:
    if requested == "auto":
        return "int8" if has_ranges and is_fastest_in_int8() else _floating(supported, is_faster_in_bf16())[-1]
    present = [*_floating(supported, supports_bf16()), *(["int8"] if has_ranges else [])]
    if requested == "int8" and not has_ranges:
        raise BackendError(
            "precision 'int8' needs ranges of these weights, up to this denoise, next to the model in "
            f"{calibration.ranges_path(path).name}; run `python -m vsadcvsr.train.calibrate {path.name} --data CLIPS`"
        )
    if requested not in present:
        raise BackendError(
            f"precision {requested!r} is not available to backend 'openvino' on this CPU, "
            f"available: {', '.join(present)}"
        )
    return requested

"""OpenVINO: runs files that our export made on x86-64 CPUs that count in bf16 or int8, where it takes half the time.

The graph is compiled for each size of frame that comes up, once for all streams. Convolutions are in bf16 or int8 where
`precision` says so, and what is between those in int8 is in bf16 where the CPU has that; pictures, the way to the
picture around the network, and all that is read and written stay in fp32.
"""

from __future__ import annotations

import threading
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from vsadcvsr import calibration
from vsadcvsr.backends import Options, closed, forget
from vsadcvsr.backends.onnx_metadata import KEY, picture_of, read_facts
from vsadcvsr.blending import Blend
from vsadcvsr.environment import hidden
from vsadcvsr.errors import BackendError, MissingError, WeightsError, one_line
from vsadcvsr.output import Picture
from vsadcvsr.spec import Array

_TELEMETRY = "openvino_telemetry"
"""A package that reports an import to the maker, from a fork of the process."""


def _absent(error: ImportError) -> BackendError:
    """What to do where OpenVINO cannot be imported."""
    if not find_spec("openvino"):
        return MissingError("backend 'openvino' needs OpenVINO; run `pip install vsadcvsr[openvino]`")
    if "mismatches with OpenVINO Runtime" in str(error):
        return BackendError(
            f"backend 'openvino' cannot load OpenVINO, since another build of it is in this process{_other_runtime()}; "
            "in Python `import openvino` before the first use of vs.core, for vspipe uninstall that plugin"
        )
    return BackendError(f"backend 'openvino' cannot load OpenVINO ({one_line(error, 200)}); `pip install` it again")


def _other_runtime() -> str:
    """Where the OpenVINO lies that the process has loaded, in brackets, as far as the system says."""
    try:
        maps = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    found = next((line.split(maxsplit=5)[5] for line in maps.splitlines() if "libopenvino.so" in line), "")
    return f" ({found})" if found else ""


try:
    with hidden(_TELEMETRY):
        import openvino
        from openvino.preprocess import PrePostProcessor
except ImportError as error:
    raise _absent(error) from error

_TYPES = {"fp32": "f32", "bf16": "bf16"}
_VNNI = {"avx512_vnni", "avx_vnni"}  # instructions for sums of products in int8, as Linux calls them
_WIDE = 8  # channels from which a state is a feature map
_SPARE = 7  # steps until what is held moves to the front
_NO_MEMORY = ("alloc", "out of memory")


class _Belt:
    """The memory of one state tensor. A step reads the frames that are held and writes behind them; only when there is
    no room left do those move to the front.
    """

    def __init__(self, held: int, end: Any) -> None:  # noqa: ANN401 - no types
        frame = [*end.shape][1:]
        self._held = held
        self._memory = openvino.Tensor(end.element_type, openvino.Shape([held + _SPARE, *frame]))
        self._memory.data[:] = 0
        self._frame = frame
        self._at = 0

    def turn(self) -> tuple[Any, Any]:
        """The tensors to read and to write in the next step, which must follow."""
        if self._at == _SPARE:
            self._part(self._at, self._held).copy_to(self._part(0, self._held))
            self._at = 0
        read, written = self._part(self._at, self._held), self._part(self._at + self._held, 1)
        self._at += 1
        return read, written

    def _part(self, begin: int, count: int) -> Any:  # noqa: ANN401 - no types
        zeros = [0] * len(self._frame)
        return openvino.Tensor(self._memory, [begin, *zeros], [begin + count, *self._frame])


class _State:
    """The belts of a stream. `request` runs the graph of one size."""

    def __init__(self, request: Any, size: tuple[int, int], belts: list[_Belt]) -> None:  # noqa: ANN401 - no types
        self.request = request
        self.size = size
        self.belts = belts


class OpenVino:
    """A graph and what its file says of the network."""

    def __init__(self, path: Path, options: Options) -> None:
        if options.device not in {"auto", "cpu"}:
            raise BackendError(f"device {options.device!r} is not available to backend 'openvino', available: cpu")
        self._model = _read(path, options.blend)
        noted = self._model.get_rt_info(["framework", KEY]).astype(str) if _is_noted(self._model) else None
        names = [[end.get_any_name() for end in ends] for ends in (self._model.inputs, self._model.outputs)]
        self._facts = read_facts(path, noted, *names)
        self.spec = self._facts.spec
        ranges = calibration.read(path, options.blend)
        precision = _precision(path, options.precision, self.spec.precisions, bool(ranges))
        self.label = f"openvino/cpu/{precision}"
        self._type = _TYPES[_floating(self.spec.precisions)[-1] if precision == "int8" else precision]
        if precision == "int8":
            from vsadcvsr.backends.openvino_int8 import quantise

            quantise(self._model, ranges)
        self._settings = {
            "INFERENCE_PRECISION_HINT": self._type,
            "PERFORMANCE_HINT": "LATENCY",
            "EXECUTION_MODE_HINT": "PERFORMANCE",
        }
        if options.threads:
            self._settings["INFERENCE_NUM_THREADS"] = str(options.threads)
        self._compiled: dict[tuple[int, int], Any] = {}
        self._lock = threading.Lock()

    def start(self, height: int, width: int) -> object:
        try:
            with self._lock:
                if (height, width) not in self._compiled:
                    self._compiled[height, width] = self._compile(height, width)
                compiled = self._compiled[height, width]
            ends = [compiled.input(f"state_{index}") for index in range(len(self._facts.state))]
            belts = [_Belt(slot.frames, end) for slot, end in zip(self._facts.state, ends, strict=True)]
            return _State(compiled.create_infer_request(), (height, width), belts)
        except RuntimeError as error:
            raise _failure(error) from error

    def step(self, frames: Array, links: Array, state: object) -> tuple[Picture, object]:
        assert isinstance(state, _State)
        if self._model is None:
            raise closed()
        count, _, height, width = frames.shape
        if (height, width) != state.size:
            raise BackendError(f"a frame is {width}x{height}, its state was made for {state.size[1]}x{state.size[0]}")
        pictures: list[list[Array]] = [
            [np.empty((1, *shape[1:]), np.float32) for _ in range(count)]
            for shape in self._facts.shapes(count, height, width)
        ]
        for t in range(count):
            self._one(state, frames[t : t + 1], links[t : t + 1], [made[t] for made in pictures])
        return picture_of([made[0] if count == 1 else np.concatenate(made) for made in pictures]), state

    def close(self) -> None:
        forget(self)
        with self._lock:
            self._compiled.clear()
            self._model = None

    def _compile(self, height: int, width: int) -> Any:  # noqa: ANN401 - no types
        if self._model is None:
            raise closed()
        model = self._model.clone()
        held = [[*slot.shape(slot.frames, height, width)] for slot in self._facts.state]
        shapes = [[1, 3, height, width], [1], *held]
        model.reshape(dict(zip(self._facts.inputs, shapes, strict=True)))
        wide = [index for index, slot in enumerate(self._facts.state) if slot.channels >= _WIDE]
        return _core().compile_model(_in_its_own_layout(model, wide, self._type), "CPU", self._settings)

    def _one(self, state: _State, frame: Array, link: Array, made: list[Array]) -> None:
        """One frame in; what comes out is written into `made`, and what is fresh behind the state."""
        parts = [belt.turn() for belt in state.belts]
        given = [_shared(np.ascontiguousarray(array, np.float32)) for array in (frame, link)]
        for name, tensor in zip(self._facts.inputs, [*given, *(read for read, _ in parts)], strict=True):
            state.request.set_tensor(name, tensor)
        taken = map(_shared, made)
        for name, tensor in zip(self._facts.outputs, [*taken, *(fresh for _, fresh in parts)], strict=True):
            state.request.set_tensor(name, tensor)
        try:
            state.request.infer()
        except RuntimeError as error:
            raise _failure(error) from error


@cache
def _core() -> Any:  # noqa: ANN401 - no types
    try:
        return openvino.Core()
    except RuntimeError as error:
        raise BackendError(f"OpenVINO does not start ({one_line(error, 200)})") from error


def _in_its_own_layout(model: Any, wide: list[int], kind: str) -> Any:  # noqa: ANN401 - no types
    """The model with its wide states in the order and the type that convolutions keep them in, to save conversions."""
    steps = PrePostProcessor(model)
    for index in wide:
        for side in (steps.input(f"state_{index}"), steps.output(f"fresh_{index}")):
            side.tensor().set_element_type(getattr(openvino.Type, kind)).set_layout(openvino.Layout("NHWC"))
            side.model().set_layout(openvino.Layout("NCHW"))
    return steps.build()


def _shared(array: Array) -> Any:  # noqa: ANN401 - no types
    """The array as OpenVINO sees it, without a copy."""
    return openvino.Tensor(array, shared_memory=True)


def counts_in_bf16() -> bool:
    """Whether this CPU has instructions for bf16; without them bf16 is slower than fp32. Raises BackendError."""
    try:
        return "BF16" in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    except RuntimeError as error:
        raise BackendError(f"OpenVINO does not know this CPU ({one_line(error, 200)})") from error


def _read(path: Path, blend: Blend | None) -> Any:  # noqa: ANN401 - no types
    try:
        return _core().read_model(blend.graph(path) if blend else str(path))
    except RuntimeError as error:
        told = one_line(error, 200)
        raise WeightsError(f"{path} cannot be read as ONNX ({told}); it is truncated or no ONNX file") from error


def _is_noted(model: Any) -> bool:  # noqa: ANN401 - no types
    return bool(model.has_rt_info(["framework", KEY]))


def suits(path: Path, options: Options) -> bool:
    """Whether OpenVINO is faster than ONNX Runtime with a file on this CPU. Raises BackendError."""
    return counts_in_bf16() or (counts_in_int8() and bool(calibration.read(path, options.blend)))


@cache
def counts_in_int8() -> bool:
    """Whether this CPU is fastest in int8: it has VNNI, and no AMX. False where the system does not say: Linux does."""
    try:
        words = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").partition("\n\n")[0].split()
    except OSError:
        return False
    return not _VNNI.isdisjoint(words) and "amx_int8" not in words


def _floating(able: tuple[str, ...]) -> list[str]:
    return [name for name in _TYPES if name in able and (name == "fp32" or counts_in_bf16())]


def _precision(path: Path, wanted: str, able: tuple[str, ...], has_ranges: bool) -> str:
    present = [*_floating(able), *(["int8"] if has_ranges else [])]
    if wanted == "auto":
        return present[-1] if counts_in_int8() else _floating(able)[-1]
    if wanted == "int8" and not has_ranges:
        raise BackendError(
            "precision 'int8' needs ranges of these weights, up to this denoise, beside the model in "
            f"{calibration.beside(path).name}; run `python -m vsadcvsr.train.calibrate {path.name} --data CLIPS`"
        )
    if wanted not in present:
        raise BackendError(
            f"precision {wanted!r} is not available to backend 'openvino' on this CPU, available: {', '.join(present)}"
        )
    return wanted


def _failure(error: RuntimeError) -> Exception:
    told = one_line(error, 300)
    if any(sign in told.lower() for sign in _NO_MEMORY):
        return MemoryError(told)
    return BackendError(f"OpenVINO failed: {told}")

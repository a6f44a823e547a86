"""OpenVINO: runs files that our export made on x86-64 CPUs that count in bf16, where it takes about half the time.

The graph is compiled for each size of frame that comes up, once for all streams. Convolutions are in bf16 where
`precision` says so; pictures, the way to the picture around the network, and all that is read and written stay in fp32.
"""

from __future__ import annotations

import threading
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from vsadcvsr.backends import Options, forget
from vsadcvsr.backends.graph import KEY, picture_of, read_facts
from vsadcvsr.errors import BackendError, WeightsError
from vsadcvsr.picture import Picture
from vsadcvsr.spec import Array

try:
    import openvino
except ImportError as error:
    words = f"backend 'openvino' needs more than is installed ({error}); run `pip install vsadcvsr[openvino]`"
    raise BackendError(words) from error

_TYPES = {"fp32": "f32", "bf16": "bf16"}
_NO_MEMORY = ("alloc", "out of memory")


class _State:
    """Two sets of state buffers; one is read while the other is written. `request` runs the graph of one size."""

    def __init__(self, request: Any, size: tuple[int, int], sets: tuple[list[Any], list[Any]]) -> None:  # noqa: ANN401 - no types
        self.request = request
        self.size = size
        self.sets = sets


class OpenVino:
    """A graph and what its file says of the network."""

    def __init__(self, path: Path, options: Options) -> None:
        if options.device not in {"auto", "cpu"}:
            raise BackendError(f"device {options.device!r} is not available to backend 'openvino', available: cpu")
        self._model = _read(path)
        noted = self._model.get_rt_info(["framework", KEY]).astype(str) if _is_noted(self._model) else None
        names = [[end.get_any_name() for end in ends] for ends in (self._model.inputs, self._model.outputs)]
        self._facts = read_facts(path, noted, *names)
        self.spec = self._facts.spec
        precision = _precision(options.precision, self.spec.precisions)
        self.label = f"openvino/cpu/{precision}"
        self._settings = {
            "INFERENCE_PRECISION_HINT": _TYPES[precision],
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
                request = self._compiled[height, width].create_infer_request()
            slots = self._facts.state
            sets = tuple([_shared(slot.zeros(height, width)) for slot in slots] for _ in range(2))
        except RuntimeError as error:
            raise _failure(error) from error
        return _State(request, (height, width), (sets[0], sets[1]))

    def step(self, frames: Array, links: Array, state: object) -> tuple[Picture, object]:
        assert isinstance(state, _State)
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
            raise BackendError("the model has been closed; load it again")
        model = self._model.clone()
        shapes = [[1, 3, height, width], [1], *([*slot.zeros(height, width).shape] for slot in self._facts.state)]
        model.reshape(dict(zip(self._facts.inputs, shapes, strict=True)))
        return _core().compile_model(model, "CPU", self._settings)

    def _one(self, state: _State, frame: Array, link: Array, made: list[Array]) -> None:
        """One frame in; what comes out is written into `made`, and the state's two sets change places."""
        read, written = state.sets
        given = [_shared(np.ascontiguousarray(array, np.float32)) for array in (frame, link)]
        taken = [_shared(array) for array in made]
        for name, tensor in zip(self._facts.inputs, [*given, *read], strict=True):
            state.request.set_tensor(name, tensor)
        for name, tensor in zip(self._facts.outputs, [*taken, *written], strict=True):
            state.request.set_tensor(name, tensor)
        try:
            state.request.infer()
        except RuntimeError as error:
            raise _failure(error) from error
        state.sets = (written, read)


@cache
def _core() -> Any:  # noqa: ANN401 - no types
    return openvino.Core()


def _shared(array: Array) -> Any:  # noqa: ANN401 - no types
    """The array as OpenVINO sees it, without a copy."""
    return openvino.Tensor(array, shared_memory=True)


def counts_in_bf16() -> bool:
    """Whether this CPU has instructions for bf16; without them bf16 is slower than fp32."""
    return "BF16" in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _read(path: Path) -> Any:  # noqa: ANN401 - no types
    try:
        return _core().read_model(str(path))
    except RuntimeError as error:
        told = " ".join(str(error).split())[:200]
        raise WeightsError(f"{path} cannot be read as ONNX ({told}); it is truncated or no ONNX file") from error


def _is_noted(model: Any) -> bool:  # noqa: ANN401 - no types
    return bool(model.has_rt_info(["framework", KEY]))


def _precision(wanted: str, able: tuple[str, ...]) -> str:
    present = [name for name in _TYPES if name in able and (name == "fp32" or counts_in_bf16())]
    if wanted == "auto":
        return present[-1]
    if wanted not in present:
        raise BackendError(
            f"precision {wanted!r} is not available to backend 'openvino' on this CPU, available: {', '.join(present)}"
        )
    return wanted


def _failure(error: RuntimeError) -> Exception:
    told = " ".join(str(error).split())[:300]
    if any(sign in told.lower() for sign in _NO_MEMORY):
        return MemoryError(told)
    return BackendError(f"OpenVINO failed: {told}")

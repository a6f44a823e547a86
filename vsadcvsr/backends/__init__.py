"""Inference backends, imported on first use; a loaded model is shared by all of its users."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol, cast, runtime_checkable
from weakref import WeakValueDictionary

from vsadcvsr import argument_checks, calibration
from vsadcvsr.backends.option_syntax import Settings, parse_settings
from vsadcvsr.blending import Blend
from vsadcvsr.color import OutputFormat
from vsadcvsr.errors import BackendError, UsageError, WeightsError, near_misses
from vsadcvsr.output import NetworkOutput, OutputFrame
from vsadcvsr.spec import Array, ModelSpec
from vsadcvsr.tiling import TileOptions

TABLE = {
    "ort": "vsadcvsr.backends.ort:open_model",
    "openvino": "vsadcvsr.backends.openvino_models:open_model",
    "torch": "vsadcvsr.backends.pytorch.backend:TorchBackend",
    "nearest": "vsadcvsr.backends.nearest:Nearest",
}

BACKENDS_BY_SUFFIX = {".onnx": ("ort", "openvino"), ".safetensors": ("torch",), ".pth": ("torch",), "": ("nearest",)}
"""Backends by file type; models without a suffix are built in."""

DEVICES = ("auto", "cpu", "cuda", "tensorrt", "directml", "coreml", "gpu")
"""`gpu` is a GPU of Intel's on OpenVINO, the others but `cpu` are GPUs on ONNX Runtime, `cuda` also on torch."""
_MAX_STREAMS = 64
MAX_THREADS = 1024
"""Runtimes start as many as they are asked for, and with far more than a machine has use for they end the process."""
PRECISIONS = ("auto", "fp32", "fp16", "bf16", "int8")


class Backend(Protocol):
    """A loaded network. One instance serves many streams and threads; each stream has its own state."""

    spec: ModelSpec
    label: str
    """Backend, device and precision, such as "ort/cpu/fp32"."""

    def start(self, height: int, width: int) -> object:
        """The initial state of a stream. Height and width must be divisible by `spec.multiple`."""

    def step(self, frames: Array, links: Array, state: object) -> tuple[NetworkOutput, object]:
        """Feeds frames (T, 3, H, W) with links (T,), both float32; returns T output frames and the next state.

        `links[t]` is 1 where frame t continues frame t-1, 0 at the first frame and at a cut.
        The output, RGB (T, 3, sH, sW) of scale s or base and detail, is `spec.lookahead` frames behind, not clamped,
        and owned by the caller. `state` is consumed: only the returned one is valid for the next step. Raises
        MemoryError if memory is short, BackendError for any other failure.
        """

    def close(self) -> None:
        """Closes the network for all of its users: `start` and `step` raise BackendError from now on, and `load` loads
        it again. Its memory is freed with the last stream. To leave it to others, drop the reference instead.
        """


@runtime_checkable
class MemoryPlanner(Protocol):
    """A backend that plans its memory in advance."""

    def plan(self, height: int, width: int, requested: TileOptions | None) -> TileOptions | None:
        """The tiles for frames of (height, width): those requested, otherwise what fits; None for whole frames.

        Raises BackendError if nothing fits.
        """


@runtime_checkable
class PlanarBackend(Protocol):
    """A backend that can produce the planes of video frames on its device."""

    planar_output: bool
    """Whether planar output is enabled."""

    def planar_step(
        self, frame: Array, link: Array, state: object, output_format: OutputFormat | None
    ) -> tuple[OutputFrame, object]:
        """As `Backend.step` for one frame (1, 3, H, W), padded at the right and bottom. `output_format` is for the
        output of this frame, which comes `spec.lookahead` steps later; None returns it as `step` does.
        """


@runtime_checkable
class IndependentBackend(Protocol):
    """A backend without memory: each output depends on its own frame alone, so that steps may run at once."""

    streams: int
    """How many steps may run at once, each with a state of its own."""


@dataclass(frozen=True, kw_only=True)
class BackendOptions:
    """Device, precision and settings of the library."""

    device: str = "auto"
    device_index: int = 0
    precision: str = "auto"
    threads: int = 0
    """CPU threads of all streams together; 0 for all cores."""
    num_streams: int = 1
    """Frames that a network without memory computes at once on a CPU."""
    settings: Settings = ()
    """Options of the library by its own names."""
    blend: Blend | None = None

    def __post_init__(self) -> None:
        _check_name("device", self.device, DEVICES)
        _check_name("precision", self.precision, PRECISIONS)
        between = argument_checks.between
        numbers = {
            "device_index": argument_checks.at_least(0, "device_index", self.device_index, "0 or more"),
            "threads": between(0, MAX_THREADS, "threads", self.threads, f"0 (all cores) to {MAX_THREADS}"),
            "num_streams": between(1, _MAX_STREAMS, "num_streams", self.num_streams, f"1 to {_MAX_STREAMS}"),
        }
        for name, number in numbers.items():
            object.__setattr__(self, name, number)


class _Factory(Protocol):
    def __call__(self, path: Path, options: BackendOptions) -> Backend: ...


_log = logging.getLogger(__name__)

# Weak references: a model is freed with its last user, without counting.
_loaded: WeakValueDictionary[tuple[object, ...], Backend] = WeakValueDictionary()
_lock = threading.Lock()


def suffixes(backend: str) -> tuple[str, ...]:
    """The file types that `backend` runs, in order of preference."""
    _check_name("backend", backend, ("auto", *TABLE))
    return tuple(suffix for suffix, names in BACKENDS_BY_SUFFIX.items() if backend in {"auto", *names})


def load(
    path: Path,
    *,
    backend: str = "auto",
    device: str = "auto",
    device_index: int = 0,
    precision: str = "auto",
    threads: int = 0,
    num_streams: int = 1,
    backend_options: str = "",
    blend: Blend | None = None,
) -> Backend:
    """The model of a weights file, shared by all who load the same file in the same way, until the last one drops it.

    `backend_options` are options of the backend's library by its own names, `key=value&key=value`.

    By itself an ONNX file runs on a GPU where ONNX Runtime has one, else on OpenVINO where the CPU is faster in bf16,
    or in int8 and the model is calibrated, else on ONNX Runtime. Raises UsageError, WeightsError or BackendError.
    """
    options = BackendOptions(
        device=device, device_index=device_index, precision=precision, threads=threads, num_streams=num_streams,
        settings=parse_settings(backend_options, backend), blend=blend,
    )  # fmt: skip
    chosen = _backend_for(path, backend, options)
    try:
        return _load_shared(chosen, path, options)
    except BackendError as error:
        if backend != "auto" or chosen != "openvino" or precision == "int8":
            raise
        _warn_openvino_unusable(error)
        return _load_shared("ort", path, options)


def _load_shared(name: str, path: Path, options: BackendOptions) -> Backend:
    with _lock:
        others = [options.blend.path] if options.blend else []
        others += [ranges] if (ranges := calibration.ranges_path(path)).is_file() else []
        key = (name, options, *_identity(path), *map(_identity, others))
        if (shared := _loaded.get(key)) is not None:
            return shared
        module, factory = TABLE[name].split(":")
        backend = cast(_Factory, getattr(import_module(module), factory))(path, options)
        _loaded[key] = backend
        _log.info("model %r runs on %s", backend.spec.name, backend.label)
        if options.num_streams > streams_of(backend):
            _warn_once(
                f"num_streams={options.num_streams} changes nothing for model {backend.spec.name!r} ({backend.label}): "
                "only image networks compute several frames at once, on backends 'ort' and 'openvino' on a CPU"
            )
        return backend


def streams_of(backend: Backend) -> int:
    """How many steps may run at once."""
    return backend.streams if isinstance(backend, IndependentBackend) else 1


def automatic_backend(path: Path) -> str:
    """The backend that "auto" chooses for a file."""
    return _backend_for(path, "auto", BackendOptions())


def check_size(frames: Array, size: tuple[int, int]) -> None:
    """Raises BackendError for frames of another size than the (height, width) of their stream's state."""
    height, width = frames.shape[2:]
    if (height, width) != size:
        raise BackendError(f"a frame is {width}x{height}, its state was made for {size[1]}x{size[0]}")


def closed_error() -> BackendError:
    """The error of a backend after `close`."""
    return BackendError("the model has been closed; load it again")


def stop_sharing(backend: Backend) -> None:
    """Removes a backend that is being closed from those that `load` shares."""
    with _lock:
        for key in [key for key, value in _loaded.items() if value is backend]:
            del _loaded[key]


def _backend_for(path: Path, backend: str, options: BackendOptions) -> str:
    if path.suffix not in (fitting := suffixes(backend)):
        allowed = " or ".join(filter(None, fitting)) or "built-in models"
        raise WeightsError(f"{path} does not run on backend {backend!r}, allowed: {allowed}")
    if backend != "auto":
        return backend
    first, *others = BACKENDS_BY_SUFFIX[path.suffix]
    return "openvino" if "openvino" in others and _prefers_openvino(path, options) else first


def _prefers_openvino(path: Path, options: BackendOptions) -> bool:
    if options.device not in {"auto", "cpu"} or options.precision not in {"auto", "bf16", "int8"}:
        return False
    try:
        openvino, ort = (import_module(f"vsadcvsr.backends.{name}") for name in ("openvino", "ort_session"))
        return bool(openvino.is_preferred(path, options)) and (options.device == "cpu" or not ort.has_gpu())
    except BackendError as error:
        if find_spec("openvino"):  # installed, and yet unusable
            _warn_openvino_unusable(error)
        return False


def _warn_openvino_unusable(error: BackendError) -> None:
    _warn_once(f"backend 'auto' runs on ONNX Runtime, since OpenVINO cannot be used: {error}")


@cache
def _warn_once(words: str) -> None:
    _log.warning("%s", words)


def _identity(path: Path) -> tuple[object, ...]:
    """Path, modification time and size: they change when the file is written again."""
    if not path.suffix:
        return (path.name,)
    try:
        stat = path.stat()
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}") from error
    return path.resolve(), stat.st_mtime_ns, stat.st_size


def _check_name(argument: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise UsageError.of(argument, value, ", ".join(allowed), near_misses(str(value), allowed))

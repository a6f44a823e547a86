"""Backends, which run networks: each is imported when first asked for; a loaded model is shared by all who use it."""

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

from vsadcvsr import arguments, calibration
from vsadcvsr.blending import Blend
from vsadcvsr.color import Finish
from vsadcvsr.errors import BackendError, UsageError, WeightsError, near_misses
from vsadcvsr.output import Finished, Picture
from vsadcvsr.spec import Array, ModelSpec
from vsadcvsr.tiling import Tiling

TABLE = {
    "ort": "vsadcvsr.backends.ort:OnnxRuntime",
    "openvino": "vsadcvsr.backends.openvino:OpenVino",
    "torch": "vsadcvsr.backends.pytorch.backend:Eager",
    "nearest": "vsadcvsr.backends.nearest:Nearest",
}

TAKES = {".onnx": ("ort", "openvino"), ".safetensors": ("torch",), "": ("nearest",)}
"""Which backends run which kind of file; models without a suffix are built in."""

DEVICES = ("auto", "cpu", "cuda", "tensorrt")
PRECISIONS = ("auto", "fp32", "fp16", "bf16", "int8")


class Backend(Protocol):
    """A loaded network. One instance serves many streams and threads; what a stream has seen is in its state."""

    spec: ModelSpec
    label: str
    """What runs where, such as "ort/cpu/fp32"."""

    def start(self, height: int, width: int) -> object:
        """The state of a stream that has seen nothing. The size must divide by `spec.multiple`."""

    def step(self, frames: Array, links: Array, state: object) -> tuple[Picture, object]:
        """Feeds frames (T, 3, H, W) with links (T,), both float32; gives T pictures and the next state.

        The pictures, whole (T, 3, 4H, 4W) or in parts, are `spec.lookahead` frames behind, not clamped, and belong to
        the caller. `state` is used up: only the one returned is good for the next step. Raises MemoryError when there
        is not enough memory, BackendError for any other failure.
        """

    def close(self) -> None:
        """Ends the network for all who share it: from now on `start` and `step` raise BackendError, and `load` loads it
        anew. Its memory goes with the last stream. To leave it to the others, drop the reference instead.
        """


@runtime_checkable
class Planner(Protocol):
    """A backend that plans its memory before it takes any."""

    def plan(self, height: int, width: int, wanted: Tiling | None) -> Tiling | None:
        """The tiles for frames of (height, width): those that are wanted, else what fits; None is whole frames.

        Raises BackendError where nothing fits.
        """


@runtime_checkable
class Finisher(Protocol):
    """A backend that can make the planes of video frames by itself, where its pictures are."""

    finishes: bool
    """Whether it is to."""

    def finishing_step(
        self, frame: Array, link: Array, state: object, finish: Finish | None
    ) -> tuple[Finished, object]:
        """As `Backend.step` for a frame (1, 3, H, W), of which the top left is picture. `finish` is for the picture of
        this frame, which comes `spec.lookahead` steps later; with None it comes as `step` would give it.
        """


@dataclass(frozen=True, kw_only=True)
class Options:
    """Where and how to run; the same for every backend. `threads` counts CPU threads, 0 for all cores; `blend` says
    which weights are blended with those of the file.
    """

    device: str = "auto"
    device_index: int = 0
    precision: str = "auto"
    threads: int = 0
    blend: Blend | None = None

    def __post_init__(self) -> None:
        _check_name("device", self.device, DEVICES)
        _check_name("precision", self.precision, PRECISIONS)
        for name, allowed in (("device_index", "0 or more"), ("threads", "0 (all cores) or more")):
            object.__setattr__(self, name, arguments.at_least(0, name, getattr(self, name), allowed))


class _Maker(Protocol):
    def __call__(self, path: Path, options: Options) -> Backend: ...


_log = logging.getLogger(__name__)

# Weak, so that a model goes when its last user has gone: nobody has to count.
_loaded: WeakValueDictionary[tuple[object, ...], Backend] = WeakValueDictionary()
_lock = threading.Lock()


def suffixes(backend: str) -> tuple[str, ...]:
    """The kinds of file that `backend` runs, in order of preference."""
    _check_name("backend", backend, ("auto", *TABLE))
    return tuple(suffix for suffix, names in TAKES.items() if backend in {"auto", *names})


def load(
    path: Path,
    *,
    backend: str = "auto",
    device: str = "auto",
    device_index: int = 0,
    precision: str = "auto",
    threads: int = 0,
    blend: Blend | None = None,
) -> Backend:
    """The model of a weights file, shared by all who load the same file in the same way, until the last one drops it.

    By itself an ONNX file runs on a GPU where ONNX Runtime has one, else on OpenVINO where the CPU counts in bf16, or
    in int8 and the model is calibrated, else on ONNX Runtime. Raises UsageError, WeightsError or BackendError.
    """
    options = Options(device=device, device_index=device_index, precision=precision, threads=threads, blend=blend)
    name = _backend_for(path, backend, options)
    try:
        return _shared(name, path, options)
    except BackendError as error:
        if backend != "auto" or name != "openvino" or precision == "int8":
            raise
        _openvino_is_out(error)
        return _shared("ort", path, options)


def _shared(name: str, path: Path, options: Options) -> Backend:
    with _lock:
        others = [options.blend.path] if options.blend else []
        others += [ranges] if (ranges := calibration.beside(path)).is_file() else []
        key = (name, options, *_identity(path), *map(_identity, others))
        if (known := _loaded.get(key)) is not None:
            return known
        module, maker = TABLE[name].split(":")
        made = cast(_Maker, getattr(import_module(module), maker))(path, options)
        _loaded[key] = made
        _log.info("model %r runs on %s", made.spec.name, made.label)
        return made


def chosen(path: Path) -> str:
    """The backend that "auto" takes for a file."""
    return _backend_for(path, "auto", Options())


def closed() -> BackendError:
    """What a backend raises after `close`."""
    return BackendError("the model has been closed; load it again")


def forget(backend: Backend) -> None:
    """Sees to it that nobody is handed `backend` any more: for those who close one."""
    with _lock:
        for key in [key for key, value in _loaded.items() if value is backend]:
            del _loaded[key]


def _backend_for(path: Path, backend: str, options: Options) -> str:
    if path.suffix not in (fitting := suffixes(backend)):
        takes = " or ".join(filter(None, fitting)) or "built-in models"
        raise WeightsError(f"{path} does not run on backend {backend!r}, allowed: {takes}")
    if backend != "auto":
        return backend
    first, *others = TAKES[path.suffix]
    return "openvino" if "openvino" in others and _suits_openvino(path, options) else first


def _suits_openvino(path: Path, options: Options) -> bool:
    if options.device not in {"auto", "cpu"} or options.precision not in {"auto", "bf16", "int8"}:
        return False
    try:
        ours, ort = (import_module(f"vsadcvsr.backends.{name}") for name in ("openvino", "ort"))
        suits = options.precision == "int8" or bool(ours.suits(path, options))
        return suits and (options.device == "cpu" or not ort.has_gpu())
    except BackendError as error:
        if find_spec("openvino"):  # installed, and yet of no use
            _openvino_is_out(error)
        return False


def _openvino_is_out(error: BackendError) -> None:
    _warn_once(f"backend 'auto' runs on ONNX Runtime, since OpenVINO cannot be used: {error}")


@cache
def _warn_once(words: str) -> None:
    _log.warning("%s", words)


def _identity(path: Path) -> tuple[object, ...]:
    """What changes when the file is written anew."""
    if not path.suffix:
        return (path.name,)
    try:
        stat = path.stat()
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}") from error
    return path.resolve(), stat.st_mtime_ns, stat.st_size


def _check_name(argument: str, given: str, allowed: tuple[str, ...]) -> None:
    if given not in allowed:
        raise UsageError.of(argument, given, ", ".join(allowed), near_misses(str(given), allowed))

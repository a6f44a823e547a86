"""The OpenVINO library: its import, devices, properties, and its errors as ours."""

from __future__ import annotations

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from vsadcvsr.backends import BackendOptions
from vsadcvsr.environment import hidden
from vsadcvsr.errors import BackendError, MissingError, UsageError, near_misses, one_line
from vsadcvsr.extras import install
from vsadcvsr.spec import Array

__all__ = [
    "PrePostProcessor", "check_properties", "core", "device_name", "is_onnx", "mapped_error", "openvino",
    "precision_on_gpu", "present_devices", "settings", "without_source_lines", "zero_copy",
]  # fmt: skip

_TELEMETRY = "openvino_telemetry"
"""A package that reports an import to the maker, from a fork of the process."""


def _import_error(error: ImportError) -> BackendError:
    """The error for a failed import of OpenVINO, with what to do."""
    if not find_spec("openvino"):
        return MissingError(f"backend 'openvino' needs OpenVINO; run `{install('openvino')}`")
    if "mismatches with OpenVINO Runtime" in str(error):
        return BackendError(
            f"backend 'openvino' cannot load OpenVINO: another build of it is in this process{_loaded_runtime()}; "
            "in Python `import openvino` before the first use of vs.core, for vspipe uninstall that plugin"
        )
    return BackendError(f"backend 'openvino' cannot load OpenVINO ({one_line(error, 200)}); `pip install` it again")


def _loaded_runtime() -> str:
    """Where the OpenVINO lies that the process has loaded, in brackets, as far as the system says."""
    try:
        maps = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    path = next((line.split(maxsplit=5)[5] for line in maps.splitlines() if "libopenvino.so" in line), "")
    return f" ({path})" if path else ""


try:
    with hidden(_TELEMETRY):
        import openvino
        from openvino.frontend import FrontEndManager
        from openvino.preprocess import PrePostProcessor
except ImportError as error:
    raise _import_error(error) from error

_GPU_TYPES = ("fp16", "fp32")
_NO_MEMORY = ("alloc", "out of memory")

_SET_BY_OPTIONS = {
    "INFERENCE_PRECISION_HINT": "precision",
    "INFERENCE_NUM_THREADS": "threads",
    "NUM_STREAMS": "num_streams",
    "DEVICE_ID": "device_index",
}
"""Properties that options of AdcVSR set."""
_CACHE_PROPERTIES = ("CACHE_DIR", "CACHE_MODE")
"""Properties of every device, which no device lists."""


@cache
def core() -> Any:  # noqa: ANN401 - no types
    """The library's entry. Raises BackendError."""
    try:
        return openvino.Core()
    except RuntimeError as error:
        raise BackendError(f"OpenVINO does not start ({one_line(error, 200)})") from error


def present_devices() -> list[str]:
    """The devices that OpenVINO finds on this machine, with their names. Raises BackendError."""
    return [f"{name} ({core().get_property(name, 'FULL_DEVICE_NAME')})" for name in core().available_devices]


@cache
def _onnx_reader() -> Any:  # noqa: ANN401 - no types
    return FrontEndManager().load_by_framework("onnx")


def is_onnx(path: Path) -> bool:
    """Whether a file begins as ONNX does: others would be offered to readers of all formats that OpenVINO knows."""
    return bool(_onnx_reader().supported(str(path)))


def device_name(options: BackendOptions) -> str:
    """The device as OpenVINO calls it. Raises BackendError."""
    present = core().available_devices
    gpus = [name for name in present if name.startswith("GPU")]
    if options.device in {"auto", "cpu"}:
        return "CPU"
    if options.device != "gpu" or not gpus:
        names = "cpu, gpu" if gpus else "cpu"
        raise BackendError(f"device {options.device!r} is not available to backend 'openvino', available: {names}")
    if options.device_index >= len(gpus):
        raise BackendError(f"device_index {options.device_index} does not exist, available: 0 to {len(gpus) - 1}")
    return str(gpus[options.device_index])


def precision_on_gpu(requested: str) -> str:
    """The precision on a GPU; by itself fp16. Raises BackendError."""
    if requested not in {"auto", *_GPU_TYPES}:
        names = ", ".join(_GPU_TYPES)
        raise BackendError(f"precision {requested!r} is not available to OpenVINO on GPUs, available: {names}")
    return _GPU_TYPES[0] if requested == "auto" else requested


def check_properties(options: BackendOptions, device: str) -> None:
    """Raises UsageError for options that a device does not have, or for values that it does not take."""
    if not options.settings:
        return
    listed = core().get_property(device, "SUPPORTED_PROPERTIES").items()
    known = {str(name) for name, access in listed if str(access) != "RO"} - _SET_BY_OPTIONS.keys()
    known |= {*_CACHE_PROPERTIES}
    trial = openvino.Core()  # settings of a core stay
    for name, value in options.settings:
        if option := _SET_BY_OPTIONS.get(name):
            raise UsageError(f"backend_options: {name} is set by the option {option}; use that")
        if name not in known:
            words = f"backend_options: {name!r} is no property of OpenVINO's {device} that can be set"
            parts = (words, near_misses(name, known), f"those are {', '.join(sorted(known))}")
            raise UsageError("; ".join(filter(None, parts)))
        try:
            trial.set_property(device, {name: value})
            trial.get_property(device, "FULL_DEVICE_NAME")  # starts the device, with its properties
        except RuntimeError as error:
            reason = without_source_lines(error)[:200]
            raise UsageError(f"backend_options: {name} is {value!r}, which OpenVINO refuses ({reason})") from error


def without_source_lines(error: RuntimeError) -> str:
    """An error of OpenVINO in one line, without the places in its own source."""
    return re.sub(r"^.*\.cpp:\d+: ", "", one_line(error))


def settings(element_type: str, options: BackendOptions, *, streams: int = 1) -> dict[str, str]:
    """Properties of a compiled graph whose convolutions run in `element_type`."""
    defaults = {"PERFORMANCE_HINT": "LATENCY", "EXECUTION_MODE_HINT": "PERFORMANCE"}
    threads = {"INFERENCE_NUM_THREADS": str(options.threads)} if options.threads else {}
    several = {"NUM_STREAMS": str(streams)} if streams > 1 else {}
    return {**defaults, **dict(options.settings), "INFERENCE_PRECISION_HINT": element_type, **threads, **several}


def zero_copy(array: Array) -> Any:  # noqa: ANN401 - no types
    """The array as OpenVINO sees it, without a copy."""
    return openvino.Tensor(array, shared_memory=True)


def mapped_error(error: RuntimeError) -> Exception:
    message = one_line(error, 300)
    if any(sign in message.lower() for sign in _NO_MEMORY):
        return MemoryError(message)
    return BackendError(f"OpenVINO failed: {message}")

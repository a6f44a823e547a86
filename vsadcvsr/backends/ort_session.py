"""Sessions of ONNX Runtime: devices, providers, precisions, and its errors as ours."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

from vsadcvsr.backends import BackendOptions, ort_options
from vsadcvsr.backends.onnx_metadata import WEIGHTS_ELSEWHERE
from vsadcvsr.environment import NO_TELEMETRY, usable_cores, variables
from vsadcvsr.errors import BackendError, MissingError, WeightsError, one_line
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
    "directml": ("DmlExecutionProvider", "CPUExecutionProvider"),
    "coreml": ("CoreMLExecutionProvider", "CPUExecutionProvider"),
}
_PRECISIONS = {
    "cpu": ("fp32",), "cuda": ("fp32",), "tensorrt": ("fp16", "fp32"), "directml": ("fp32",), "coreml": ("fp32",),
}  # fmt: skip
"""Precisions of each device for a file in fp32; the first is the default of "auto"."""

_PACKAGES = {"cuda": "onnxruntime-gpu", "tensorrt": "onnxruntime-gpu", "directml": "onnxruntime-directml"}
"""The builds of ONNX Runtime for devices that the usual one lacks; CoreML is in the one for macOS."""

_AUTO_DEVICES = ("cuda", "cpu")  # not TensorRT, which builds an engine for minutes

RUN_ERRORS = (
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

_NO_MEMORY = ("allocate", "bad_alloc", "out of memory")
_LACKING = "it has operators that this ONNX Runtime lacks"
_NEWER = "it is for a newer ONNX than this ONNX Runtime; update that, or export it with an older opset"
_HINTS = {
    "not a registered": _LACKING,
    "Could not find an implementation": _LACKING,
    "xternal": WEIGHTS_ELSEWHERE,
    "support for domain": _NEWER,
    "IR version": _NEWER,
}
"""What to do about an error of a file, by words in it."""
_SOURCE_LINES = re.compile(
    r"\[ONNXRuntimeError\] : \d+ : \w+ : |/onnxruntime_src/\S+ .*?\) (?=[A-Z\[])|\w+\.cc:\d+ \w+ "
)
"""What ONNX Runtime's errors say of its own source."""

_SESSION_ENTRIES = {
    "session.intra_op.allow_spinning": "0",  # hosts have work of their own for the cores that would spin
    "session.set_denormal_as_zero": "1",
}
"""Our own entries of a session's configuration."""

_log = logging.getLogger(__name__)

VERSION: str = onnxruntime.__version__

type Session = Any  # onnxruntime has no types
type Value = Any


def open_session(path: Path, options: BackendOptions) -> tuple[str, Session]:
    """A session on the first device that works, and that device."""
    devices = _devices(options.device)
    for device in devices:
        supported = _PRECISIONS[device]
        precision = options.precision if options.precision in supported else supported[0]
        session = new_session(path, device, precision, options)
        if session and session.get_providers()[0] == _PROVIDERS[device][0]:
            return device, session
    message = f"device {devices[-1]!r} (index {options.device_index}) did not start"
    raise BackendError(f"{message}, available: cpu; look at the driver, CUDA and cuDNN")


def value_of(array: Array, device: tuple[str, int]) -> Value:
    """A value in the memory of a device; on a CPU that of the array."""
    return onnxruntime.OrtValue.ortvalue_from_numpy(array, *device)


def has_gpu() -> bool:
    """Whether this build of ONNX Runtime can use a GPU."""
    return "CUDAExecutionProvider" in onnxruntime.get_available_providers()


def present_devices() -> list[str]:
    """The devices that this build of ONNX Runtime has providers for."""
    provided = onnxruntime.get_available_providers()
    return [device for device, (provider, *_) in _PROVIDERS.items() if provider in provided]


def _devices(requested: str) -> list[str]:
    """The devices to try. Raises BackendError that names those of this build."""
    present = present_devices()
    if requested == "auto":
        return [device for device in _AUTO_DEVICES if device in present]
    if requested not in present:
        package = _PACKAGES.get(requested)
        hint = f"it needs {package} instead of onnxruntime, in a fresh environment" if package else "choose another"
        names = ", ".join(present)
        raise BackendError(f"device {requested!r} is not available to backend 'ort', available: {names}; {hint}")
    return [requested]


def precision_for(requested: str, device: str) -> str:
    """The precision that a file in fp32 runs in on a device. Raises BackendError."""
    supported = _PRECISIONS[device]
    if requested == "auto":
        return supported[0]
    if requested not in supported:
        offer = f"available: {', '.join(supported)}"
        raise BackendError(f"precision {requested!r} is not available to backend 'ort' on {device}, {offer}")
    return requested


def new_session(
    path: Path, device: str, precision: str, options: BackendOptions, tensorrt: Mapping[str, str] | None = None
) -> Session | None:
    """A session; None if the device fails. Raises WeightsError if the file does.

    Nothing is printed: engine builders write to the session's log, which is silent.
    """
    ort_options.check(options.settings, device, _PROVIDERS[device])
    settings = _session_options(device, options)
    if device in {"cuda", "tensorrt"}:
        _preload_cuda()
    providers = [(name, _provider_options(name, precision, options, tensorrt or {})) for name in _PROVIDERS[device]]
    try:
        model = options.blend.graph(path) if options.blend else str(path)
        return onnxruntime.InferenceSession(model, settings, providers=providers, enable_fallback=0)
    except (*_FILE_ERRORS, *RUN_ERRORS) as error:
        if device == "cpu" and isinstance(error, _FILE_ERRORS):
            raise _file_error(path, error) from error
        if device == "cpu" and options.settings:
            message = f"ONNX Runtime does not start with these backend_options ({one_line(error, 300)})"
            raise BackendError(message) from error
        if device != "cpu":
            new_session(path, "cpu", "fp32", replace(options, settings=()))  # raises where the file is at fault
        _log.warning("device %r did not start: %s", device, one_line(error, 300))
        return None


def _preload_cuda() -> None:
    """Loads CUDA from pip's packages, where those are. What is missing is printed by ONNX Runtime, and logged here:
    standard output may be the video.
    """
    if not hasattr(onnxruntime, "preload_dlls"):
        return
    with redirect_stdout(io.StringIO()) as printed:
        onnxruntime.preload_dlls()
    if message := " ".join(printed.getvalue().split()):
        _log.info("ONNX Runtime: %s", message)


def _file_error(path: Path, error: Exception) -> WeightsError:
    message = _SOURCE_LINES.sub("", one_line(error))
    hints = (hint for words, hint in _HINTS.items() if words in message)
    hint = next(hints, "it is truncated or no ONNX file")
    return WeightsError(f"{path} cannot be read as ONNX ({message[:300]}); {hint}")


def _session_options(device: str, options: BackendOptions) -> Any:  # noqa: ANN401 - onnxruntime has no types
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = options.threads or usable_cores()
    settings.inter_op_num_threads = 1
    settings.enable_mem_pattern = device != "directml"  # which does not support it
    settings.log_severity_level = 4  # what fails is raised as well
    chosen = {name for name, _ in options.settings}
    for name, value in _SESSION_ENTRIES.items():
        if name not in chosen:
            settings.add_session_config_entry(name, value)
    ort_options.apply(settings, options.settings, onnxruntime)
    return settings


def _provider_options(
    provider: str, precision: str, options: BackendOptions, tensorrt: Mapping[str, str]
) -> Mapping[str, str]:
    device = {"device_id": str(options.device_index)}
    chosen = ort_options.of_provider(options.settings, provider)
    if provider == "CUDAExecutionProvider":
        strict = {"use_tf32": "0"} if options.precision == "fp32" else {}
        memory = {"arena_extend_strategy": "kSameAsRequested"}  # else it doubles what it has
        return {**device, **strict, **memory, "cudnn_conv_algo_search": "HEURISTIC", **chosen}
    if provider == "TensorrtExecutionProvider":
        return {**device, "trt_fp16_enable": str(int(precision == "fp16")), **tensorrt, **chosen}
    return {**device, **chosen} if provider == "DmlExecutionProvider" else chosen


def mapped_error(error: Exception) -> Exception:
    """MemoryError or BackendError, as the words of ONNX Runtime suggest."""
    message = one_line(error, 300)
    if any(sign in message.lower() for sign in _NO_MEMORY):
        return MemoryError(message)
    return BackendError(f"ONNX Runtime failed: {message}")

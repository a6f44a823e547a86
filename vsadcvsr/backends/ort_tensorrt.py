"""Cache of TensorRT engines, which are built for one network, frame size, GPU and version, and take minutes to build.

Each is in a folder of its own, named by a digest of everything that it depends on. Any change leads to another folder,
and thus to another engine.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from vsadcvsr.backends.onnx_metadata import ModelMetadata
from vsadcvsr.backends.option_syntax import Settings

_MAX_STEP_FRAMES = 8
_LIBRARIES = {"win32": ("nvcuda.dll", "nvinfer_{}.dll")}.get(sys.platform, ("libcuda.so.1", "libnvinfer.so.{}"))
_MAJORS = (11, 10, 9, 8)  # of TensorRT
_CAPABILITY = (75, 76)  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR

type Loader = Callable[[str], ctypes.CDLL]


@dataclass(frozen=True)
class ShapeRange:
    """Shapes of one input: minimum, optimum, maximum."""

    name: str
    minimum: tuple[int, ...]
    optimum: tuple[int, ...]
    maximum: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class EngineKey:
    """Everything that an engine depends on."""

    model: str
    """The SHA-256 of the file."""
    gpu: str
    capability: str
    onnxruntime: str
    tensorrt: str
    precision: str
    settings: Settings
    """Options of the provider, by its own names."""
    shapes: tuple[ShapeRange, ...]

    @property
    def digest(self) -> str:
        """The folder name of the engine."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:32]


def shape_ranges(metadata: ModelMetadata, height: int, width: int) -> tuple[ShapeRange, ...]:
    """The inputs of a step on frames of (height, width): of one frame, or of a few."""
    inputs = [("frames", (3, height, width)), ("links", ())]
    profiles = [ShapeRange(name, (1, *rest), (1, *rest), (_MAX_STEP_FRAMES, *rest)) for name, rest in inputs]
    for index, spec in enumerate(metadata.state):
        shape = spec.shape(spec.frames, height, width)
        profiles.append(ShapeRange(f"state_{index}", shape, shape, shape))
    return tuple(profiles)


def engine_options(key: EngineKey, root: Path) -> dict[str, str]:
    """Options of the provider for such an engine: its cache folder, and the shapes that it is built for."""
    profiles = {"min": "minimum", "opt": "optimum", "max": "maximum"}
    return {
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": str(engine_folder(key, root)),
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": str(root),
        "trt_detailed_build_log": "0",
        **{
            f"trt_profile_{short}_shapes": ",".join(
                f"{shape.name}:{_shape_text(getattr(shape, bound))}" for shape in key.shapes
            )
            for short, bound in profiles.items()
        },
    }


def engine_folder(key: EngineKey, root: Path) -> Path:
    """The cache folder of an engine."""
    return root / key.digest


def prepare_folder(key: EngineKey, root: Path) -> None:
    """Makes the folder, with a description for people."""
    path = engine_folder(key, root)
    path.mkdir(parents=True, exist_ok=True)
    (path / "built.json").write_text(json.dumps(asdict(key), indent=1), encoding="utf-8")


def remove_engine(key: EngineKey, root: Path) -> bool:
    """Removes an engine, if there is one: damaged engines keep a session from starting."""
    engine_path = engine_folder(key, root)
    existed = any(path.name != "built.json" for path in engine_path.glob("*"))
    shutil.rmtree(engine_path, ignore_errors=True)
    return existed


def gpu_identity(index: int, load: Loader = ctypes.CDLL) -> tuple[str, str]:
    """Name and compute capability of a GPU, from its driver; ("unknown", "unknown") without one."""
    try:
        driver, device, name = load(_LIBRARIES[0]), ctypes.c_int(), ctypes.create_string_buffer(256)
        failed = driver.cuInit(0) or driver.cuDeviceGet(ctypes.byref(device), index)
        failed = failed or driver.cuDeviceGetName(name, len(name), device)
        capability = [ctypes.c_int() for _ in _CAPABILITY]
        for number, attribute in zip(capability, _CAPABILITY, strict=True):
            failed = failed or driver.cuDeviceGetAttribute(ctypes.byref(number), attribute, device)
    except (OSError, AttributeError):
        return "unknown", "unknown"
    if failed:
        return "unknown", "unknown"
    return name.value.decode(errors="replace"), ".".join(str(number.value) for number in capability)


def tensorrt_version(load: Loader = ctypes.CDLL) -> str:
    """Version of the TensorRT that would be loaded, as a number; "unknown" without one."""
    for major in _MAJORS:
        try:
            return str(load(_LIBRARIES[1].format(major)).getInferLibVersion())
        except (OSError, AttributeError):
            continue
    return "unknown"


def _shape_text(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))

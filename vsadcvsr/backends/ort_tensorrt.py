"""TensorRT's engines: built for one network, size, card and version, which takes minutes; so they are kept.

Each lies in a folder of its own whose name is a sum of everything that it was built for. What changes, leads to another
folder, and thus to another engine.
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

from vsadcvsr.backends.onnx_metadata import Facts

_LONGEST_STEP = 8
_LIBRARIES = {"win32": ("nvcuda.dll", "nvinfer_{}.dll")}.get(sys.platform, ("libcuda.so.1", "libnvinfer.so.{}"))
_MAJORS = (11, 10, 9, 8)  # of TensorRT
_CAPABILITY = (75, 76)  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR

type Loader = Callable[[str], ctypes.CDLL]


@dataclass(frozen=True)
class Range:
    """The shapes of one input: the least, the one that is fastest, the largest."""

    name: str
    least: tuple[int, ...]
    usual: tuple[int, ...]
    most: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Built:
    """Everything that an engine depends on."""

    model: str
    """The SHA-256 of the file."""
    gpu: str
    capability: str
    onnxruntime: str
    tensorrt: str
    precision: str
    shapes: tuple[Range, ...]

    @property
    def key(self) -> str:
        """A name for all of it."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:32]


def ranges(facts: Facts, height: int, width: int) -> tuple[Range, ...]:
    """The inputs of a step on frames of (height, width): of one frame, or of a few."""
    given = [("frames", (3, height, width)), ("links", ())]
    found = [Range(name, (1, *rest), (1, *rest), (_LONGEST_STEP, *rest)) for name, rest in given]
    for index, slot in enumerate(facts.state):
        shape = slot.shape(slot.frames, height, width)
        found.append(Range(f"state_{index}", shape, shape, shape))
    return tuple(found)


def engine_options(built: Built, root: Path) -> dict[str, str]:
    """Options of the provider for such an engine: where it is kept, and for which shapes it is built."""
    profiles = {"min": "least", "opt": "usual", "max": "most"}
    return {
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": str(folder(built, root)),
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": str(root),
        "trt_detailed_build_log": "0",
        **{
            f"trt_profile_{short}_shapes": ",".join(f"{one.name}:{_times(getattr(one, of))}" for one in built.shapes)
            for short, of in profiles.items()
        },
    }


def folder(built: Built, root: Path) -> Path:
    """Where an engine is kept."""
    return root / built.key


def prepare(built: Built, root: Path) -> None:
    """Makes the folder, and notes for people what is in it."""
    there = folder(built, root)
    there.mkdir(parents=True, exist_ok=True)
    (there / "built.json").write_text(json.dumps(asdict(built), indent=1), encoding="utf-8")


def drop(built: Built, root: Path) -> bool:
    """Throws an engine away, if there is one: damaged ones keep a session from starting."""
    there = folder(built, root)
    had = any(path.name != "built.json" for path in there.glob("*"))
    shutil.rmtree(there, ignore_errors=True)
    return had


def card(index: int, load: Loader = ctypes.CDLL) -> tuple[str, str]:
    """The name and the compute capability of a GPU, as its driver gives them; ("unknown", "unknown") without one."""
    try:
        driver, device, name = load(_LIBRARIES[0]), ctypes.c_int(), ctypes.create_string_buffer(256)
        failed = driver.cuInit(0) or driver.cuDeviceGet(ctypes.byref(device), index)
        failed = failed or driver.cuDeviceGetName(name, len(name), device)
        found = [ctypes.c_int() for _ in _CAPABILITY]
        for number, attribute in zip(found, _CAPABILITY, strict=True):
            failed = failed or driver.cuDeviceGetAttribute(ctypes.byref(number), attribute, device)
    except (OSError, AttributeError):
        return "unknown", "unknown"
    if failed:
        return "unknown", "unknown"
    return name.value.decode(errors="replace"), ".".join(str(number.value) for number in found)


def tensorrt_version(load: Loader = ctypes.CDLL) -> str:
    """The version of the TensorRT that would be loaded, as a number; "unknown" without one."""
    for major in _MAJORS:
        try:
            return str(load(_LIBRARIES[1].format(major)).getInferLibVersion())
        except (OSError, AttributeError):
            continue
    return "unknown"


def _times(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))

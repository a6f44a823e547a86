"""What is installed, what works, and what to do about the rest: each check by really doing the thing."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

import numpy as np

from vsadcvsr import backends
from vsadcvsr.errors import AdcvsrError, BackendError
from vsadcvsr.weights import store

type Verdict = Literal["ok", "absent", "failed"]

_SIZE = (272, 480)  # height and width of the one real step
_RUNTIMES = ("onnxruntime", "onnxruntime-gpu")
_PLACES = (
    ("openvino", "cpu"),
    ("ort", "cpu"),
    ("ort", "cuda"),
    ("ort", "tensorrt"),
    ("torch", "cpu"),
    ("torch", "cuda"),
)
_SCRIPT = """import vapoursynth as vs
clip = vs.core.std.BlankClip(width=64, height=48, format=vs.YUV420P8, length=2, keep=True)
vs.core.adcvsr.Upscale(clip).set_output()
"""
_VIDEO_BYTES = 2 * 256 * 192 * 3 // 2  # what the script above makes, without y4m's headers


@dataclass(frozen=True)
class Finding:
    """One check: `ok`, `absent` (optional and not there) or `failed`, and what was found or what to do."""

    name: str
    verdict: Verdict
    detail: str


def examine() -> Iterator[Finding]:
    """All checks, each as soon as it is done; a step on a backend may take seconds."""
    yield Finding("python", "ok", f"{platform.python_version()} on {platform.platform()}")
    for check in (_runtimes, _in_python, _in_vspipe, _ffmpeg):
        yield check()
    for backend, device in _PLACES:
        yield _step(backend, device)


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _runtimes() -> Finding:
    found = {name: version for name in _RUNTIMES if (version := _installed(name))}
    text = ", ".join(f"{name} {version}" for name, version in found.items())
    if len(found) == 2:
        return Finding("ONNX Runtime", "failed", f"{text} break each other: pip uninstall both, then install one")
    if not found:
        return Finding("ONNX Runtime", "failed", "not installed: pip install onnxruntime, or onnxruntime-gpu")
    return Finding("ONNX Runtime", "ok", text)


def _run(command: list[str], **options: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command, capture_output=True, timeout=120, check=False, **options)  # type: ignore[call-overload, no-any-return]


def _last_words(done: subprocess.CompletedProcess[bytes]) -> str:
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"ended with {done.returncode} and no word"


def _in_python() -> Finding:
    ask = (
        "import vapoursynth as vs; v = vs.core.adcvsr.Version(); print(vs.core.core_version.release_major, v['plugin'])"
    )
    done = _run([sys.executable, "-c", ask])
    if done.returncode:
        return Finding(
            "plugin in Python", "failed", f"{_last_words(done)}; vsadcvsr.load() or a new `pip install` may help"
        )
    release, _, plugin = done.stdout.decode().strip().partition(" ")
    return Finding("plugin in Python", "ok", f"VapourSynth R{release}, {Path(plugin).name}")


def _vspipe() -> str | None:
    beside = Path(sys.executable).parent / "vspipe"
    return str(beside) if beside.exists() else shutil.which("vspipe")


def _in_vspipe() -> Finding:
    name, vspipe = "plugin in vspipe", _vspipe()
    if vspipe is None:
        return Finding(name, "absent", "no vspipe beside this Python or on PATH")
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "doctor.vpy")
        script.write_text(_SCRIPT)
        done = _run([vspipe, str(script), "-"])
    if done.returncode:
        return Finding(name, "failed", f"{_last_words(done)}; `vapoursynth config` tells vspipe which Python to use")
    if len(done.stdout) != _VIDEO_BYTES:
        return Finding(
            name, "failed", f"{len(done.stdout)} bytes came, {_VIDEO_BYTES} were due: something else writes to stdout"
        )
    return Finding(name, "ok", "2 frames, and nothing but pictures on stdout")


def _ffmpeg() -> Finding:
    if found := shutil.which("ffmpeg"):
        return Finding("ffmpeg", "ok", found)
    if version := _installed("imageio-ffmpeg"):
        return Finding("ffmpeg", "ok", f"inside imageio-ffmpeg {version}")
    return Finding("ffmpeg", "absent", "not on PATH: pip install 'vsadcvsr[ffmpeg]' brings one")


def _step(backend: str, device: str) -> Finding:
    name = f"a step on {backend}, {device}"
    try:
        path = store.find("fast", backends.suffixes(backend))
        model = backends.load(path, backend=backend, device=device)
        state = model.start(*_SIZE)
    except BackendError as error:
        return Finding(name, "absent", str(error))
    except AdcvsrError as error:
        return Finding(name, "failed", str(error))
    frames, links = np.full((1, 3, *_SIZE), 0.5, np.float32), np.ones(1, np.float32)
    took = []
    try:
        for _ in range(3):
            began = time.perf_counter()
            _, state = model.step(frames, links, state)
            took.append(time.perf_counter() - began)
    except AdcvsrError as error:
        return Finding(name, "failed", str(error))
    return Finding(name, "ok", f"{model.label}: {min(took) * 1e3:.0f} ms a frame at {_SIZE[1]}x{_SIZE[0]}")

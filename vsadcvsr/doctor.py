"""Checks of the installation: each runs the real thing, and says what to do where that fails."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib import import_module, metadata
from pathlib import Path
from typing import Any, Literal

import numpy as np

from vsadcvsr import backends
from vsadcvsr.environment import program
from vsadcvsr.errors import AdcvsrError, BackendError
from vsadcvsr.extras import install
from vsadcvsr.weights import store

type Verdict = Literal["ok", "absent", "failed"]

_SIZE = (272, 480)  # height and width of the one real step
_SOURCES = ("bs", "lsmas", "ffms2")
"""The namespaces of plugins that open videos, in the order of our advice."""
_PLACES: tuple[tuple[str, ...], ...] = (
    ("openvino", "cpu"),
    ("openvino", "cpu", "int8"),
    ("openvino", "cpu", "bf16"),
    ("openvino", "cpu", "fp32"),
    ("openvino", "gpu"),
    ("ort", "cpu"),
    ("ort", "cuda"),
    ("ort", "tensorrt"),
    ("ort", "directml"),
    ("ort", "coreml"),
    ("torch", "cpu"),
    ("torch", "cuda"),
)
_PACKAGES = {"openvino": "openvino", "ort": "onnxruntime", "torch": "torch"}
_SCRIPT = """import vapoursynth as vs
clip = vs.core.std.BlankClip(width=64, height=48, format=vs.YUV420P8, length=2, keep=True)
vs.core.adcvsr.Upscale(clip).set_output()
"""
_WATCHED = 120.0
"""Seconds that a check may take."""
_IN_PYTHON = f"""import vapoursynth as vs
versions = vs.core.adcvsr.Version()
sources = [name for name in {_SOURCES} if hasattr(vs.core, name)]
print("adcvsr", vs.core.core_version.release_major, versions["backend"], versions["plugin"], *sources, sep="\\t")
"""
_FFADCVSR = """import sys
from ffmpeg_filter.media import binary
from ffmpeg_filter import cli
found = binary.find_binary()
print(found.release, found.path)
sys.stdout.flush()
raise SystemExit(cli.main(sys.argv[1:]))
"""
_CLIP = b"YUV4MPEG2 W64 H48 F25:1 Ip C420mpeg2\n" + 2 * (b"FRAME\n" + bytes(64 * 48 * 3 // 2))
_VIDEO_BYTES = 2 * 256 * 192 * 3 // 2  # what the script above makes, without y4m's headers


@dataclass(frozen=True)
class Finding:
    """Result of a check: `ok`, `absent` (optional and not installed) or `failed`, with a detail or what to do."""

    name: str
    verdict: Verdict
    detail: str


def examine() -> Iterator[Finding]:
    """Results of all checks, each as soon as it is available; a step on a backend may take seconds."""
    yield Finding("python", "ok", f"{platform.python_version()} on {platform.platform()}")
    yield _runtimes()
    yield _openvino()
    yield from _in_python()
    yield _in_vspipe()
    yield _ffadcvsr()
    works = False
    for place in _PLACES:
        finding = _step(*place)
        works |= finding.verdict == "ok"
        yield finding
    yield _other_networks()
    yield _steady()
    if not works:
        yield Finding("model fast", "failed", "no backend runs it: pip install onnxruntime")


def _distributions(package: str) -> list[str]:
    """What is installed of the distributions that bring an import package, with versions."""
    names = sorted({item.name for item in metadata.distributions() if _brings(item, package)})
    return [f"{name} {metadata.version(name)}" for name in names]


def _brings(distribution: metadata.Distribution, package: str) -> bool:
    """Whether a distribution names the package, or has files in it. `metadata.packages_distributions` also looks for
    each of its files, which takes seconds where torch is installed.
    """
    declared = distribution.read_text("top_level.txt") or ""
    return package in declared.split() or f"\n{package}/" in f"\n{distribution.read_text('RECORD')}"


def _runtimes() -> Finding:
    name, installed = "ONNX Runtime", _distributions("onnxruntime")
    if len(installed) > 1:
        return Finding(name, "failed", f"{', '.join(installed)} break each other: pip uninstall all, then install one")
    if not installed:
        return Finding(name, "absent", "not installed: pip install onnxruntime, or onnxruntime-gpu")
    return Finding(name, "ok", f"{installed[0]}{_present('ort_session')}")


def _openvino() -> Finding:
    finding = _package("OpenVINO", "openvino", "", f"not installed: {install('openvino')}")
    return replace(finding, detail=finding.detail + _present("openvino_runtime"))


def _package(name: str, package: str, use: str, absent: str) -> Finding:
    """Whether an optional package is installed: `use` and its version, or else `absent`, which says what to do."""
    installed = _distributions(package)
    return Finding(name, "ok", f"{use}{installed[0]}") if installed else Finding(name, "absent", absent)


def _present(module: str) -> str:
    """The devices that a library finds on this machine, to follow its name; nothing where it cannot be loaded, of which
    steps say why."""
    try:
        names = import_module(f"vsadcvsr.backends.{module}").present_devices()
    except AdcvsrError:
        return ""
    return f"; devices: {', '.join(names)}"


def _other_networks() -> Finding:
    """Which files of other people's networks can be used."""
    files = ".onnx; .pth and .safetensors"
    return _package("other networks", "spandrel", f"{files} by ", f"{files} need spandrel: {install('spandrel')}")


def _steady() -> Finding:
    """Whether OpenCV is there, for `steady`."""
    what = "less flicker of what moves"
    return _package("steady", "cv2", f"{what} by ", f"{what} needs OpenCV: {install('steady')}")


def _run(command: list[str], **options: Any) -> subprocess.CompletedProcess[bytes]:  # noqa: ANN401 - as subprocess.run
    """The finished command; one that cannot be started, or does not end, has failed."""
    try:
        return subprocess.run(
            command, capture_output=True, timeout=_WATCHED, check=False, stdin=subprocess.DEVNULL, **options
        )
    except subprocess.TimeoutExpired:
        words = f"{Path(command[0]).name} has not ended within {_WATCHED:.0f} s"
    except OSError as error:
        words = str(error)
    return subprocess.CompletedProcess(command, 1, b"", words.encode())


def _last_words(done: subprocess.CompletedProcess[bytes]) -> str:
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"ended with {done.returncode} and no word"


def _in_python() -> Iterator[Finding]:
    """The plugin, and a plugin that opens videos."""
    name, done = "plugin in Python", _run([sys.executable, "-c", _IN_PYTHON])
    if done.returncode:
        yield Finding(name, "failed", f"{_last_words(done)}; vsadcvsr.load() or a new `pip install` may help")
        return
    printed = done.stdout.decode(errors="replace").rpartition("adcvsr\t")[2]  # other plugins may print as well
    release, backend, plugin, *sources = printed.splitlines()[0].split("\t")
    about = f"VapourSynth R{release}, {Path(plugin).name}"
    if backend not in backends.TABLE:
        yield Finding(name, "failed", f"{about}: {backend}")  # the error of the weights
    elif "cannot be used" in _last_words(done):  # together with other plugins; `_step` tries without them
        yield Finding(name, "failed", f"{about}, backend 'auto' is {backend}: {_last_words(done)}")
    else:
        yield Finding(name, "ok", f"{about}, backend 'auto' is {backend}")
    if sources:
        yield Finding("video source", "ok", ", ".join(f"core.{source}" for source in sources))
    else:
        sought = ", ".join(f"core.{source}" for source in _SOURCES)
        words = f"scripts cannot open files, for there is none of {sought}: pip install vapoursynth-bestsource"
        yield Finding("video source", "absent", words)


def _in_vspipe() -> Finding:
    name, vspipe = "plugin in vspipe", program("vspipe")
    if vspipe is None:
        return Finding(name, "absent", "no vspipe next to this Python or on PATH")
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "doctor.vpy")
        script.write_text(_SCRIPT)
        done = _run([vspipe, str(script), "-"], env=_with_config(folder))
    if done.returncode:
        config = subprocess.list2cmdline([str(Path(vspipe).with_name("vapoursynth")), "config"])  # for any shell
        return Finding(name, "failed", f"{_last_words(done)}; `{config}` tells vspipe which Python to use")
    if len(done.stdout) != _VIDEO_BYTES:
        return Finding(
            name, "failed", f"{len(done.stdout)} bytes came, {_VIDEO_BYTES} were due: something else writes to stdout"
        )
    return Finding(name, "ok", "2 frames, and nothing but pictures on stdout")


def _with_config(folder: str) -> dict[str, str]:
    """The environment for vspipe, which writes a configuration where the user has none: not on behalf of a check."""
    if sys.platform != "linux":
        return dict(os.environ)
    home = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    exists = Path(home, "vapoursynth", "vapoursynth.toml").expanduser().exists()
    return dict(os.environ) if exists else {**os.environ, "XDG_CONFIG_HOME": folder}


def _ffadcvsr() -> Finding:
    """Two frames through the command, with the FFmpeg that it finds."""
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder, "doctor.y4m")
        clip.write_bytes(_CLIP)
        words = ["-v", "error", "-i", str(clip), "-vf", "adcvsr=model=nearest:scale=2", "-f", "null", "-"]
        done = _run([sys.executable, "-c", _FFADCVSR, *words])
    release, _, path = done.stdout.decode(errors="replace").partition("\n")[0].partition(" ")
    ffmpeg = f"FFmpeg {release} at {path}"
    if done.returncode:
        message = _last_words(done).rpartition("Error: ")[2].removeprefix("ffadcvsr: ")
        return Finding("ffadcvsr", "failed", f"{ffmpeg}: {message}" if path else message)
    return Finding("ffadcvsr", "ok", ffmpeg)


def _step(backend: str, device: str, precision: str = "auto") -> Finding:
    name = f"a step on {backend}, {device}" + (f", {precision}" if precision != "auto" else "")
    try:
        path = store.find("fast", backends.suffixes(backend))
        model = backends.load(path, backend=backend, device=device, precision=precision)
        state = model.start(*_SIZE)
    except AdcvsrError as error:
        is_optional = device != "cpu" or precision != "auto" or not _distributions(_PACKAGES[backend])
        is_absent = isinstance(error, BackendError) and is_optional
        return Finding(name, "absent" if is_absent else "failed", str(error))
    frames, links = np.full((1, 3, *_SIZE), 0.5, np.float32), np.ones(1, np.float32)
    times = []
    try:
        for _ in range(3):
            began = time.perf_counter()
            _, state = model.step(frames, links, state)
            times.append(time.perf_counter() - began)
    except AdcvsrError as error:
        return Finding(name, "failed", str(error))
    return Finding(name, "ok", f"{model.label}: {min(times) * 1e3:.0f} ms a frame at {_SIZE[1]}x{_SIZE[0]}")

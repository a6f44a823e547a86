"""Benchmark of vs-mlrt's plugins `ov` and `ort` on Real-ESRGAN's network for video, animevideov3.

They come in wheels (`vapoursynth-mlrt-ov`, `vapoursynth-mlrt-ort`), best in an environment of their own, whose Python
is run here. Time depends on the shape alone, so the weights are random: an SRVGGNetCompact with 64 channels, 16
convolutions in its body and PReLU between (xinntao/Real-ESRGAN). A frame goes through the host as in a script: 8-bit
YUV to RGB, the plugin, and back to YUV.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vsadcvsr.errors import BackendError
from vsadcvsr.extras import needs

HOST = Path(__file__).with_name("mlrt.vpy")
PLUGINS = {"ov": "openvino", "ort": "ort"}
"""vs-mlrt's plugins, and the backends of AdcVSR that run on the same library."""
SECONDS, TIMEOUT = 10.0, 40.0
"""After how long no further frame of a plugin begins, and it is given up; so the whole command ends in two minutes."""

_CHANNELS, _BODY = 64, 16
_SCALE = 4


def write_network(path: Path) -> None:
    """Writes the network as ONNX, for RGB frames of any size; BackendError without the onnx package."""
    with needs("bench", "the network of vs-mlrt"):
        import onnx
        from onnx import TensorProto, helper, numpy_helper
    rng = np.random.default_rng(0)
    widths = [3, *[_CHANNELS] * (_BODY + 1), 3 * _SCALE**2]
    nodes, weights, at = [], [], "frame"
    for index, (in_channels, out_channels) in enumerate(pairwise(widths)):
        kernel = rng.normal(0, (2 / (9 * in_channels)) ** 0.5, (out_channels, in_channels, 3, 3)).astype(np.float32)
        bias = np.zeros(out_channels, np.float32)
        weights += [numpy_helper.from_array(kernel, f"w{index}"), numpy_helper.from_array(bias, f"b{index}")]
        nodes.append(helper.make_node("Conv", [at, f"w{index}", f"b{index}"], [f"c{index}"], pads=[1] * 4))
        at = f"c{index}"
        if index <= _BODY:
            weights.append(numpy_helper.from_array(np.full((out_channels, 1, 1), 0.1, np.float32), f"s{index}"))
            nodes.append(helper.make_node("PRelu", [at, f"s{index}"], [f"r{index}"]))
            at = f"r{index}"
    weights.append(numpy_helper.from_array(np.array([1, 1, _SCALE, _SCALE], np.float32), "scales"))
    nodes += [
        helper.make_node("DepthToSpace", [at], ["detail"], blocksize=_SCALE, mode="CRD"),
        helper.make_node("Resize", ["frame", "", "scales"], ["base"], mode="nearest"),
        helper.make_node("Add", ["base", "detail"], ["upscaled"]),
    ]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, *sides])
        for name, sides in (("frame", ["H", "W"]), ("upscaled", ["H4", "W4"]))
    ]
    graph = helper.make_graph(nodes, "video", ends[:1], ends[1:], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))


def measure_plugin(
    python: str,
    plugin: str,
    network: Path,
    size: tuple[int, int],
    *,
    frames: int,
    backend: str = "",
    streams: int = 1,
    source: Path | None = None,
    output: Path | None = None,
) -> list[float]:
    """Milliseconds of at most `frames` single frames of (width, height) through `plugin`, in the environment of
    `python`; with several streams the mean of as many frames. The plugin "adcvsr" has a `backend`.

    `source` has the frames, 8-bit 4:2:0 without padding, and `output` gets the first that comes out. Raises
    BackendError if that has no such plugin, or if the plugin fails or takes longer than TIMEOUT.
    """
    order: dict[str, object] = {"plugin": plugin, "network": str(network), "size": size, "frames": frames}
    order |= {"seconds": SECONDS, "backend": backend, "streams": streams}
    if source:
        images = source.stat().st_size // (size[0] * size[1] * 3 // 2)
        order |= {"source": str(source), "images": images, "output": str(output or "")}
    try:
        run = subprocess.run(
            [python, str(HOST), json.dumps(order)], capture_output=True, text=True, check=False, timeout=TIMEOUT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)} if python == sys.executable else None,
        )  # fmt: skip
    except OSError as cause:
        raise BackendError(f"{python} cannot be run: {cause.strerror}") from cause
    except subprocess.TimeoutExpired as cause:
        raise BackendError(f"it took longer than {TIMEOUT:.0f} s") from cause
    if run.returncode:
        words = run.stderr.strip().splitlines() or [f"exit status {run.returncode}"]
        raise BackendError(words[-1])
    times: list[float] = json.loads(run.stdout.splitlines()[-1])
    return times


@dataclass
class FileComparison:
    """One ONNX file through vs-mlrt's plugins and through AdcVSR's backends, which take turns."""

    times: dict[str, list[float]] = field(default_factory=dict)
    """Milliseconds of frames by program."""
    outputs: dict[str, NDArray[np.uint8]] = field(default_factory=dict)
    """Samples of the first frame by program; those of vs-mlrt with RGB clamped to 0..1, as AdcVSR clamps it."""
    left_out: dict[str, str] = field(default_factory=dict)

    def difference(self, first: str, second: str) -> tuple[int, float]:
        """The largest difference of 8-bit samples, and the share of samples that differ."""
        apart = np.abs(self.outputs[first].astype(int) - self.outputs[second].astype(int))
        return int(apart.max()), float((apart > 0).mean())


def compare_file(
    python: str, network: Path, size: tuple[int, int], *, frames: int, rounds: int, streams: int = 1
) -> FileComparison:
    """The file through every program, on noise, in turns of `frames` frames."""
    comparison = FileComparison()
    programs = [(plugin_label(plugin), python, plugin, "") for plugin in PLUGINS]
    programs += [(backend_label(plugin), sys.executable, "adcvsr", backend) for plugin, backend in PLUGINS.items()]
    with tempfile.TemporaryDirectory() as folder:
        source, output = Path(folder, "source.yuv"), Path(folder, "output.yuv")
        source.write_bytes(_noise(size).tobytes())
        for _ in range(rounds):
            for name, program, plugin, backend in programs:
                if name in comparison.left_out:
                    continue
                try:
                    times = measure_plugin(
                        program, plugin, network.resolve(), size, frames=frames, backend=backend, streams=streams,
                        source=source, output=output,
                    )  # fmt: skip
                except BackendError as error:
                    comparison.left_out[name] = str(error)
                    continue
                comparison.times.setdefault(name, []).extend(times)
                comparison.outputs[name] = np.fromfile(output, np.uint8)
    return comparison


def plugin_label(plugin: str) -> str:
    """The name of a plugin of vs-mlrt in reports."""
    return f"vs-mlrt {plugin}"


def backend_label(plugin: str) -> str:
    """The name in reports of what is compared with a plugin."""
    return f"AdcVSR {PLUGINS[plugin]}"


def _noise(size: tuple[int, int]) -> NDArray[np.uint8]:
    """Samples of a frame of (width, height), 8-bit 4:2:0: noise on a slope."""
    width, height = size
    rng = np.random.default_rng(0)
    slope = np.linspace(40, 200, width * height)
    luma = slope + rng.normal(0, 12, width * height)
    chroma = rng.normal(128, 12, width * height // 2)
    return np.concatenate([luma, chroma]).clip(16, 235).astype(np.uint8)

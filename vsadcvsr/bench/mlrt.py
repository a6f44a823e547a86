"""The rivals that people have: vs-mlrt's plugins `ov` and `ort` on Real-ESRGAN's network for video, animevideov3.

They come in wheels (`vapoursynth-mlrt-ov`, `vapoursynth-mlrt-ort`), best in an environment of their own, whose Python
is run here. Time depends on the shape alone, so the weights are random: an SRVGGNetCompact with 64 channels, 16
convolutions in its body and PReLU between (xinntao/Real-ESRGAN). A frame goes through the host as in a script: 8-bit
YUV to RGB, the plugin, and back to YUV.
"""

from __future__ import annotations

import json
import subprocess
from itertools import pairwise
from pathlib import Path

import numpy as np

from vsadcvsr.bench.timing import Timing
from vsadcvsr.errors import BackendError
from vsadcvsr.extras import needs
from vsadcvsr.spec import SCALE

HOST = Path(__file__).with_name("mlrt.vpy")
PLUGINS = ("ov", "ort")
SECONDS, TIMEOUT = 10.0, 40.0
"""After how long no further frame of a plugin begins, and it is given up; so the whole command ends in two minutes."""

_CHANNELS, _BODY = 64, 16


def write_network(path: Path) -> None:
    """Writes the network as ONNX, for RGB frames of any size; BackendError without the onnx package."""
    with needs("bench", "the network of vs-mlrt"):
        import onnx
        from onnx import TensorProto, helper, numpy_helper
    rng = np.random.default_rng(0)
    widths = [3, *[_CHANNELS] * (_BODY + 1), 3 * SCALE**2]
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
    weights.append(numpy_helper.from_array(np.array([1, 1, SCALE, SCALE], np.float32), "scales"))
    nodes += [
        helper.make_node("DepthToSpace", [at], ["detail"], blocksize=SCALE, mode="CRD"),
        helper.make_node("Resize", ["frame", "", "scales"], ["base"], mode="nearest"),
        helper.make_node("Add", ["base", "detail"], ["upscaled"]),
    ]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, *sides])
        for name, sides in (("frame", ["H", "W"]), ("upscaled", ["H4", "W4"]))
    ]
    graph = helper.make_graph(nodes, "video", ends[:1], ends[1:], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))


def measure_plugin(python: str, plugin: str, network: Path, size: tuple[int, int], *, frames: int) -> Timing:
    """Times of at most `frames` single frames of (width, height) through `plugin`, in the environment of `python`.

    Raises BackendError if that has no such plugin, or if the plugin fails or takes longer than TIMEOUT.
    """
    order = json.dumps({"plugin": plugin, "network": str(network), "size": size, "frames": frames, "seconds": SECONDS})
    try:
        run = subprocess.run(
            [python, str(HOST), order], capture_output=True, text=True, check=False, timeout=TIMEOUT,
        )  # fmt: skip
    except OSError as cause:
        raise BackendError(f"{python} cannot be run: {cause.strerror}") from cause
    except subprocess.TimeoutExpired as cause:
        raise BackendError(f"it took longer than {TIMEOUT:.0f} s") from cause
    if run.returncode:
        words = run.stderr.strip().splitlines() or [f"exit status {run.returncode}"]
        raise BackendError(words[-1])
    return Timing.of(json.loads(run.stdout.splitlines()[-1]))

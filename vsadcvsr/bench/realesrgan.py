"""Benchmark of the network of Real-ESRGAN general x4 v3 under ncnn, which is how many people upscale.

Time depends on the shape alone, so the weights are random: an SRVGGNetCompact with 64 channels, 32 convolutions in its
body and PReLU between (xinntao/Real-ESRGAN). Needs the `ncnn` package.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vsadcvsr.bench.timing import Action
from vsadcvsr.errors import BackendError
from vsadcvsr.extras import needs
from vsadcvsr.spec import Array

_CHANNELS, _BODY = 64, 32
_SCALE = 4
_MAGIC = 7767517


def write_network(folder: Path) -> tuple[Path, Path]:
    """Writes the network, and gives the files of its layers and of its weights."""
    layers, weights = folder / "network.param", folder / "network.bin"
    lines = ["Input data 0 1 data", "Split split 1 2 data now base", *_convolutions()]
    lines += ["PixelShuffle shuffle 1 1 last shuffled 0=4", "Interp enlarge 1 1 base large 0=1 1=4.0 2=4.0"]
    lines.append("BinaryOp add 2 1 shuffled large out 0=0")
    layers.write_text("\n".join([str(_MAGIC), f"{len(lines)} {len(lines) + 1}", *lines]) + "\n")
    weights.write_bytes(b"".join(_weights()))
    return layers, weights


def _shapes() -> list[tuple[int, int]]:
    """Channels out of and into each convolution."""
    return [(_CHANNELS, 3), *[(_CHANNELS, _CHANNELS)] * _BODY, (3 * _SCALE**2, _CHANNELS)]


def _convolutions() -> Iterator[str]:
    before = "now"
    *body, (wide, narrow) = _shapes()
    for index, (out, into) in enumerate(body):
        yield f"Convolution conv{index} 1 1 {before} c{index} 0={out} 1=3 4=1 5=1 6={out * into * 9}"
        yield f"PReLU relu{index} 1 1 c{index} r{index} 0={out}"
        before = f"r{index}"
    yield f"Convolution conv 1 1 {before} last 0={wide} 1=3 4=1 5=1 6={wide * narrow * 9}"


def _weights() -> Iterator[bytes]:
    rng = np.random.default_rng(0)
    shapes = _shapes()
    for index, (out, into) in enumerate(shapes):
        spread = np.float32((2 / (9 * into)) ** 0.5)
        yield np.uint32(0).tobytes()  # what follows is fp32
        yield (rng.standard_normal(out * into * 9, dtype=np.float32) * spread).tobytes()
        yield np.zeros(out, np.float32).tobytes()
        if index + 1 < len(shapes):
            yield np.full(out, 0.1, np.float32).tobytes()  # PReLU


def run_action(folder: Path, frame: Array, threads: int) -> Action:
    """One call upscales a frame (3, H, W) once. `threads` 0 is all. Raises BackendError without ncnn."""
    with needs("bench", "the network of Real-ESRGAN"):
        import ncnn
    net = ncnn.Net()
    net.opt.num_threads = threads or ncnn.get_cpu_count()
    layers, weights = write_network(folder)
    net.load_param(str(layers))
    net.load_model(str(weights))
    image = ncnn.Mat(np.ascontiguousarray(frame))

    def act() -> None:
        extractor = net.create_extractor()
        extractor.input("data", image)
        status, output = extractor.extract("out")
        if status or (output.c, output.h, output.w) != (3, frame.shape[1] * _SCALE, frame.shape[2] * _SCALE):
            raise BackendError("ncnn failed on the network of Real-ESRGAN")

    return act

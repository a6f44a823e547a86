"""Peers: other people's image networks as methods of evaluation, frame by frame, with a cache of their output.

They are run as models are: files that spandrel knows, and ONNX files.

Output is cached in 8 bits, as it is measured, in the cache folder under `evaluate/`, by the contents of the weights
file and of the frame, with the seconds that it took.
"""

from __future__ import annotations

import functools
import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from vsadcvsr import paths
from vsadcvsr.errors import WeightsError
from vsadcvsr.evaluate.external_methods import Method
from vsadcvsr.evaluate.methods import TimedFrames, Upscaler
from vsadcvsr.files import replacing
from vsadcvsr.spec import Array
from vsadcvsr.video_io import to_float, to_uint8


def from_peer(weights: Path, scale: int = 4) -> Method:
    """A weights file of any origin that the engine opens: a network of that scale, run frame by frame on the CPU.

    Raises WeightsError where there is no such file.
    """
    if not weights.is_file():
        raise WeightsError(f"{weights} cannot be read: no such file")
    upscale = peer(weights, scale=scale)
    return lambda case: upscale(case.low)


def peer(weights: Path, cache: Path | None = None, *, scale: int = 4) -> Upscaler:
    """The network of a file, which is loaded only for frames that `cache` lacks."""
    home = (cache or paths.cache()) / "evaluate"
    load = functools.cache(lambda: _network(weights, scale))
    key = functools.cache(lambda: hashlib.sha256(weights.read_bytes()).digest())

    def timed(frames: Sequence[Array]) -> Iterator[tuple[Array, float]]:
        for frame in frames:
            path = home / f"{_name(key(), frame)}.npz"
            if not path.exists():
                _write(path, *_timed_run(load(), frame))
            yield _read(path)

    return lambda frames: TimedFrames(timed(frames))


def _network(weights: Path, scale: int) -> Callable[[Array], Array]:
    """The network of a file on the CPU. Raises WeightsError where it does not enlarge by `scale`, BackendError."""
    from vsadcvsr.engine import Engine

    engine = Engine.open(weights, device="cpu")
    if engine.spec.scale != scale:
        raise WeightsError(f"{weights} enlarges by {engine.spec.scale}, the truth is larger by {scale}; see --scale")
    return lambda frame: next(engine.stream([frame]))


def _name(key: bytes, frame: Array) -> str:
    pixels = to_uint8(frame)
    return hashlib.sha256(key + repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()[:40]


def _timed_run(network: Callable[[Array], Array], frame: Array) -> tuple[Array, float]:
    start = time.perf_counter()
    output = network(frame)
    return output, time.perf_counter() - start


def _write(path: Path, frame: Array, seconds: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    _, png = cv2.imencode(".png", np.ascontiguousarray(to_uint8(frame)[..., ::-1]))
    with replacing(path) as unfinished, unfinished.open("wb") as file:
        np.savez(file, png=png, seconds=np.float64(seconds))


def _read(path: Path) -> tuple[Array, float]:
    with np.load(path) as data:
        pixels = cv2.imdecode(data["png"], cv2.IMREAD_COLOR)
        assert pixels is not None
        return to_float(pixels[..., ::-1]), float(data["seconds"])

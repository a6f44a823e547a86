"""Benchmarked components without a host: the bare model step, and the engine around it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np

from vsadcvsr.backends import Backend
from vsadcvsr.backends.image_backend import ImageBackend
from vsadcvsr.bench.timing import Action
from vsadcvsr.color import ColorFormat
from vsadcvsr.engine import Engine, InputFrame, load
from vsadcvsr.spec import Array


@dataclass(frozen=True, kw_only=True)
class BenchOptions:
    """A model as the engine would run it, on frames of `width` x `height`."""

    model: str = "fast"
    scale: int | None = None
    backend: str = "auto"
    device: str = "auto"
    precision: str = "auto"
    threads: int = 0
    num_streams: int = 1
    backend_options: str = ""
    denoise: float = 0.0
    width: int = 480
    height: int = 270


def noise(choice: BenchOptions, count: int) -> list[Array]:
    """Frames of a slowly changing random frame: no cuts, and nothing that arithmetic could take a short cut on."""
    rng = np.random.default_rng(0)
    still = rng.random((3, choice.height, choice.width), dtype=np.float32)
    change = rng.random((count, 1, 1, 1), dtype=np.float32) * np.float32(0.1)
    return [np.asarray(still * np.float32(0.9) + grain, dtype=np.float32) for grain in change]


def open_engine(choice: BenchOptions) -> tuple[Backend, Engine]:
    """The backend, and an engine that shares it. Raises UsageError, WeightsError or BackendError."""
    named = {name: value for name, value in asdict(choice).items() if name not in {"width", "height"}}
    return load(**named), Engine.open(**named)


def is_image_network(choice: BenchOptions) -> bool:
    """Whether the model is an ONNX file that vs-mlrt runs as well."""
    return isinstance(open_engine(choice)[0], ImageBackend)


def step_action(backend: Backend, frames: list[Array]) -> Action:
    """One call takes all frames through the bare step, one at a time; the state continues from call to call."""
    height, width = backend.spec.padded(*frames[0].shape[1:])
    margin = ((0, 0), (0, height - frames[0].shape[1]), (0, width - frames[0].shape[2]))
    ready = [np.ascontiguousarray(np.pad(frame, margin, mode="edge")[None]) for frame in frames]
    link = np.ones(1, dtype=np.float32)
    state = backend.start(height, width)

    def act() -> None:
        nonlocal state
        for frame in ready:
            _, state = backend.step(frame, link, state)

    return act


def stream_action(engine: Engine, frames: list[Array], encoding: ColorFormat | None = None) -> Action:
    """One call streams all frames on, as parts of one clip without an end. With an encoding they come in planes."""
    sources = [InputFrame(frame, color_format=encoding) for frame in frames]

    def endless() -> Iterator[InputFrame]:
        while True:
            yield from sources

    stream = engine.stream_output(endless())

    def act() -> None:
        for _ in frames:
            next(stream)

    return act

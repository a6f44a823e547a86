"""Several frames of an image network at once: the same bits, in the same order, on as many threads as asked for."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.backends.image_networks import write_image_network
from tests.backends.tiny import write_onnx
from tests.engine.reference import Clip, clip_of
from vsadcvsr import backends
from vsadcvsr.engine import Engine
from vsadcvsr.errors import BackendError, FormatError, UsageError
from vsadcvsr.output import NetworkOutput
from vsadcvsr.spec import Array, ModelSpec

KINDS = ("ort", "openvino")
FRAMES = clip_of(9, {4}, (33, 47))


@pytest.mark.parametrize("backend", KINDS)
@pytest.mark.parametrize("options", [{}, {"tile": [40, 40], "tile_pad": 8}, {"strength": 0.5, "color_fix": "frame"}])
def test_any_number_of_streams_gives_the_same_bits_in_any_order(
    backend: str, options: dict[str, Any], tmp_path: Path
) -> None:
    path = write_image_network(tmp_path / "net.onnx", reach=2)
    single = list(Engine.open(path, backend=backend, **options).stream(FRAMES))
    for streams in (2, 3, 7):
        engine = Engine.open(path, backend=backend, num_streams=streams, threads=2, **options)
        assert engine.streams == streams
        np.testing.assert_array_equal(list(engine.stream(FRAMES)), single)
        order = random.Random(streams).sample(range(9), 9)
        with ThreadPoolExecutor(4) as pool:
            rendered = list(pool.map(lambda n: engine.render(n, Clip(FRAMES).fetch), order))  # noqa: B023 - used at once
        np.testing.assert_array_equal(rendered, [single[n] for n in order])


class Meeting:
    """An image network whose steps go on when as many as there are streams run at once."""

    spec = ModelSpec(name="meeting", lookahead=0, scale=1, reach=0)
    label = "test/cpu/fp32"

    def __init__(self, streams: int) -> None:
        self.streams = streams
        self.states = 0
        self._all_there = threading.Barrier(streams, timeout=20)

    def start(self, height: int, width: int) -> object:
        del height, width
        self.states += 1
        return threading.Lock()

    def step(self, frames: Array, links: Array, state: object) -> tuple[NetworkOutput, object]:
        del links
        assert isinstance(state, type(threading.Lock()))
        with state:
            self._all_there.wait()
        if frames[0, 0, 0, 0] > 0.5:
            raise BackendError("a bright frame")
        return frames.copy(), state

    def close(self) -> None:
        """Nothing is held."""


@pytest.mark.parametrize("streams", [2, 3])
def test_as_many_frames_are_computed_at_once_as_there_are_streams(streams: int) -> None:
    backend = Meeting(streams)
    frames = np.zeros((2 * streams, 3, 4, 4), np.float32)
    assert len(list(Engine(backend).stream(frames))) == 2 * streams
    assert backend.states == streams


def test_what_fails_is_raised_after_the_frames_before_it() -> None:
    frames = np.zeros((4, 3, 4, 4), np.float32)
    frames[2] = 1

    def broken() -> Iterator[Array]:
        yield from frames[:2]
        raise OSError("the source")

    outputs = Engine(Meeting(2)).stream(broken())
    assert [next(outputs).shape for _ in range(2)] == [(3, 4, 4)] * 2
    with pytest.raises(OSError, match="the source"):
        next(outputs)
    engine = Engine(Meeting(2))
    outputs = engine.stream(frames)
    assert [next(outputs).shape for _ in range(2)] == [(3, 4, 4)] * 2
    with pytest.raises(BackendError, match="a bright frame"):
        next(outputs)
    assert len(list(engine.stream(frames[:2]))) == 2
    with pytest.raises(FormatError, match="6x4, the ones before it 4x4"):
        list(engine.stream([*frames[:2], np.zeros((3, 4, 6), np.float32)]))


def test_a_stream_that_is_given_up_leaves_no_thread() -> None:
    outputs = Engine(Meeting(2)).stream(np.zeros((8, 3, 4, 4), np.float32))
    next(outputs)
    outputs.close()  # type: ignore[attr-defined]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("adcvsr-stream")]


def test_frames_of_image_networks_are_not_kept(tmp_path: Path) -> None:
    path = write_image_network(tmp_path / "net.onnx")
    clip, engine = Clip(FRAMES), Engine.open(path)
    for n in (0, 0, 1, 0):
        engine.render(n, clip.fetch)
    assert clip.fetched == [0, 1, 0]
    with pytest.raises(UsageError, match="the clip has no frame 9"):
        engine.render(9, clip.fetch)


@pytest.mark.parametrize("make", [write_onnx, None])
def test_a_network_with_memory_keeps_one_stream_and_says_so(
    make: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    backends._warn_once.cache_clear()
    model = make(tmp_path / "own.onnx") if make else "nearest"
    engine = Engine.open(model, num_streams=4)
    assert engine.streams == 1
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warning.startswith("num_streams=4 changes nothing for model ")
    assert "only image networks compute several frames at once" in warning


@pytest.mark.parametrize("number", [0, -1, 65, 1.5, "2", True])
def test_other_numbers_are_refused(number: Any) -> None:
    with pytest.raises(UsageError, match=r"num_streams is .*, allowed: 1 to 64$"):
        Engine.open("nearest", num_streams=number)

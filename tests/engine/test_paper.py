"""The paper's network under the engine: frames of any size, whole pictures in the colours of their source."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from tests.nets.paper.small_paper import SHALLOW, student
from vsadcvsr.engine import EndOfClip, Engine
from vsadcvsr.engine.runner import EngineOptions, InputFrame
from vsadcvsr.nets.paper.model import PaperStudent
from vsadcvsr.spec import Array


class Direct:
    """The least of a backend: the network as it is."""

    label = "direct"

    def __init__(self, net: PaperStudent) -> None:
        self.net = net
        self.spec = net.spec

    def start(self, height: int, width: int) -> object:
        return self.net.initial_state(height, width)

    def step(self, frames: Array, links: Array, state: object) -> tuple[Array, object]:
        assert isinstance(state, tuple)
        with torch.inference_mode():
            output, following = self.net.step(torch.from_numpy(frames), torch.from_numpy(links), state)
        return output.numpy(), following

    def close(self) -> None:
        pass


def clip(frames: int, height: int, width: int) -> Array:
    return np.random.default_rng(4).random((frames, 3, height, width), np.float32)


def in_colours_of(picture: Tensor, source: Tensor) -> Tensor:
    """As AdcSR does it: each channel's mean and deviation over the whole picture, before it is clamped."""
    flat, wanted = picture.flatten(2), source.flatten(2)
    even = (flat - flat.mean(2, keepdim=True)) / flat.std(2, keepdim=True)
    return (even * wanted.std(2, keepdim=True) + wanted.mean(2, keepdim=True)).view_as(picture).clamp(0, 1)


def test_frames_of_odd_size_equal_the_clip_form_of_padded_ones() -> None:
    net, frames = student(SHALLOW), clip(5, 7, 9)
    engine = Engine(Direct(net), EngineOptions(color_fix=net.spec.color_fix))
    output = np.stack(list(engine.stream(InputFrame(frame, index == 3) for index, frame in enumerate(frames))))
    padded = torch.from_numpy(np.pad(frames, ((0, 0), (0, 0), (0, 1), (0, 3)), mode="edge"))
    with torch.inference_mode():
        pictures = net(padded, torch.tensor([0.0, 1.0, 1.0, 0.0, 1.0]))[..., :28, :36]
    wanted = in_colours_of(pictures, torch.from_numpy(frames))
    np.testing.assert_allclose(output, wanted.numpy(), atol=5e-5)


def test_a_picture_asked_for_alone_has_the_bits_of_the_stream() -> None:
    frames = clip(30, 4, 8)
    engine = Engine(Direct(student(SHALLOW)), EngineOptions(color_fix="frame", threshold=0))
    streamed = list(engine.stream(frames))

    def fetch(index: int) -> InputFrame:
        if index >= len(frames):
            raise EndOfClip
        return InputFrame(frames[index])

    alone = engine.render(27, fetch)
    np.testing.assert_array_equal(alone, streamed[27])

"""The measured reach of image networks: that of their layers, so that tiles which overlap by it equal whole frames."""

from __future__ import annotations

import logging
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from onnx import helper

from tests.backends.image_networks import write, write_image_network
from tests.engine.reference import clip_of
from vsadcvsr import backends
from vsadcvsr.backends import receptive_field
from vsadcvsr.backends.pytorch.backend import TorchBackend, TorchOptions
from vsadcvsr.engine import Engine
from vsadcvsr.nets.image_networks import ImageNetwork
from vsadcvsr.spec import Array, ModelSpec

FRAME = clip_of(1, size=(70, 101))


def write_layers(path: Path, *, depth: int, dilation: int = 1, squeeze: bool = False, gain: float = 1.5) -> Path:
    """An x2 network of 3x3 convolutions with ReLU between; with `squeeze` the mean of the frame scales its channels."""
    random, width = np.random.default_rng(depth), 8
    values: dict[str, NDArray[Any]] = {}
    nodes, at, channels = [], "image", 3
    for layer in range(depth):
        returned = 12 if layer == depth - 1 else width
        kernel = random.normal(0, gain / np.sqrt(9 * channels), (returned, channels, 3, 3))
        values[f"weights_{layer}"] = kernel.astype(np.float32)
        nodes.append(
            helper.make_node("Conv", [at, f"weights_{layer}"], [f"conv_{layer}"], pads=[dilation] * 4,
                             dilations=[dilation] * 2)
        )  # fmt: skip
        nodes.append(helper.make_node("Relu", [f"conv_{layer}"], [f"relu_{layer}"]))
        at, channels = f"relu_{layer}" if layer < depth - 1 else f"conv_{layer}", returned
    if squeeze:
        values["mixing"] = random.normal(0, 2, (12, 12, 1, 1)).astype(np.float32)
        nodes.append(helper.make_node("GlobalAveragePool", [at], ["mean"]))
        nodes.append(helper.make_node("Conv", ["mean", "mixing"], ["mixed"]))
        nodes.append(helper.make_node("Sigmoid", ["mixed"], ["gate"]))
        nodes.append(helper.make_node("Mul", [at, "gate"], ["gated"]))
        at = "gated"
    nodes.append(helper.make_node("DepthToSpace", [at], ["upscaled"], blocksize=2, mode="CRD"))
    return write(path, nodes, values, {"image": [1, 3, "H", "W"]}, {"upscaled": [None] * 4})


def measured(path: Path, backend: str = "ort") -> ModelSpec:
    return receptive_field.measure(backends.load(path, backend=backend))


def output(path: Path, backend: str = "ort", **options: Any) -> Array:
    return next(Engine.open(path, backend=backend, **options).stream(FRAME))


@pytest.mark.parametrize(("depth", "dilation"), [(1, 1), (2, 3), (6, 1), (11, 2), (40, 1)])
def test_the_reach_is_that_of_the_layers_and_tiles_equal_whole_frames(
    depth: int, dilation: int, tmp_path: Path
) -> None:
    path = write_layers(tmp_path / "net.onnx", depth=depth, dilation=dilation)
    reach = measured(path).reach
    assert reach == depth * dilation
    size = 2 * reach + 12
    np.testing.assert_allclose(output(path, tile=(size, size)), output(path), atol=1e-5)


@pytest.mark.parametrize("gain", [0.3, 3.0])
def test_layers_that_weaken_or_strengthen_what_they_see_do_not_hide_it(gain: float, tmp_path: Path) -> None:
    path = write_layers(tmp_path / "net.onnx", depth=9, gain=gain)
    assert measured(path).reach == 9


@pytest.mark.parametrize("backend", ["ort", "openvino"])
@pytest.mark.parametrize(
    "facts",
    [{"reach": 3}, {"multiple": 4, "reach": 2}, {"channels": 1, "reach": 5}, {"type": "float16"}, {"size": (64, 48)},
     {"channels_last": True, "scale": 3}],
    ids=str,
)  # fmt: skip
def test_every_form_of_network_is_measured(backend: str, facts: dict[str, Any], tmp_path: Path) -> None:
    path = write_image_network(tmp_path / "net.onnx", **facts)
    reach = facts.get("reach", 1) * facts.get("multiple", 1)
    assert measured(path, backend).reach == reach
    tiles = {} if "size" in facts else {"tile": (48, 40)}
    free = write_image_network(tmp_path / "free.onnx", **{**facts, "size": None})
    margin = np.s_[:, :-20, :-20]  # what padding to a fixed size changes
    tiled, whole = (output(file, backend, **options) for file, options in ((path, tiles), (free, {})))
    np.testing.assert_allclose(tiled[margin], whole[margin], atol=1e-3 if facts.get("type") else 1e-5)


class _Convolutions:
    """What `ImageNetwork` takes: an x4 network of 3x3 convolutions, as spandrel describes it."""

    scale, supports_half, supports_bfloat16, input_channels, output_channels = 4, False, False, 3, 3
    size_requirements, tiling = SimpleNamespace(multiple_of=1, minimum=1), SimpleNamespace(name="SUPPORTED")

    def __init__(self, depth: int) -> None:
        torch.manual_seed(0)
        widths = [3, *[8] * (depth - 1), 48]
        layers = [torch.nn.Conv2d(taken, given, 3, padding=1) for taken, given in pairwise(widths)]
        self.model = torch.nn.Sequential(*layers, torch.nn.PixelShuffle(4))

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        return self.model(images)  # type: ignore[no-any-return]  # Sequential has no types


@pytest.mark.parametrize("is_late", [False, True])
def test_output_that_comes_a_frame_later_is_measured_as_well(is_late: bool) -> None:
    network = ImageNetwork(_Convolutions(5), "net")
    options = TorchOptions(pipelined_output=is_late)
    backend = TorchBackend.from_network(network, torch.device("cpu"), "fp32", options)
    assert backend.spec.lookahead == is_late
    assert receptive_field.measure(backend).reach == 5


def test_a_network_that_looks_at_the_whole_frame_has_no_reach_and_tiles_are_said_to_show(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_layers(tmp_path / "net.onnx", depth=2, squeeze=True)
    spec = measured(path)
    assert (spec.reach, spec.tiling, spec.reach_unknown) == (None, "discouraged", False)
    with caplog.at_level(logging.WARNING):
        tiled = output(path, tile=(80, 80))
    assert "model 'net' sees farther than tiles overlap: they change its output, and may show" in caplog.text
    assert np.abs(tiled - output(path)).max() > 1 / 255


def test_a_network_that_sees_farther_than_is_tried_has_tiles_that_approximate(tmp_path: Path) -> None:
    path = write_layers(tmp_path / "net.onnx", depth=25, dilation=4)
    spec = measured(path)
    assert spec.reach is None
    assert not spec.reach_unknown


def test_nothing_is_measured_without_tiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receptive_field, "measure", lambda _: pytest.fail("measured"))
    output(write_layers(tmp_path / "net.onnx", depth=2))


def test_the_threads_do_not_change_the_reach(tmp_path: Path) -> None:
    path = write_layers(tmp_path / "net.onnx", depth=7)
    reaches = {receptive_field.measure(backends.load(path, backend="ort", threads=threads)).reach for threads in (1, 2)}
    assert reaches == {7}

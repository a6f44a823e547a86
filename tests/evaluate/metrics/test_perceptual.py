"""Perceptual metrics and RAFT, with stand-ins for the packages that carry them, and no network."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.evaluate.waves import picture
from vsadcvsr.errors import BackendError, WeightsError
from vsadcvsr.evaluate.metrics import perceptual
from vsadcvsr.nets.efficientnet import Trunk

PYIQA = """
import os, pickle, socket, torch
def create_metric(name, device=None):
    print("Loading pretrained model")
    if name == "dists":
        socket.create_connection(("example.com", 443))
    if name == "maniqa-pipal" and os.environ.get("TORN"):
        raise pickle.UnpicklingError("invalid load key")
    if name == "musiq":
        raise RuntimeError("size mismatch\\nfor layer 1")
    assert os.environ["HF_HUB_OFFLINE"] == "1"
    def distance(frame, truth=None):
        if name == "clipiqa":
            raise RuntimeError("too small")
        assert frame.shape[:2] == (1, 3) and not torch.is_grad_enabled()
        return ((frame - truth) ** 2).mean() if truth is not None else frame.mean()
    return distance
"""

RAFT = """
import torch
class Still(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.step = torch.nn.Parameter(torch.zeros(2))
    def forward(self, first, second, num_flow_updates):
        assert first.shape[2] % 8 == 0 and min(first.shape[2:]) >= 128 and first.min() < -0.5
        flow = self.step.view(1, 2, 1, 1).expand(1, 2, *first.shape[2:])
        return [flow * 0] * (num_flow_updates - 1) + [flow]
def raft_large(weights, progress):
    assert weights is None
    return Still()
"""


@pytest.fixture
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path


@pytest.fixture
def everything(caches: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A stand-in for pyiqa and for torchvision, and empty files with the names of all weights."""
    (caches / "pyiqa.py").write_text(PYIQA)
    for package in ("torchvision", "torchvision/models"):
        (caches / package).mkdir()
        (caches / package / "__init__.py").touch()
    (caches / "torchvision/models/optical_flow.py").write_text(RAFT)
    for metric in perceptual.METRICS.values():
        for home, names in (("torch/hub", metric.torch_files), ("hub", metric.hub_files)):
            for name in names:
                path = caches / home / name.replace("*", "0123")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
    monkeypatch.syspath_prepend(str(caches))
    modules = {name for name in sys.modules if name.split(".")[0] in ("pyiqa", "torchvision")}
    assert not modules
    yield caches
    for name in [name for name in sys.modules if name.split(".")[0] in ("pyiqa", "torchvision")]:
        del sys.modules[name]


@pytest.mark.usefixtures("everything")
def test_a_metric_against_the_truth_gets_both_frames() -> None:
    metric = perceptual.open_metric("lpips")
    assert metric(picture(16, 20), picture(16, 20)) == 0
    assert metric(picture(16, 20), picture(16, 20, 1)) == pytest.approx(
        float(np.mean((picture(16, 20) - picture(16, 20, 1)) ** 2)), rel=1e-5
    )


@pytest.mark.usefixtures("everything")
def test_a_metric_without_reference_gets_the_frame_alone() -> None:
    assert perceptual.open_metric("maniqa")(picture(16, 20), picture(16, 20)) == pytest.approx(
        float(picture(16, 20).mean())
    )


@pytest.mark.usefixtures("everything")
def test_nothing_is_printed_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    perceptual.open_metric("lpips")
    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("everything")
def test_a_download_is_refused_and_the_network_comes_back() -> None:
    before = (socket.getaddrinfo, os.environ.get("HF_HUB_OFFLINE"))
    with pytest.raises(BackendError, match="dists cannot be opened: a file is missing, and nothing is downloaded"):
        perceptual.open_metric("dists")
    assert (socket.getaddrinfo, os.environ.get("HF_HUB_OFFLINE")) == before


def test_other_threads_look_up_addresses_while_a_metric_is_opened() -> None:
    with perceptual._no_network(), ThreadPoolExecutor(1) as other:
        assert other.submit(socket.getaddrinfo, "127.0.0.1", 80).result()
        with pytest.raises(OSError, match="nothing is downloaded"):
            socket.getaddrinfo("127.0.0.1", 80)


@pytest.mark.usefixtures("everything")
def test_foreign_weights_are_one_line() -> None:
    with pytest.raises(BackendError, match=r"musiq cannot be opened: size mismatch$"):
        perceptual.open_metric("musiq")


@pytest.mark.usefixtures("everything")
def test_a_torn_file_of_weights_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORN", "1")
    with pytest.raises(BackendError, match="maniqa-pipal cannot be opened: invalid load key"):
        perceptual.open_metric("maniqa")


@pytest.mark.usefixtures("everything")
def test_a_frame_that_a_metric_cannot_take_is_one_line() -> None:
    with pytest.raises(BackendError, match=r"clipiqa failed on a frame of \(3, 16, 20\): too small"):
        perceptual.open_metric("clipiqa")(picture(16, 20), None)


def test_a_missing_file_is_named_with_its_place(everything: Path) -> None:
    next((everything / "torch/hub/checkpoints").glob("alexnet*")).unlink()
    with pytest.raises(
        BackendError, match=r"lpips needs \S+hub/checkpoints/alexnet-owt-\*\.pth; nothing is downloaded"
    ):
        perceptual.open_metric("lpips")


@pytest.mark.parametrize("name", perceptual.METRICS)
def test_without_anything_every_metric_says_what_it_needs(caches: Path, name: str) -> None:
    with pytest.raises(BackendError, match=f"needs .*{caches}.*; nothing is downloaded here"):
        perceptual.open_metric(name)


def test_raft_gives_its_last_estimate_in_the_size_of_the_frame(everything: Path) -> None:
    torch.save({"step": torch.tensor([2.0, -1.0])}, everything / "raft_large.pth")
    net = perceptual.raft(everything / "raft_large.pth")
    flow = net.between(picture(42, 61), picture(42, 61))
    assert flow.shape == (42, 61, 2)
    assert flow[3, 5].tolist() == [2, -1]
    assert "raft_large.pth" in net.name


def test_rafts_weights_have_to_be_rafts(everything: Path) -> None:
    torch.save({"stride": torch.zeros(2)}, everything / "other.pth")
    with pytest.raises(WeightsError, match="not a state of torchvision's raft_large"):
        perceptual.raft(everything / "other.pth")
    (everything / "text.pth").write_text("not weights")
    with pytest.raises(WeightsError, match="not a state of torchvision's raft_large"):
        perceptual.raft(everything / "text.pth")
    with pytest.raises(WeightsError, match="no such file"):
        perceptual.raft(everything / "none.pth")


def test_the_feature_distance_is_nothing_for_the_truth_and_grows_with_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(2)
    net = Trunk()
    inputs: list[torch.Tensor] = []
    net.register_forward_pre_hook(lambda _, arguments: inputs.append(arguments[0]))
    monkeypatch.setattr(perceptual, "trunk", lambda: net)
    scores = perceptual.features()
    truth = [picture(64, 80, shift) for shift in range(2)]
    noise = np.random.default_rng(0).standard_normal((3, 64, 80), np.float32)
    rows = [scores([frame + sigma * noise for frame in truth], truth) for sigma in (0, 0.05, 0.2)]
    assert rows[0] == pytest.approx([0, 0], abs=1e-6)
    assert rows[0] < rows[1] < rows[2]
    assert len(inputs) == 3 * 2 + 2  # the truth's features are found once

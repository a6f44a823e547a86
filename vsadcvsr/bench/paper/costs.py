"""Costs of the paper's network: counted arithmetic, the GPU's measured rate, and networks to measure."""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from vsadcvsr.backends.pytorch.backend import TorchBackend, TorchOptions
from vsadcvsr.bench.timing import Action
from vsadcvsr.nets.paper.config import PaperDims
from vsadcvsr.nets.paper.model import PaperStudent
from vsadcvsr.nets.weights_file import empty_student
from vsadcvsr.spec import Array

type Size = tuple[int, int]
"""(height, width) of the frames that go in."""


def flops(dims: PaperDims, size: Size) -> int:
    """Floating-point operations of one frame, two for each multiplication; counted, not run."""
    net = empty_student(dims)
    assert isinstance(net, PaperStudent)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net(torch.zeros(1, 3, *size, device="meta"), torch.zeros(1, device="meta"))
    return int(counter.get_total_flops())


def matrix_rate(device: torch.device, type: torch.dtype, side: int, *, rounds: int = 10) -> float:
    """FLOP/s of products of square matrices, the best of some rounds: the highest rate of the device."""
    left, right = (torch.randn(side, side, device=device).to(type) for _ in range(2))
    best = float("inf")
    for _ in range(3 + rounds):
        warm_up(device)
        began = time.perf_counter()
        torch.matmul(left, right)
        warm_up(device)
        best = min(best, time.perf_counter() - began)
    return float(2 * side**3 / best)


def warm_up(device: torch.device) -> None:
    """Waits for the device to have done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def random_student(dims: PaperDims, seed: int = 0) -> PaperStudent:
    """A network whose every weight is random, those of the temporal blocks too; nothing grows along the depth."""
    torch.manual_seed(seed)
    net = PaperStudent(dims).eval().requires_grad_(requires_grad=False)
    for name, weight in net.named_parameters():
        if weight.ndim > 1:
            weight.normal_(std=(0.5 / weight[0].numel()) ** 0.5)
        elif not name.endswith("weight"):
            weight.normal_(std=0.02)
    return net


def moving(count: int, size: Size) -> Array:
    """Frames (count, 3, H, W) of a pattern that slides, with a little noise."""
    rng = np.random.default_rng(0)
    wide = rng.random((3, size[0] // 4 + 1, (size[1] + count) // 4 + 2), np.float32).repeat(4, 1).repeat(4, 2)
    frames = [wide[:, : size[0], n : n + size[1]] for n in range(count)]
    noise = rng.random((count, 3, *size), np.float32) * np.float32(0.05)
    return np.asarray(np.stack(frames) * np.float32(0.95) + noise, np.float32)


@torch.inference_mode()
def clip_form(net: PaperStudent, frames: Array, device: torch.device) -> Array:
    """The clip form in fp32, one frame at a time in its second half: what everything else is held against."""
    wide = copy.deepcopy(net).to(device)
    links = torch.ones(len(frames), device=device)
    links[0] = 0
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=False, allow_tf32=False):
        features = wide.features(torch.from_numpy(frames).to(device), links)
        return torch.cat([wide.reconstruct(features_[None]).cpu() for features_ in features]).numpy()


def run_stream(backend: TorchBackend, frames: Array) -> Array:
    """The frames of a clip, a frame a step."""
    late = backend.spec.lookahead
    fed = np.concatenate([frames, np.zeros((late, *frames.shape[1:]), np.float32)])
    state, output = backend.start(*frames.shape[2:]), []
    for n, frame in enumerate(fed):
        picture, state = backend.step(frame[None], np.full(1, float(0 < n < len(frames)), np.float32), state)
        output += [picture] if n >= late else []
    return np.concatenate([np.asarray(item) for item in output])


@dataclass(frozen=True)
class BackendRun:
    """The backend as the engine drives it, frames from the host's memory and frames back to it."""

    backend: TorchBackend
    act: Action
    """Takes all frames once, on a continuing stream; `count` frames a step."""


def backend_run(
    net: PaperStudent, frames: Array, device: torch.device, precision: str, options: TorchOptions, count: int = 1
) -> BackendRun:
    """Our way through a copy of the network."""
    backend = TorchBackend.from_network(copy.deepcopy(net), device, precision, options)
    state = backend.start(*frames.shape[2:])
    links = np.ones(count, np.float32)

    def action() -> None:
        nonlocal state
        for at in range(0, len(frames) // count * count, count):
            _, state = backend.step(frames[at : at + count], links, state)
        warm_up(device)

    return BackendRun(backend, action)


def plain_run(net: PaperStudent, frames: Array, device: torch.device, *, clip: bool) -> Action:
    """The same network as anybody would run it in fp16: `.half()`, kernel by kernel; clip form or step form.

    Frames and frames cross the bus as for ours.
    """
    half = copy.deepcopy(net).half().to(device)
    state = half.initial_state(*frames.shape[2:])

    @torch.inference_mode()
    def action() -> None:
        nonlocal state
        if clip:
            links = torch.ones(len(frames), device=device, dtype=torch.float16)
            half(_inputs(frames, device), links).float().cpu()
            return
        link = torch.ones(1, device=device)
        for frame in frames:
            output, state = half.step(_inputs(frame[None], device), link, state)
            output.float().cpu()

    return action


def _inputs(frames: Array, device: torch.device) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(frames)).to(device).half()

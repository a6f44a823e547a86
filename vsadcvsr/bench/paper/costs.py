"""What the paper's network costs: its arithmetic by counting, the chip's rate by measuring, and networks to measure."""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from vsadcvsr.backends.pytorch.backend import Eager, Ways
from vsadcvsr.bench.timing import Act
from vsadcvsr.nets.paper.config import PaperDims
from vsadcvsr.nets.paper.model import PaperStudent
from vsadcvsr.nets.weights_file import blank
from vsadcvsr.spec import Array

type Size = tuple[int, int]
"""(height, width) of the frames that go in."""


def flops(dims: PaperDims, size: Size) -> int:
    """Floating-point operations of one frame, two for each multiplication; counted, not run."""
    net = blank(dims)
    assert isinstance(net, PaperStudent)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net(torch.zeros(1, 3, *size, device="meta"), torch.zeros(1, device="meta"))
    return int(counter.get_total_flops())


def matrix_rate(device: torch.device, type: torch.dtype, side: int, *, rounds: int = 10) -> float:
    """FLOP/s of products of square matrices, the best of some rounds: what the chip gives at most."""
    one, other = (torch.randn(side, side, device=device).to(type) for _ in range(2))
    best = float("inf")
    for _ in range(3 + rounds):
        settle(device)
        began = time.perf_counter()
        torch.matmul(one, other)
        settle(device)
        best = min(best, time.perf_counter() - began)
    return float(2 * side**3 / best)


def settle(device: torch.device) -> None:
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
def reference(net: PaperStudent, frames: Array, device: torch.device) -> Array:
    """The clip form in fp32, one picture at a time in its second half: what everything else is held against."""
    wide = copy.deepcopy(net).to(device)
    links = torch.ones(len(frames), device=device)
    links[0] = 0
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=False, allow_tf32=False):
        features = wide.features(torch.from_numpy(frames).to(device), links)
        return torch.cat([wide.pictures(one[None]).cpu() for one in features]).numpy()


def streamed(backend: Eager, frames: Array) -> Array:
    """The pictures of a clip, a frame a step."""
    late = backend.spec.lookahead
    fed = np.concatenate([frames, np.zeros((late, *frames.shape[1:]), np.float32)])
    state, made = backend.start(*frames.shape[2:]), []
    for n, frame in enumerate(fed):
        picture, state = backend.step(frame[None], np.full(1, float(0 < n < len(frames)), np.float32), state)
        made += [picture] if n >= late else []
    return np.concatenate([np.asarray(one) for one in made])


@dataclass(frozen=True)
class Ours:
    """The backend as the engine drives it, frames from the host's memory and pictures back to it."""

    backend: Eager
    act: Act
    """Takes all frames once, on a stream that goes on; `count` frames a step."""


def ours(net: PaperStudent, frames: Array, device: torch.device, precision: str, ways: Ways, count: int = 1) -> Ours:
    """Our way through a copy of the network."""
    backend = Eager.of(copy.deepcopy(net), device, precision, ways)
    state = backend.start(*frames.shape[2:])
    links = np.ones(count, np.float32)

    def act() -> None:
        nonlocal state
        for at in range(0, len(frames) // count * count, count):
            _, state = backend.step(frames[at : at + count], links, state)
        settle(device)

    return Ours(backend, act)


def plain(net: PaperStudent, frames: Array, device: torch.device, *, clip: bool) -> Act:
    """The same network as anybody would run it in fp16: `.half()`, kernel by kernel; clip form or step form.

    Frames and pictures cross the bus as for ours.
    """
    half = copy.deepcopy(net).half().to(device)
    state = half.fresh_state(*frames.shape[2:])

    @torch.inference_mode()
    def act() -> None:
        nonlocal state
        if clip:
            links = torch.ones(len(frames), device=device, dtype=torch.float16)
            half(_given(frames, device), links).float().cpu()
            return
        link = torch.ones(1, device=device)
        for frame in frames:
            made, state = half.step(_given(frame[None], device), link, state)
            made.float().cpu()

    return act


def _given(frames: Array, device: torch.device) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(frames)).to(device).half()

"""Estimate of the speed and the bottleneck of `fast` on a GPU, with base and detail or with planes from the device.

The host's work on a frame is measured on this CPU, bytes and operations are counted, and data of GPUs are those of
their data sheets. The overhead of calls into torch and the driver is not included.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from vsadcvsr import environment
from vsadcvsr.backends.pytorch.transfer import to_host
from vsadcvsr.bench.timing import time_action
from vsadcvsr.color import ColorFormat
from vsadcvsr.errors import MediaError
from vsadcvsr.nets.compact import FAST, CompactStudent

HOST = Path(__file__).with_name("gpu_estimate.vpy")
OUT = ColorFormat(family="YUV", bits=8, subsampling=(1, 1), matrix=1)
SIZE = (270, 480)
CORES = 16
"""Of the machine around a card, in these calculations."""

_HALF = 2  # bytes of a number in half precision


@dataclass(frozen=True)
class Card:
    """In units a second: operations of dense bf16, bytes of its memory, bytes over PCIe x16 in one direction (what of
    that is had in practice, about 80 %).
    """

    flops: float
    memory: float
    bus: float


CARDS = {
    "L4": Card(121e12, 300e9, 25e9),
    "RTX 4090": Card(165e12, 1008e9, 25e9),
    "H200": Card(989e12, 4800e9, 50e9),
}


@dataclass(frozen=True)
class Network:
    """What a frame costs on the device: operations, and bytes of activations, each written once and read once."""

    flops: float
    traffic: float


@dataclass(frozen=True)
class Route:
    """How frames reach the host: bytes down, and ms of the thread that runs the engine and of all others."""

    down: int
    engine: float
    others: float


def upload_bytes(size: tuple[int, int] = SIZE) -> int:
    """What a frame takes on its way to the device: RGB in float."""
    return 3 * 4 * size[0] * size[1]


def download_bytes(size: tuple[int, int] = SIZE, *, planes: bool) -> int:
    """What a frame takes on its way back: its parts in half precision, or its planes."""
    height, width = size
    if planes:
        return OUT.nbytes(height * FAST.scale, width * FAST.scale)
    return _HALF * (3 + FAST.scale**2) * height * width


def network(size: tuple[int, int] = SIZE) -> Network:
    """`fast`, counted and not run."""
    with torch.device("meta"):
        net = CompactStudent(FAST).eval()
        padded = net.spec.padded(*size)
        frames, links, state = torch.zeros(1, 3, *padded), torch.zeros(1), net.initial_state(*padded)
    passed = 0

    def note(_: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        nonlocal passed
        passed += inputs[0].numel() + output.numel()

    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(note)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net.step(frames, links, state)
    return Network(counter.get_total_flops(), _HALF * passed)


def host(size: tuple[int, int] = SIZE, count: int = 24) -> dict[str, float]:
    """ms of the host's work on a frame, on one thread. Raises MediaError if VapourSynth does not run."""
    order = json.dumps({"height": size[0], "width": size[1], "count": count})
    run = subprocess.run(
        [sys.executable, str(HOST), order],
        capture_output=True,
        text=True,
        check=False,
        env=environment.for_python(OMP_NUM_THREADS="1"),
    )
    if run.returncode:
        words = run.stderr.strip().splitlines() or [f"exit status {run.returncode}"]
        raise MediaError(f"VapourSynth did not run: {words[-1]}")
    measured: dict[str, float] = json.loads(run.stdout.splitlines()[-1])
    return {**measured, **_transfer_times(size)}


def _transfer_times(size: tuple[int, int]) -> dict[str, float]:
    """ms of the copies after a download: from pinned memory, converted to fp32 or unchanged."""
    height, width = size[0] * FAST.scale, size[1] * FAST.scale
    detail = torch.zeros(height, width, dtype=torch.float16)
    planes = torch.zeros(OUT.nbytes(height, width), dtype=torch.uint8)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return {
            "fetching parts": min(time_action(lambda: to_host(detail, torch.float32)) for _ in range(20)),
            "fetching planes": min(time_action(lambda: to_host(planes, torch.uint8)) for _ in range(20)),
        }
    finally:
        torch.set_num_threads(threads)


def routes(ms: dict[str, float], size: tuple[int, int] = SIZE) -> dict[str, Route]:
    """Both ways, from what `host` has measured."""
    return {
        "pictures in parts": Route(
            download_bytes(size, planes=False),
            ms["admitting"] + ms["fetching parts"] + ms["handing parts"],
            ms["entering"] + ms["converting parts"],
        ),
        "planes from the device": Route(
            download_bytes(size, planes=True),
            ms["admitting"] + ms["fetching planes"] + ms["handing planes"],
            ms["entering"] + ms["describing planes"],
        ),
    }


def limits(route: Route, card: Card, network: Network, size: tuple[int, int] = SIZE) -> dict[str, float]:
    """Frames a second that each thing allows; the directions of the bus do not share it."""
    return {
        "bus": card.bus / max(route.down, upload_bytes(size)),
        "matrix rate": card.flops / network.flops,
        "memory traffic": card.memory / (network.traffic + 2 * route.down),
        "the engine's thread": 1e3 / route.engine,
        f"conversion, {CORES} cores": (CORES - 1) * 1e3 / route.others,
    }


@dataclass(frozen=True)
class Report:
    """Measured times (ms a frame and thread), counted operations, and frames per second by card, path and limit."""

    measured: dict[str, float]
    computed: dict[str, float]
    calculated: dict[str, dict[str, dict[str, float]]]


def report(ms: dict[str, float]) -> Report:
    """All of it, from what `host` has measured."""
    cost, options = network(), routes(ms)
    counted = {
        "GFLOP a frame": cost.flops / 1e9,
        "MB of activations a frame": cost.traffic / 1e6,
        "MB a frame up the bus": upload_bytes() / 1e6,
        **{f"MB a frame down the bus, {name}": route.down / 1e6 for name, route in options.items()},
    }
    rates = {
        card: {name: limits(route, facts, cost) for name, route in options.items()} for card, facts in CARDS.items()
    }
    return Report(ms, counted, rates)


def text(report: Report) -> list[str]:
    """Lines for people: the least of the limits first, for it is what holds."""
    lines = ["", "fast on a GPU, 480x270 to 1920x1080 YUV420P8: measured on this CPU, one thread"]
    lines += [f"{name:48}{value:8.2f} ms a frame" for name, value in report.measured.items()]
    lines += ["", "counted", *(f"{name:48}{value:8.2f}" for name, value in report.computed.items())]
    lines += ["", "by calculation, frames/s that each thing allows as if nothing else took time, least first:"]
    for card, by_route in report.calculated.items():
        for name, rates in by_route.items():
            listed = ", ".join(f"{what} {rate:.0f}" for what, rate in sorted(rates.items(), key=lambda pair: pair[1]))
            lines.append(f"{card}, {name}: {listed}")
    return lines

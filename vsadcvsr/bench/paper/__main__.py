"""`python -m vsadcvsr.bench.paper`: speed of the paper's network on a GPU, with and without optimisations, and of
`fast`.

Outputs are checked against the clip form in fp32 before anything is timed. Without `--weights` the weights are random,
which takes the same time. `--dry-run` takes the same steps on the CPU with a small network, as a test; its numbers mean
nothing. Memory on common cards is calculated and printed.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace

import numpy as np

from vsadcvsr import extras
from vsadcvsr.bench import options
from vsadcvsr.commands import check_output, status
from vsadcvsr.errors import AdcvsrError, BackendError, MediaError
from vsadcvsr.files import write_text
from vsadcvsr.spec import Array, MemoryNeeds

with extras.needs("torch", "the benchmark of the paper's network", __name__, options.paper):
    import torch

    from vsadcvsr import backends, memory
    from vsadcvsr.backends.pytorch.backend import TorchBackend, TorchOptions
    from vsadcvsr.bench.components import BenchOptions, noise, step_action, stream_action
    from vsadcvsr.bench.machine import this_machine
    from vsadcvsr.bench.paper import costs, gpu_estimate
    from vsadcvsr.bench.timing import Timing, measure, time_action
    from vsadcvsr.engine import Engine, EngineOptions
    from vsadcvsr.nets.paper.config import PAPER, PaperDims
    from vsadcvsr.nets.paper.memory import memory_needs
    from vsadcvsr.nets.paper.model import PaperStudent
    from vsadcvsr.nets.weights_file import Student, load_weights
    from vsadcvsr.tiling import TileOptions
    from vsadcvsr.weights import store

PUBLISHED_MS = 22.0
"""Milliseconds per frame in the paper, for a 25-frame clip at 512x512 on an H20."""

_CARD_GIB = (24, 12, 8)
_OUTPUTS = {"1920x1080": (270, 480), "3840x2160": (540, 960)}
_MIN_DB = {"fp32": 60.0, "fp16": 20.0, "bf16": 20.0}
"""Random weights make chaos of rounding; below this, something is wrong."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """Sizes of the benchmark, (height, width) of the input."""

    dims: PaperDims = PAPER
    size: tuple[int, int] = (128, 128)
    frames: int = 25
    long: int = 1000
    rounds: int = 5
    matrix: int = 8192
    steps: tuple[int, ...] = (1, 5)
    tiled: tuple[int, int] = (128, 224)
    fast: tuple[int, int] = (270, 480)


DRY_RUN = Trial(
    dims=PaperDims(name="reduced", widths=(4, 8), layers=1, head_dim=4, decoder=(8, 8, 4, 4), decoder_layers=1,
                   groups=(2, 1)),
    size=(16, 16), frames=5, long=20, rounds=1, matrix=64, tiled=(16, 224), fast=(16, 32),
)  # fmt: skip


@dataclass
class Results:
    """Numbers by name, in order; the estimate for `fast`; and omitted parts with the reasons."""

    numbers: dict[str, float] = field(default_factory=dict)
    gpu_estimate: gpu_estimate.Report | None = None
    left_out: dict[str, str] = field(default_factory=dict)


class Bench:
    """One network, one device, one precision."""

    def __init__(self, trial: Trial, net: PaperStudent, device: torch.device, precision: str) -> None:
        self.trial, self.net, self.device, self.precision = trial, net, device, precision
        self.frames = costs.moving(trial.frames, trial.size)
        self.results = Results()
        self.options = TorchOptions.for_device(device)

    def run(self) -> Results:
        """Runs all parts in order. Raises AdcvsrError if outputs are wrong."""
        ours = (self.verify, self.count, self.time_ours, self.time_plain, self.last, self.tile)
        for part in (*ours, self.time_fast, self.calculate):
            part()
        return self.results

    def verify(self) -> None:
        """Compares the frames of a stream with the clip form."""
        expected = costs.clip_form(self.net, self.frames, self.device)
        output = costs.run_stream(self._backend(self.options), self.frames)
        results = decibels(output, expected)
        self._note("PSNR against the clip form in fp32, dB", results)
        if not results >= _MIN_DB[self.precision]:
            raise AdcvsrError(f"outputs differ from the clip form in fp32: {results:.1f} dB; nothing was timed")

    def count(self) -> None:
        """Counts operations, and measures the rate that the GPU reaches on matrix products."""
        self._flops = costs.flops(self.trial.dims, self.trial.size)
        kind = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}[self.precision]
        self._rate = costs.matrix_rate(self.device, kind, self.trial.matrix)
        self._note("TFLOP a frame", self._flops / 1e12)
        self._note("matrix rate of the chip, TFLOP/s", self._rate / 1e12)

    def time_ours(self) -> None:
        """Our steps, of one frame and of several, and without recording."""
        for count in self.trial.steps:
            self._note(f"ours, {count} a step, ms a frame", self._time_backend(self.options, count).median)
        first = self.results.numbers[f"ours, {self.trial.steps[0]} a step, ms a frame"]
        self._note("fraction of the matrix rate", self._flops / (first / 1e3) / self._rate)
        self._note("times as fast as the paper on an H20 (22 ms)", PUBLISHED_MS / first)
        if self.options.cuda_graphs:
            options = self.options
            without = TorchOptions(pipelined_output=options.pipelined_output, memory_limit=options.memory_limit)
            self._note("ours without CUDA graphs, ms a frame", self._time_backend(without, 1).median)
        else:
            self.results.left_out["CUDA graphs"] = "no GPU, or switched off"

    def time_plain(self) -> None:
        """The same network in plain eager fp16."""
        for name, clip in (("clip form", True), ("step form", False)):
            act = costs.plain_run(self.net, self.frames, self.device, clip=clip)
            self._note(
                f"plain eager fp16, {name}, ms a frame",
                measure(act, rounds=self.trial.rounds, frames=len(self.frames), burn_in=1).median,
            )
        first = self.results.numbers[f"ours, {self.trial.steps[0]} a step, ms a frame"]
        for name in ("clip form", "step form"):
            of = self.results.numbers[f"plain eager fp16, {name}, ms a frame"]
            self._note(f"ours against plain eager fp16, {name}, times", of / first)

    def last(self) -> None:
        """Many frames, in tenths: the last one against the first."""
        act = costs.backend_run(self.net, self.frames, self.device, self.precision, self.options).act
        act()
        calls = max(2, self.trial.long // len(self.frames))
        times = [time_action(act, frames=len(self.frames)) for _ in range(calls)]
        tenth = max(1, calls // 10)
        self._note(f"frames in a row: {calls * len(self.frames)}; last tenth / first tenth",
                   float(np.median(times[-tenth:]) / np.median(times[:tenth])))  # fmt: skip

    def tile(self) -> None:
        """One frame in two tiles against the whole: what attention and normalisation make of a part."""
        height, width = self.trial.tiled
        frame = costs.moving(1, (height, width))
        tiles = EngineOptions(tiles=TileOptions(width=128, height=128, pad=16))
        whole, tiled = (
            np.stack(list(Engine(self._backend(TorchOptions()), engine_options).stream(frame)))
            for engine_options in (EngineOptions(), tiles)
        )
        self._note("tiled against whole, PSNR, dB", decibels(tiled, whole))
        self._note("tiled against whole, largest difference", float(np.abs(tiled - whole).max()))

    def time_fast(self) -> None:
        """`fast`, on torch and, where it has a GPU, on ONNX Runtime."""
        height, width = self.trial.fast
        for name, device in (("torch", self.device.type), ("ort", "cuda")):
            try:
                path = store.find("fast", backends.suffixes(name))
                backend = backends.load(path, backend=name, device=device)
            except AdcvsrError as error:
                self.results.left_out[f"fast on {name}"] = str(error)
                continue
            frames = noise(BenchOptions(width=width, height=height), 16)
            rate = measure(step_action(backend, frames), rounds=self.trial.rounds, frames=16).rate
            self._note(f"fast, {width}x{height}, {backend.label}, frames/s", rate)
            if name == "torch":
                self._time_planes(load_weights(path), backend.label, frames)

    def _time_planes(self, net: Student, label: str, frames: list[Array]) -> None:
        """`fast` through the engine, with its frames in parts and in planes."""
        for what, encoding in (("parts", None), ("planes of YUV420P8", gpu_estimate.OUT)):
            arguments = TorchBackend.from_network(
                net, self.device, label.rpartition("/")[2], replace(self.options, planar_output=True, memory_limit=None)
            )
            act = stream_action(Engine(arguments), frames, encoding)
            rate = measure(act, rounds=self.trial.rounds, frames=len(frames)).rate
            self._note(f"fast through the engine, {what}, frames/s", rate)

    def calculate(self) -> None:
        """What holds `fast` on GPUs that are not here."""
        try:
            self.results.gpu_estimate = gpu_estimate.report(gpu_estimate.host())
        except MediaError as error:
            self.results.left_out["fast on a GPU, by calculation"] = str(error)

    def _time_backend(self, options: TorchOptions, count: int) -> Timing:
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.device)
        frames = self.frames[: max(count, len(self.frames) // count * count)]
        run = costs.backend_run(self.net, frames, self.device, self.precision, options, count)
        timing = measure(run.act, rounds=self.trial.rounds, frames=len(frames), burn_in=2)
        if self.device.type == "cuda" and count == 1 and options == self.options:
            peak = torch.cuda.max_memory_allocated(self.device) / memory.GIB
            self._note("peak memory, GiB", peak)
            planned = run.backend.needs(*self.trial.size).on_device(1, "none") / memory.GIB
            self._note("peak memory as planned, GiB", planned)
        return timing

    def _backend(self, options: TorchOptions) -> TorchBackend:
        return costs.backend_run(self.net, self.frames[:1], self.device, self.precision, options).backend

    def _note(self, name: str, number: float) -> None:
        self.results.numbers[name] = number


def decibels(output: Array, expected: Array) -> float:
    """PSNR over all frames, for values of 0 to 1."""
    error = float(np.square(output.astype(np.float64) - expected).mean())
    return float(10 * np.log10(1 / error)) if error else float("inf")


def memory_plans() -> dict[str, str]:
    """Memory of the paper's network in bf16 by calculation, for outputs on cards: nothing of it is measured here."""
    weights = 2 * 572_935_443

    def needs(height: int, width: int) -> MemoryNeeds:
        return memory_needs(PAPER, (height, width), item_size=2, weights=weights)

    return {
        f"{output} on {card} GB": str(
            memory.plan_memory(PAPER.spec, needs, *size, memory.usable_memory(card * memory.GIB))
        )
        for output, size in _OUTPUTS.items()
        for card in _CARD_GIB
    }


def text(label: str, results: Results) -> str:
    """The report for people."""
    lines = [label, "", *(f"{name:58}{number:12.4g}" for name, number in results.numbers.items())]
    lines += [f"left out: {name}: {why}" for name, why in results.left_out.items()]
    lines += ["", "memory of the paper's network in bf16, by calculation:"]
    lines += [f"{name:24}{what}" for name, what in memory_plans().items()]
    return "\n".join([*lines, *(gpu_estimate.text(results.gpu_estimate) if results.gpu_estimate else [])])


def main(argv: Sequence[str] | None = None) -> int:
    """Measures, prints, and returns the exit status."""
    values = options.paper().parse_args(argv)
    return status("bench", lambda: _measure(values))


def _measure(arguments: argparse.Namespace) -> None:
    check_output("--json", arguments.json)
    if not (arguments.dry_run or torch.cuda.is_available()):
        raise BackendError("torch finds no GPU; --dry-run takes the same steps on the CPU")
    trial, net = _network(arguments)
    device = torch.device("cpu" if arguments.dry_run else "cuda")
    precision = _precision(arguments.precision, device)
    results = Bench(trial, net, device, precision).run()
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else "the CPU"
    weights = arguments.weights.name if arguments.weights else "random weights"
    label = f"{trial.dims.name} ({weights}) on {gpu}, {precision}, {trial.size[1]}x{trial.size[0]} x4"
    print(text(label + (": a dry run, no measurement" if arguments.dry_run else ""), results))
    if arguments.json:
        facts = {"gpu": gpu, "cuda": torch.version.cuda, **asdict(this_machine())}
        written = {
            "label": label,
            "dry_run": arguments.dry_run,
            "machine": facts,
            **asdict(results),
            "planned": memory_plans(),
        }
        write_text(arguments.json, json.dumps(written, indent=1))


def _network(arguments: argparse.Namespace) -> tuple[Trial, PaperStudent]:
    trial = DRY_RUN if arguments.dry_run else Trial()
    if arguments.weights is None:
        return trial, costs.random_student(trial.dims)
    net = load_weights(arguments.weights)
    if not isinstance(net, PaperStudent):
        raise AdcvsrError(f"{arguments.weights} holds {net.spec.name!r}; give a file of the paper's network")
    return Trial(**{**vars(trial), "dims": net.dims}), net


def _precision(expected: str, device: torch.device) -> str:
    if expected != "auto":
        return expected
    if device.type == "cpu":
        return "fp32"
    return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"


if __name__ == "__main__":
    raise SystemExit(main())

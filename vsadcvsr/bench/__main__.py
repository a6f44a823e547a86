"""Benchmark of each component of the path of a frame, at 480x270 to 1920x1080: `adcvsr bench`.

The bare model step and the engine around it take turns in this process; components that need VapourSynth run in one of
their own (`host.vpy`), where the whole filter takes turns with the bare step. What cannot run is reported and left out.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from vsadcvsr import backends, environment
from vsadcvsr.bench import mlrt
from vsadcvsr.bench.baseline import write_baseline
from vsadcvsr.bench.components import BenchOptions, is_image_network, noise, open_engine, step_action, stream_action
from vsadcvsr.bench.ffadcvsr import time_command
from vsadcvsr.bench.machine import this_machine
from vsadcvsr.bench.realesrgan import run_action
from vsadcvsr.bench.timing import Timing, compare, measure
from vsadcvsr.commands import check_minimums, check_output, parse_size, status
from vsadcvsr.errors import AdcvsrError
from vsadcvsr.files import write_text
from vsadcvsr.scenes import luma_thumbnail, scene_distance
from vsadcvsr.spec import SCALES

HOST = Path(__file__).with_name("host.vpy")
_ALLOWED = {
    "model": "a name (`adcvsr models`), or the path of an .onnx, .safetensors or .pth file",
    "backend": "auto, ort, openvino or torch",
    "device": "auto, cpu, cuda, tensorrt, directml, coreml, or gpu (OpenVINO)",
    "precision": "auto, fp32, fp16, bf16 or int8",
}


@dataclass(frozen=True)
class Report:
    """Timings by part; the engine and the whole filter as multiples of the bare step; what was left out, and why."""

    label: str
    parts: dict[str, Timing]
    ratios: dict[str, float]
    left_out: dict[str, str]


def engine_report(choice: BenchOptions, *, count: int, rounds: int) -> Report:
    """The step, the engine around it, and the cut detector. Raises UsageError, WeightsError or BackendError."""
    backend, engine = open_engine(choice)
    frames = noise(choice, count)
    in_engine, step, ratio = compare(
        stream_action(engine, frames), step_action(backend, frames), rounds=rounds, frames=count
    )
    small = [luma_thumbnail(frame) for frame in frames[:2]]
    detector = measure(lambda: (luma_thumbnail(frames[0]), scene_distance(small[0], small[-1])), rounds=rounds * count)
    engine.close()
    parts = {"model step": step, "engine around it": in_engine, "cut detector": detector}
    return Report(backend.label, parts, {"engine / step": ratio}, {})


def baseline_report(choice: BenchOptions, *, count: int, rounds: int) -> Report:
    """The step compared with that of the reference network, which always runs on ONNX Runtime and the CPU."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "reference.onnx")
        try:
            write_baseline(path)
        except AdcvsrError as error:
            return Report("", {}, {}, {"reference network": str(error)})
        baseline = backends.load(path, backend="ort", device="cpu", threads=choice.threads)
        frames = noise(choice, count)
        _, reference, ratio = compare(
            step_action(open_engine(choice)[0], frames), step_action(baseline, frames), rounds=rounds, frames=count
        )
    return Report("", {"reference step": reference}, {"step / reference step": ratio}, {})


def realesrgan_report(choice: BenchOptions, *, rounds: int) -> Report:
    """The step compared with Real-ESRGAN general x4 v3 under ncnn on the CPU, frame by frame."""
    backend, frames = open_engine(choice)[0], noise(choice, 1)
    try:
        with tempfile.TemporaryDirectory() as folder:
            other = run_action(Path(folder), frames[0], choice.threads)
    except AdcvsrError as error:
        return Report("", {}, {}, {"Real-ESRGAN": str(error)})
    realesrgan, _, ratio = compare(other, step_action(backend, frames), rounds=rounds)
    return Report("", {"Real-ESRGAN general v3": realesrgan}, {"Real-ESRGAN / step": ratio}, {})


def mlrt_report(choice: BenchOptions, python: str, *, frames: int) -> Report:
    """Real-ESRGAN's animevideov3 through vs-mlrt's plugins, as far as the environment of `python` has them."""
    parts: dict[str, Timing] = {}
    left_out: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        network = Path(folder, "video.onnx")
        for plugin in mlrt.PLUGINS:
            name = f"vs-mlrt {plugin}, animevideov3"
            try:
                if not network.exists():
                    mlrt.write_network(network)
                size = choice.width, choice.height
                parts[name] = Timing.of(mlrt.measure_plugin(python, plugin, network, size, frames=frames))
            except AdcvsrError as error:
                left_out[name] = str(error)
    return Report("", parts, {}, left_out)


def file_report(choice: BenchOptions, python: str, *, frames: int, rounds: int) -> Report:
    """The model's ONNX file through vs-mlrt's plugins and through our backends, 8-bit YUV in and out."""
    comparison = mlrt.compare_file(
        python, Path(choice.model), (choice.width, choice.height), frames=frames, rounds=rounds,
        streams=choice.num_streams,
    )  # fmt: skip
    parts = {name: Timing.of(times) for name, times in comparison.times.items()}
    ratios: dict[str, float] = {}
    for plugin in mlrt.PLUGINS:
        other, own = mlrt.plugin_label(plugin), mlrt.backend_label(plugin)
        if {other, own} <= parts.keys():
            ratios[f"{other} / {own}"] = parts[other].median / parts[own].median
            largest, share = comparison.difference(other, own)
            ratios[f"{own}: largest difference from {other} in 255"] = largest
            ratios[f"{own}: share of samples that differ"] = share
    return Report("the CPU", parts, ratios, comparison.left_out)


def host_report(choice: BenchOptions, *, count: int, rounds: int) -> Report:
    """The parts that need VapourSynth; all of them are left out where its process fails."""
    order = json.dumps({"choice": asdict(choice), "count": count, "rounds": rounds})
    run = subprocess.run(
        [sys.executable, str(HOST), order],
        capture_output=True,
        text=True,
        check=False,
        env=environment.for_python(),
    )
    if run.returncode:
        words = run.stderr.strip().splitlines() or [f"exit status {run.returncode}"]
        return Report("", {}, {}, {"VapourSynth": words[-1].rpartition("Error: ")[2]})
    timings = json.loads(run.stdout.splitlines()[-1])
    ratio = timings.pop("ratio")
    return Report("", {name: Timing(**timing) for name, timing in timings.items()}, {"filter / step": ratio}, {})


def command_report(choice: BenchOptions, *, count: int, rounds: int) -> Report:
    """The filter in an FFmpeg command, which is left out where it fails."""
    try:
        times = [time_command(choice, count) for _ in range(rounds)]
    except AdcvsrError as error:
        return Report("", {}, {}, {"ffadcvsr": str(error)})
    return Report("", {"ffadcvsr": Timing.of(times)}, {}, {})


def merge_reports(first: Report, *others: Report) -> Report:
    """All parts, ratios and omissions, under the first one's label."""
    for other in others:
        first = Report(
            first.label, first.parts | other.parts, first.ratios | other.ratios, first.left_out | other.left_out
        )
    return first


def text(report: Report, choice: BenchOptions) -> str:
    """The report for people."""
    lines = [f"{choice.model} on {report.label}, {choice.width}x{choice.height}", ""]
    lines.append(f"{'part':30}{'ms a frame':>11}{'spread':>9}{'frames/s':>10}")
    for name, timing in report.parts.items():
        lines.append(f"{name:30}{timing.median:11.2f}{timing.spread:9.2f}{timing.rate:10.1f}")
    lines += ["", *(f"{name}: {ratio:.3f}" for name, ratio in report.ratios.items())]
    lines += [f"left out: {name}: {why}" for name, why in report.left_out.items()]
    return "\n".join(lines)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="adcvsr bench", description="Measures the time of each part of the upscaling of a frame."
    )
    for name, allowed in _ALLOWED.items():
        parser.add_argument(f"--{name}", default=getattr(BenchOptions, name), help=f"{allowed}; default: %(default)s")
    parser.add_argument(
        "--scale", type=int, choices=SCALES, help="of the output, by the network that suits it; default: the largest"
    )
    parser.add_argument("--threads", type=int, default=0, help="CPU threads of the model; 0, the default: all cores")
    parser.add_argument("--num-streams", type=int, default=1, help="frames of an image network at once; default: 1")
    parser.add_argument("--backend-options", default="", help="options of the backend's library, key=value&key=value")
    parser.add_argument(
        "--denoise", type=float, default=0.0, help="share of the restoring weights, 0 to 1; default: %(default)s"
    )
    parser.add_argument("--size", default="480x270", help="size of the source, WIDTHxHEIGHT; default: %(default)s")
    parser.add_argument("--count", type=int, default=16, help="frames per round; default: %(default)s")
    parser.add_argument(
        "--rounds", type=int, default=9, help="rounds of each part, of which the median counts; default: %(default)s"
    )
    parser.add_argument(
        "--rival", nargs="?", const=sys.executable, metavar="PYTHON",
        help="also measure Real-ESRGAN under ncnn and, if this Python or PYTHON has vs-mlrt "
        "(vapoursynth-mlrt-ov, vapoursynth-mlrt-ort), under that: takes a minute; for an ONNX file of any origin "
        "as --model, the same file under vs-mlrt",
    )  # fmt: skip
    parser.add_argument("--json", type=Path, help="also write the timings, and the machine, to this file")
    return parser.parse_args(argv)


def _choice(arguments: argparse.Namespace) -> BenchOptions:
    check_minimums(arguments, {"count": 1, "rounds": 1, "threads": 0, "num_streams": 1})
    width, height = parse_size("--size", arguments.size)
    names = (
        "model", "scale", "backend", "device", "precision", "threads", "num_streams", "backend_options", "denoise",
    )  # fmt: skip
    return BenchOptions(**{name: getattr(arguments, name) for name in names}, width=width, height=height)


def main(argv: Sequence[str] | None = None) -> int:
    """Measures, prints, and returns the exit status."""
    values = _arguments(argv)
    return status("bench", lambda: _measure(values))


def _measured(choice: BenchOptions, arguments: argparse.Namespace) -> Report:
    """The report that the options ask for; with --rival and an image network that of its file alone."""
    count, rounds = arguments.count, arguments.rounds
    if arguments.rival and is_image_network(choice):
        return file_report(choice, arguments.rival, frames=count, rounds=rounds)
    inner = engine_report(choice, count=count, rounds=rounds)
    others = [make(choice, count=count, rounds=rounds) for make in (baseline_report, host_report)]
    others.append(command_report(choice, count=4 * count, rounds=3))
    if arguments.rival:
        others += [realesrgan_report(choice, rounds=3), mlrt_report(choice, arguments.rival, frames=8)]
    return merge_reports(inner, *others)


def _measure(arguments: argparse.Namespace) -> None:
    check_output("--json", arguments.json)
    choice = _choice(arguments)
    report = _measured(choice, arguments)
    print(text(report, choice))
    if arguments.json:
        written = {"choice": asdict(choice), "machine": asdict(this_machine()), **asdict(report)}
        write_text(arguments.json, json.dumps(written, indent=1))


if __name__ == "__main__":
    raise SystemExit(main())

"""`python -m vsadcvsr.bench.farm`: overhead of a farm over one machine, and forecast of a video's time on many GPUs.

1, 2 and 4 workers share a job whose GPU work is replaced by sleeping, so that the cores of this machine do not limit
it; then the same on Ray. The parts of a job are measured on a synthetic clip. `--predict gpus=1000 hours=2
size=3840x2160 fps_per_gpu=20` calculates a forecast from both; its assumptions are printed, and can be set like these.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from vsadcvsr.bench.farm.forecast import Assumed, Forecast, Measured, bottlenecks, forecast
from vsadcvsr.bench.farm.ledger import LedgerReading, measure_reading
from vsadcvsr.bench.farm.workers import Scaling, scaling
from vsadcvsr.bench.machine import this_machine
from vsadcvsr.commands import check_minimums, check_output, parse_size, status
from vsadcvsr.errors import FarmError, UsageError
from vsadcvsr.extras import check, needs
from vsadcvsr.files import write_text

_ADDED = {
    "planning": "planning: every frame decoded, its checksum, cut detection",
    "seeking": "seeking: until a chunk's first frame comes",
    "margins": "margins: frames before and after the chunks, decoded and upscaled",
    "frame_checksums": "checksums of frames",
    "chunk_checksums": "checksums of chunks, twice",
    "merging": "merging",
}


@dataclass(frozen=True)
class Report:
    """All that was measured; `parts` are seconds for the whole clip, `short` those for a quarter of it."""

    workers: list[Scaling]
    on_ray: list[Scaling]
    parts: dict[str, float]
    short: dict[str, float]
    ledgers: list[LedgerReading]

    @property
    def shares(self) -> dict[str, float]:
        """Share of each part in one worker's time, from planning to the merged output; the sum is 1."""
        parts = self.parts
        whole = sum(parts[name] for name in ("planning", "startup", "rendering", "merging"))
        whole += parts["chunk_checksums"] / 2
        added = {words: parts[name] / whole for name, words in _ADDED.items()}
        added["a worker's start, but for its model"] = parts["startup"] / whole
        return {**added, "pictures: decoded, upscaled, encoded": 1 - sum(added.values())}

    def measured(self, pixels: int) -> Measured:
        """Input of the forecast, from a clip with that number of pixels a frame."""
        parts, largest = self.parts, self.workers[-1]
        return Measured(
            pixels=pixels,
            planning=self._a_frame("planning"),
            chunk_overhead=self.ledgers[-1].between,
            seeking=parts["seeking"] / parts["chunks"],
            checksums=parts["chunk_checksums"] / 2 / parts["bytes"],
            merging=self._a_frame("merging"),
            startup=parts["startup"],
            storage_calls=sum(largest.storage_calls.values()),
        )

    def _a_frame(self, name: str) -> float:
        """Seconds per additional frame, without the constant part if the two clips show one."""
        more, parts = self.parts[name] - self.short[name], self.parts
        return more / (parts["frames"] - self.short["frames"]) if more > 0 else parts[name] / parts["frames"]


def report(arguments: argparse.Namespace) -> Report:
    """Measures everything. Raises FarmError where a part fails."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        workers = [
            scaling(folder / f"{count} workers", workers=count, chunks=arguments.chunks, seconds=arguments.sleep)
            for count in arguments.workers
        ]
        ledgers = [
            measure_reading(folder / f"{files} files", files=files, chunks=lines // 2)
            for files, lines in arguments.ledgers
        ]
        on_ray = [] if arguments.without_ray else _on_ray(arguments, folder)
    return Report(
        workers, on_ray, _parts(arguments, arguments.frames), _parts(arguments, max(1, arguments.frames // 4)), ledgers
    )


def _on_ray(arguments: argparse.Namespace, folder: Path) -> list[Scaling]:
    words = [str(word) for word in (folder, arguments.chunks, arguments.sleep, *arguments.workers)]
    return [Scaling(**row) for row in _run_module("vsadcvsr.bench.farm.on_ray", *words)]


def _parts(arguments: argparse.Namespace, frames: int) -> dict[str, float]:
    width, height = arguments.size
    order = {
        "width": width,
        "height": height,
        "frames": frames,
        "seconds": arguments.chunk_seconds,
        "fps": arguments.fps,
    }
    overhead: dict[str, float] = _run_module("ffmpeg_filter.farm.overhead", json.dumps(order))
    return overhead


def _run_module(module: str, *words: str) -> Any:  # noqa: ANN401 - whatever JSON has
    """JSON that a module prints when run as a program: `ffmpeg_filter` is a layer above this package, and Ray fills a
    process.
    """
    done = subprocess.run([sys.executable, "-m", module, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise FarmError(f"{module}: {lines[-1].rpartition('Error: ')[2]}")
    return json.loads(done.stdout.splitlines()[-1])


def text(results: Report) -> str:
    """Measurements as text."""
    lines = [f"{'workers':>8}{'':10}{'seconds':>10}{'efficiency':>12}"]
    for name, workers in (("", results.workers), ("on Ray", results.on_ray)):
        lines += [f"{row.workers:8}  {name:8}{row.seconds:10.2f}{row.efficiency:12.1%}" for row in workers]
    largest = results.workers[-1]
    calls = ", ".join(f"{name.removeprefix('os.')} {count:g}" for name, count in largest.storage_calls.items())
    lines += [f"storage calls per chunk, with {largest.workers} workers: {calls}", ""]
    lines += [f"{'one worker, from planning to the output':60}{'share':>8}"]
    lines += [f"{words:60}{share:8.2%}" for words, share in results.shares.items()]
    lines += ["", f"{'ledger':24}{'first ms':>10}{'again ms':>10}{'between chunks ms':>19}{'all whole ms':>14}"]
    for row in results.ledgers:
        times = f"{1e3 * row.first:10.1f}{1e3 * row.again:10.1f}{1e3 * row.between:19.1f}{1e3 * row.finished:14.1f}"
        lines.append(f"{f'{row.lines} lines, {row.files} files':24}{times}")
    return "\n".join(lines)


def forecast_text(measured: Measured, assumed: Assumed, result: Forecast) -> str:
    """A forecast as text."""
    assumptions = ", ".join(f"{name}={value:g}" for name, value in asdict(assumed).items())
    moved = f"{result.reading:.0f} MB/s read, {result.writing:.0f} MB/s written"
    verbs = f"plan {result.planning:.0f} s, work {result.working:.0f} s, merge {result.merging:.0f} s"
    lines = [
        "by calculation, not measured; assumed: " + assumptions,
        f"{result.whole:.0f} s: {verbs}, in {result.chunks} chunks of {result.seconds:g} s",
        f"while they work, all together: {moved}, {result.storage_calls:.0f} storage calls a second",
    ]
    return "\n".join([*lines, *(f"- {words}" for words in bottlenecks(measured, assumed))])


def assumptions(words: Sequence[str]) -> Assumed:
    """Of texts such as "gpus=1000". Raises UsageError."""
    kinds = {field.name: field.type for field in fields(Assumed)}
    values: dict[str, float] = {}
    for word in words:
        name, _, value = word.partition("=")
        try:
            if name == "size":
                values |= dict(zip(("width", "height"), parse_size("--predict", value), strict=True))
            else:
                values[name] = int(value) if kinds[name] == "int" else float(value)
            if values.get(name, 1) < 0:
                raise ValueError
        except (ValueError, KeyError):
            allowed = f"size=WIDTHxHEIGHT and numbers for {', '.join(kinds)}"
            raise UsageError.of("--predict", word, allowed) from None
    if missing := [name for name in ("gpus", "hours", "fps_per_gpu") if not values.get(name)]:
        raise UsageError(f"--predict lacks {', '.join(missing)}; give each as NAME=NUMBER, above 0")
    return Assumed(**values)  # type: ignore[arg-type]  # by the kinds of its fields


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m vsadcvsr.bench.farm", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4], help="numbers of workers; default: 1 2 4")
    parser.add_argument("--chunks", type=int, default=24, help="chunks of the shared job; default: %(default)s")
    parser.add_argument("--sleep", type=float, default=0.5, help="seconds per chunk; default: %(default)s")
    parser.add_argument("--without-ray", action="store_true", help="measure without Ray")
    parser.add_argument(
        "--size", default="480x270", help="size of the clip, which is upscaled by 4; default: %(default)s"
    )
    parser.add_argument("--frames", type=int, default=480, help="length of the clip in frames; default: %(default)s")
    parser.add_argument(
        "--chunk-seconds", type=float, default=5.0, help="length of chunks in seconds; default: %(default)s"
    )
    parser.add_argument(
        "--fps", type=float, default=30.0, help="speed of the simulated GPU, frames per second; default: %(default)s"
    )
    parser.add_argument(
        "--ledgers", nargs="+", default=["100x1000", "1000x10000"], metavar="FILESxLINES",
        help="ledgers to read: files (one for each worker) and lines in all; default: 100x1000 1000x10000",
    )  # fmt: skip
    parser.add_argument("--predict", nargs="+", metavar="NAME=NUMBER", help="gpus=, hours=, fps_per_gpu=, size=, …")
    parser.add_argument("--json", type=Path, help="also write all numbers, and the machine, to this file")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Measures, prints, and returns the exit status."""
    values = _arguments(argv)
    return status("bench", lambda: _measure(values))


def _measure(arguments: argparse.Namespace) -> None:
    check_output("--json", arguments.json)
    check_minimums(arguments, {"workers": 1, "chunks": 1, "frames": 4, "sleep": 0, "chunk_seconds": 0.1, "fps": 0.1})
    arguments.size = parse_size("--size", arguments.size)
    pairs = [parse_size("--ledgers", pair) for pair in arguments.ledgers]
    arguments.ledgers = [(files, max(lines, 8)) for files, lines in pairs]
    assumed = assumptions(arguments.predict) if arguments.predict else None
    if not arguments.without_ray:
        with needs("farm", "the part on Ray (else --without-ray)"):
            check("ray")  # it comes last
    results = report(arguments)
    print(text(results))
    width, height = arguments.size
    data = {"machine": asdict(this_machine()), **asdict(results), "shares": results.shares}
    if assumed is not None:
        measured = results.measured(width * height)
        calculated = forecast(measured, assumed)
        print(f"\n{forecast_text(measured, assumed, calculated)}")
        data |= {"measured": asdict(measured), "assumed": asdict(assumed), "forecast": asdict(calculated)}
    if arguments.json:
        write_text(arguments.json, json.dumps(data, indent=1))


if __name__ == "__main__":
    raise SystemExit(main())

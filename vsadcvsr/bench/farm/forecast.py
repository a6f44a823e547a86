"""Forecast of a farm's time for a video, from measured overheads and named assumptions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil

_LENGTHS = (1, 2, 3, 5, 7, 10, 15, 20, 30, 45, 60, 90, 120, 180, 240, 360, 600, 900, 1800)
"""Seconds that a chunk may last."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Measured overheads of one machine, in seconds."""

    pixels: int
    """Pixels of the frames that were measured."""
    planning: float
    """Planning, per frame."""
    chunk_overhead: float
    """Ledger, claims and renames, per chunk."""
    seeking: float
    """Until the first frame of a chunk."""
    checksums: float
    """Checksums, per byte."""
    merging: float
    """Merge, per frame."""
    startup: float
    """Start of a worker, without its model."""
    storage_calls: float
    """Calls to the storage per chunk."""


@dataclass(frozen=True, kw_only=True)
class Assumed:
    """Assumptions."""

    gpus: int
    hours: float
    fps_per_gpu: float
    """Output frames of `width` by `height` per second and GPU."""
    width: int = 3840
    height: int = 2160
    rate: float = 24.0
    """Frames per second of the video."""
    scale: int = 4
    lookahead: int = 2
    """Frames on each side that the network sees."""
    seconds: float = 0.0
    """Length of chunks; 0 for the best."""
    mbit: float = 40.0
    """Bit rate of the output."""
    source_mbit: float = 8.0
    """Bit rate of the source."""
    disk: float = 1000.0
    """MB/s that one machine reads or writes."""
    storage: float = 5000.0
    """MB/s of all machines together."""
    storage_calls: float = 20000.0
    """Calls per second that the storage answers."""
    model: float = 20.0
    """Seconds to load the model."""
    warm: int = 1
    """0 if each chunk runs in a new process, which loads the model again; else 1."""


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """Seconds of planning, rendering and merging, and the load on storage."""

    seconds: float
    chunks: int
    planning: float
    working: float
    merging: float
    useful: float
    """Share of the GPUs' time in `working` that is spent on frames of the output, not on context frames."""
    reading: float
    """MB/s of all workers together."""
    writing: float
    """MB/s of all workers together."""
    storage_calls: float
    """Calls to the storage per second."""

    @property
    def whole(self) -> float:
        """Seconds from the command to the finished output."""
        return self.planning + self.working + self.merging


def forecast(measured: Measured, assumed: Assumed) -> Forecast:
    """The forecast for the assumed chunk length, else for the fastest one."""
    lengths = (
        [assumed.seconds]
        if assumed.seconds
        else [candidate for candidate in _LENGTHS if candidate <= assumed.hours * 3600]
    )
    forecasts = [_forecast(measured, replace(assumed, seconds=float(length))) for length in lengths]
    return min(forecasts, key=lambda candidate: candidate.whole)


def _forecast(measured: Measured, assumed: Assumed) -> Forecast:
    length = assumed.hours * 3600
    frames = length * assumed.rate
    chunks = ceil(length / assumed.seconds)
    read = frames / chunks + 2 * assumed.lookahead
    out, source = length * assumed.mbit / 8, length * assumed.source_mbit / 8  # MB
    begun = ceil(chunks / assumed.gpus)
    chunk = measured.seeking + measured.chunk_overhead + read / assumed.fps_per_gpu
    chunk += out / chunks * 1e6 * measured.checksums
    start = measured.startup + assumed.model
    making = begun * (chunk if assumed.warm else chunk + start)
    working = making + (start if assumed.warm else 0.0)
    pixels = assumed.width * assumed.height / assumed.scale**2 / measured.pixels
    return Forecast(
        seconds=assumed.seconds,
        chunks=chunks,
        planning=frames * measured.planning * pixels,
        working=working,
        # chunks are read for checksums, probed and read; the video is written, read, and written with other streams
        merging=frames * measured.merging + out * 1e6 * measured.checksums + out * 6 / assumed.disk,
        useful=frames / assumed.fps_per_gpu / (working * assumed.gpus),
        reading=source * read * chunks / frames / making,
        writing=out / making,
        storage_calls=chunks * measured.storage_calls / making,
    )


def bottlenecks(measured: Measured, assumed: Assumed) -> list[str]:
    """The costs as sentences, the largest first; then limits that are exceeded, if any."""
    result = forecast(measured, assumed)
    idle = max(0, assumed.gpus - result.chunks)
    planning, merging, working = (_time(value) for value in (result.planning, result.merging, result.working))
    parts = {
        result.planning: f"planning is one machine's work: it decodes the whole video in {planning}",
        result.merging: f"the merge is one machine's work: {merging} to read the chunks and write the output",
        result.working: f"the GPUs work for {working}, {result.useful:.0%} of it on frames of the output",
    }
    words = [f"{seconds / result.whole:.0%} of the time: {parts[seconds]}" for seconds in sorted(parts, reverse=True)]
    if idle:
        words.append(f"{idle} GPUs have no chunk: there are {result.chunks} of {result.seconds:g} s")
    if result.writing > assumed.storage or result.reading > assumed.storage:
        needed = f"take {result.writing:.0f} MB/s and give {result.reading:.0f}"
        words.append(f"the storage must {needed}, but is assumed to do {assumed.storage:g}")
    if result.storage_calls > assumed.storage_calls:
        calls = f"{result.storage_calls:.0f} calls a second"
        words.append(f"the storage gets {calls}, but is assumed to answer {assumed.storage_calls:g}")
    few = gpus_needed(measured, assumed)
    if few < assumed.gpus:
        words.append(f"{few} GPUs would take at most 10 % longer; the others can work on other videos meanwhile")
    return words


def gpus_needed(measured: Measured, assumed: Assumed) -> int:
    """The smallest number of GPUs that takes at most 10 % longer."""
    limit = 1.1 * forecast(measured, assumed).whole
    low, high = 1, assumed.gpus
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if _whole(measured, assumed, middle) <= limit else (middle + 1, high)
    return low


def _whole(measured: Measured, assumed: Assumed, gpus: int) -> float:
    return forecast(measured, replace(assumed, gpus=gpus)).whole


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"

"""Forecast of the time that a farm takes for a film, from measured overheads and named assumptions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil

_LENGTHS = (1, 2, 3, 5, 7, 10, 15, 20, 30, 45, 60, 90, 120, 180, 240, 360, 600, 900, 1800)
"""Seconds that a chunk may last."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Seconds, on one machine: of planning a frame of `pixels` pixels, of a chunk beside its frames (ledger, claims,
    renames), until a chunk's first frame comes, to sum a byte, to join a frame, and of a worker's start. `asked` is how
    often it asks something of the storage for a chunk.
    """

    pixels: int
    planning: float
    between: float
    seeking: float
    sums: float
    joining: float
    opening: float
    asked: float


@dataclass(frozen=True, kw_only=True)
class Assumed:
    """What is not measured here. `fps_per_gpu` counts frames of `width` by `height`; `rate` is the film's. `model` is
    how long a GPU takes to load its model, `lookahead` the frames to each side that the network sees. `mbit` is what
    comes out, `source_mbit` what goes in, a second of film; `disk` the MB/s that one machine reads or writes, `storage`
    those of all together, and `asks` what the storage answers a second. `seconds` is the length of chunks, 0 the best;
    `warm` is 0 where each chunk is a process of its own, which loads its model again.
    """

    gpus: int
    hours: float
    fps_per_gpu: float
    width: int = 3840
    height: int = 2160
    rate: float = 24.0
    scale: int = 4
    lookahead: int = 4
    seconds: float = 0.0
    mbit: float = 40.0
    source_mbit: float = 8.0
    disk: float = 1000.0
    storage: float = 5000.0
    asks: float = 20000.0
    model: float = 20.0
    warm: int = 1


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """Seconds of the three verbs; `useful` is the share of the GPUs' time in `working` that goes into the film's own
    frames. Reading and writing are MB/s of all workers together while they work, `asks` questions a second.
    """

    seconds: float
    chunks: int
    planning: float
    working: float
    merging: float
    useful: float
    reading: float
    writing: float
    asks: float

    @property
    def whole(self) -> float:
        """Seconds from the command to the film."""
        return self.planning + self.working + self.merging


def forecast(measured: Measured, assumed: Assumed) -> Forecast:
    """By chunks of the length that is assumed, else of the one with which the film is there first."""
    lengths = [assumed.seconds] if assumed.seconds else [one for one in _LENGTHS if one <= assumed.hours * 3600]
    made = [_forecast(measured, replace(assumed, seconds=float(length))) for length in lengths]
    return min(made, key=lambda one: one.whole)


def _forecast(measured: Measured, assumed: Assumed) -> Forecast:
    length = assumed.hours * 3600
    frames = length * assumed.rate
    chunks = ceil(length / assumed.seconds)
    read = frames / chunks + 2 * assumed.lookahead
    out, source = length * assumed.mbit / 8, length * assumed.source_mbit / 8  # MB
    begun = ceil(chunks / assumed.gpus)
    chunk = measured.seeking + measured.between + read / assumed.fps_per_gpu + out / chunks * 1e6 * measured.sums
    start = measured.opening + assumed.model
    making = begun * (chunk if assumed.warm else chunk + start)
    working = making + (start if assumed.warm else 0.0)
    pixels = assumed.width * assumed.height / assumed.scale**2 / measured.pixels
    return Forecast(
        seconds=assumed.seconds,
        chunks=chunks,
        planning=frames * measured.planning * pixels,
        working=working,
        # every chunk read for its sum, looked into and read; the film written, read and written with all else
        merging=frames * measured.joining + out * 1e6 * measured.sums + out * 6 / assumed.disk,
        useful=frames / assumed.fps_per_gpu / (working * assumed.gpus),
        reading=source * read * chunks / frames / making,
        writing=out / making,
        asks=chunks * measured.asked / making,
    )


def bottlenecks(measured: Measured, assumed: Assumed) -> list[str]:
    """In plain words, what costs most first; then what would not do, if anything."""
    made = forecast(measured, assumed)
    idle = max(0, assumed.gpus - made.chunks)
    parts = {
        made.planning: f"planning is one machine's work: it decodes the whole film in {_time(made.planning)}",
        made.merging: f"the merge is one machine's work: {_time(made.merging)} to read the chunks and write the film",
        made.working: f"the GPUs work for {_time(made.working)}, {made.useful:.0%} of it on the film's own pictures",
    }
    words = [f"{seconds / made.whole:.0%} of the time: {parts[seconds]}" for seconds in sorted(parts, reverse=True)]
    if idle:
        words.append(f"{idle} GPUs have no chunk: there are {made.chunks} of {made.seconds:g} s")
    if made.writing > assumed.storage or made.reading > assumed.storage:
        needed = f"take {made.writing:.0f} MB/s and give {made.reading:.0f}"
        words.append(f"the storage must {needed}, and does {assumed.storage:g}")
    if made.asks > assumed.asks:
        words.append(f"the storage is asked {made.asks:.0f} times a second, and answers {assumed.asks:g}")
    few = gpus_needed(measured, assumed)
    if few < assumed.gpus:
        words.append(f"{few} GPUs would take no more than a tenth longer; the rest can work on other films meanwhile")
    return words


def gpus_needed(measured: Measured, assumed: Assumed) -> int:
    """The least number of GPUs with which the film takes no more than a tenth longer."""
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

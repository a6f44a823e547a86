"""Overhead of a farm beside one machine, measured part by part on a synthetic clip, for `adcvsr bench farm`.

`python -m ffmpeg_filter.farm.overhead SETTINGS` takes and prints JSON. In place of a GPU it sleeps.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

from ffmpeg_filter.farm import plan
from ffmpeg_filter.farm.decode import Film
from ffmpeg_filter.farm.frame_index import sum_of
from ffmpeg_filter.farm.job_context import Kitchen
from ffmpeg_filter.farm.merge import merge
from ffmpeg_filter.farm.render import Renderer
from ffmpeg_filter.media.binary import find
from ffmpeg_filter.transcode.prepare import ordered
from ffmpeg_filter.transcode.progress import Quiet
from vsadcvsr.bench.timing import clocked
from vsadcvsr.commands import status_of_part
from vsadcvsr.farm.store.chunks import Chunk
from vsadcvsr.farm.store.job import Job
from vsadcvsr.farm.worker import Worker, finished

_COMMAND = (
    "-i", "clip.mp4", "-vf", "adcvsr=model=nearest-temporal:scale=4",
    "-c:v", "libx264", "-preset", "ultrafast", "out.mkv",
)  # fmt: skip
_PROGRAM = [sys.executable, "-c", "from ffmpeg_filter.program import run; run()"]


@dataclass(frozen=True, kw_only=True)
class Order:
    """A clip of that size and number of frames, 24 a second, in chunks of `seconds`; `fps` are those of the GPU."""

    width: int
    height: int
    frames: int
    seconds: float
    fps: float


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Seconds for the whole clip: what one worker takes for it, and of that the parts that one machine by itself would
    not need. `margin` are the frames that were read beside the chunks, `reading` what a frame takes to be read,
    `opening` the start of a worker's process, but for its model.
    """

    frames: int
    chunks: int
    margin: int
    bytes: int
    planning: float
    opening: float
    working: float
    seeking: float
    beside: float
    proving: float
    sums: float
    joining: float
    reading: float


def measured(order: Order, folder: Path) -> Parts:
    """All parts, in a folder that is empty. Raises what a job raises."""
    os.chdir(folder)
    _clip(order)
    quiet = Quiet(sys.stderr)
    planning, job = clocked(lambda: plan.make(folder / "job", ordered([*_COMMAND]), Fraction(order.seconds), quiet))
    renderer = Renderer(job, frame=lambda _: time.sleep(1 / order.fps))
    working, lines = clocked(lambda: list(Worker(job, renderer.render, renderer.engine).make_all()))
    opening, _ = clocked(lambda: subprocess.run([*_PROGRAM, "farm", "work", "job", "--chunk", "0"], check=True))
    kitchen = Kitchen(job)
    seeking, reading, proving = _reading(kitchen)
    sums, _ = clocked(lambda: finished(Job.read(job.folder)))
    joining, _ = clocked(lambda: merge(kitchen, finished(job), quiet))
    margin = sum(chunk.last - chunk.first - chunk.length for chunk in job.chunks)
    return Parts(
        frames=order.frames,
        chunks=len(job.chunks),
        margin=margin,
        bytes=sum(line.bytes for line in lines),
        planning=planning,
        opening=opening,
        working=working + margin / order.fps,  # a GPU would work on the frames beside, too
        seeking=seeking,
        beside=margin * (reading + 1 / order.fps),
        proving=proving,
        sums=2 * sums,  # by the worker, and before the merge
        joining=joining - sums,
        reading=reading,
    )


def _clip(order: Order) -> None:
    pictures = f"testsrc2=s={order.width}x{order.height}:r=24,noise=alls=4:allf=t"
    words = ["-v", "error", "-f", "lavfi", "-i", pictures, "-frames:v", str(order.frames), "-c:v", "libx264"]
    subprocess.run([find().path, *words, "-preset", "veryfast", "-pix_fmt", "yuv420p", "clip.mp4"], check=True)


def _reading(kitchen: Kitchen) -> tuple[float, float, float]:
    """Seconds that chunks wait longer for their first frame than a film does; of a frame to be read; of all sums."""
    recipe, index = kitchen.recipe, kitchen.index
    film = Film(kitchen.binary, kitchen.plan.decoder, index, recipe.shift, recipe.run_up)
    count = len(index.times)
    start, rest, proving = _read(film, Chunk(0, 0, count, 0, count))
    waits = [_read(film, chunk)[0] - start for chunk in kitchen.job.chunks]
    return max(0.0, sum(waits)), rest / max(1, count - 1), proving


def _read(film: Film, chunk: Chunk) -> tuple[float, float, float]:
    """Seconds until the first frame of a chunk, until its last, and for the sums of frames alone."""
    with closing(film.frames(chunk.first, chunk.last, next(film.attempts(chunk.first)))) as frames:
        first, frame = clocked(lambda: next(frames))
        one, _ = clocked(lambda: sum_of(frame))
        rest, left = clocked(lambda: sum(1 for _ in frames))
    return first, rest, one * (left + 1)


def main(words: Sequence[str]) -> int:
    """Measures as asked; the parts on standard output."""
    with tempfile.TemporaryDirectory() as folder:
        parts = measured(Order(**json.loads(words[0])), Path(folder).resolve())
        os.chdir("/")
    sys.stdout.write(json.dumps(asdict(parts)) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(status_of_part("farm_parts", main, "ORDER"))

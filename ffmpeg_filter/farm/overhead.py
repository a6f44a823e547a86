"""Overhead of a farm compared with one machine, measured part by part on a synthetic clip, for `adcvsr bench farm`.

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
from ffmpeg_filter.farm.frame_index import frame_checksum
from ffmpeg_filter.farm.job_context import JobContext
from ffmpeg_filter.farm.merge import merge
from ffmpeg_filter.farm.render import ChunkRenderer, FrameSource
from ffmpeg_filter.media.binary import find_binary
from ffmpeg_filter.transcode.prepare import prepare_command
from ffmpeg_filter.transcode.progress import MessageReporter
from vsadcvsr.bench.timing import timed_call
from vsadcvsr.commands import status_of_subprocess
from vsadcvsr.farm.store.chunk_boundaries import Chunk
from vsadcvsr.farm.store.job import Job
from vsadcvsr.farm.worker import Worker, verified_entries

_COMMAND = (
    "-i", "clip.mp4", "-vf", "adcvsr=model=nearest-temporal:scale=4",
    "-c:v", "libx264", "-preset", "ultrafast", "out.mkv",
)  # fmt: skip
_PROGRAM = [sys.executable, "-c", "from ffmpeg_filter.program import run; run()"]


@dataclass(frozen=True, kw_only=True)
class OverheadSettings:
    """A synthetic clip, and the speed of the simulated GPU."""

    width: int
    height: int
    frames: int
    """Number of frames, at 24 per second."""
    seconds: float
    """Chunk length."""
    fps: float
    """Frames per second of the simulated GPU."""


@dataclass(frozen=True, kw_only=True)
class Overhead:
    """Seconds for the whole clip: the time of one worker, and the parts of it that a single machine would not need."""

    frames: int
    chunks: int
    margin: int
    """Frames decoded before and after chunks for temporal context."""
    bytes: int
    """Size of all chunk files."""
    planning: float
    """The first pass, which builds the index."""
    startup: float
    """Start of a worker process, without loading the model."""
    rendering: float
    """One worker, all chunks."""
    seeking: float
    """Extra wait for the first frame of each chunk."""
    margins: float
    """Work on margin frames."""
    frame_checksums: float
    """Checksums of source frames."""
    chunk_checksums: float
    """Checksums of chunk files."""
    merging: float
    """The merge, without checksums."""
    frame_decoding: float
    """Decoding of one frame."""


def measure(settings: OverheadSettings, folder: Path) -> Overhead:
    """Measures all parts in an empty folder. Raises what a job raises."""
    os.chdir(folder)
    _make_clip(settings)
    quiet = MessageReporter(sys.stderr)
    planning, job = timed_call(
        lambda: plan.plan_job(folder / "job", prepare_command([*_COMMAND]), Fraction(settings.seconds), quiet)
    )
    renderer = ChunkRenderer(job, on_frame=lambda _: time.sleep(1 / settings.fps))
    rendering, ledger_lines = timed_call(lambda: list(Worker(job, renderer.render, renderer.engine).process_all()))
    startup, _ = timed_call(lambda: subprocess.run([*_PROGRAM, "farm", "work", "job", "--chunk", "0"], check=True))
    context = JobContext(job)
    seeking, reading, frame_checksums = _time_reading(context)
    sums, _ = timed_call(lambda: verified_entries(Job.read(job.folder)))
    merging, _ = timed_call(lambda: merge(context, verified_entries(job), quiet))
    margin = sum(chunk.last - chunk.first - chunk.length for chunk in job.chunks)
    return Overhead(
        frames=settings.frames,
        chunks=len(job.chunks),
        margin=margin,
        bytes=sum(line.bytes for line in ledger_lines),
        planning=planning,
        startup=startup,
        rendering=rendering + margin / settings.fps,  # a GPU would work on the frames at the same time
        seeking=seeking,
        margins=margin * (reading + 1 / settings.fps),
        frame_checksums=frame_checksums,
        chunk_checksums=2 * sums,  # by the worker, and before the merge
        merging=merging - sums,
        frame_decoding=reading,
    )


def _make_clip(settings: OverheadSettings) -> None:
    source = f"testsrc2=s={settings.width}x{settings.height}:r=24,noise=alls=4:allf=t"
    args = ["-v", "error", "-f", "lavfi", "-i", source, "-frames:v", str(settings.frames), "-c:v", "libx264"]
    subprocess.run([find_binary().path, *args, "-preset", "veryfast", "-pix_fmt", "yuv420p", "clip.mp4"], check=True)


def _time_reading(context: JobContext) -> tuple[float, float, float]:
    """Extra seconds for the first frames of all chunks, seconds to decode a frame, and seconds for all checksums."""
    source, count = FrameSource.of(context), len(context.index.times)
    start, rest, frame_checksums = _timed_read(source, Chunk(0, 0, count, 0, count))
    waits = [_timed_read(source, chunk)[0] - start for chunk in context.job.chunks]
    return max(0.0, sum(waits)), rest / max(1, count - 1), frame_checksums


def _timed_read(source: FrameSource, chunk: Chunk) -> tuple[float, float, float]:
    """Seconds to the first frame of a chunk, from there to its last, and for the checksums alone."""
    with closing(source.frames(chunk.first, chunk.last, next(source.seek_points(chunk.first)))) as frames:
        first, frame = timed_call(lambda: next(frames))
        checksum_time, _ = timed_call(lambda: frame_checksum(frame))
        rest, left = timed_call(lambda: sum(1 for _ in frames))
    return first, rest, checksum_time * (left + 1)


def main(args: Sequence[str]) -> int:
    """Prints the parts as JSON."""
    with tempfile.TemporaryDirectory() as folder:
        parts = measure(OverheadSettings(**json.loads(args[0])), Path(folder).resolve())
        os.chdir("/")
    sys.stdout.write(json.dumps(asdict(parts)) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(status_of_subprocess("ffmpeg_filter.farm.overhead", main, "SETTINGS"))

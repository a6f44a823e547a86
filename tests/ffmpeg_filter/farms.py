"""Farms of one machine: a command planned, worked on and merged, and the sources for it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ffmpeg_filter.cli import main
from tests.ffmpeg_filter.files import command, ffmpeg, surroundings, words_of
from vsadcvsr.farm.store.job import Job

TEMPORAL = "adcvsr=model=nearest-temporal:scale=2"
"""A network that looks two frames ahead and two back, and tells them apart."""


def farm(verb: str, job: Path, *arguments: str | Path) -> int:
    """A verb of ours, in this process; its exit status."""
    return main(["farm", verb, str(job), *words_of(arguments)])


def farmed(job: Path, *arguments: str | Path, seconds: str = "0.4") -> Job:
    """The job of a command, after all of its work."""
    assert farm("plan", job, f"--chunk-seconds {seconds} --", *arguments) == 0
    assert farm("work", job) == 0
    assert farm("merge", job) == 0
    return Job.read(job)


@contextmanager
def started(verb: str, job: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A verb of ours in a process of its own, which has ended on leaving; what it says is in `said.txt`."""
    with Path("said.txt").open("ab") as log:
        process = subprocess.Popen(
            command("farm", verb, job, *arguments), env=surroundings(OMP_NUM_THREADS="1"), stderr=log
        )
        try:
            yield process
            process.wait(100)
        finally:
            process.kill()
            process.wait()


def hashes(path: Path, kind: str = "v") -> list[str]:
    """Of each decoded frame its time, in ticks, and its samples' sum."""
    text = ffmpeg("-i", path, f"-map 0:{kind} -fps_mode passthrough -f framehash -")
    rows = [line.split(",") for line in text.splitlines() if not line.startswith("#")]
    return [f"{row[2].strip()} {row[5].strip()}" for row in rows]


def pictures(path: Path) -> list[str]:
    """Of each decoded picture its samples' sum."""
    return [row.split()[1] for row in hashes(path)]


def recipe(job: Path) -> dict[str, object]:
    data = json.loads((job / "job.json").read_text())["recipe"]
    assert isinstance(data, dict)
    return data


def source(path: Path, *options: str, pictures: str = "testsrc2=s=64x48:r=25:d=1.2,noise=alls=9:allf=t") -> Path:
    """Thirty frames with a sound, in the container of the path's name."""
    ffmpeg("-f lavfi -i", pictures, "-f lavfi -i sine=330:d=1.2", *options, path)
    return path


def planned(*more: str, network: str = TEMPORAL, seconds: str = "0.4") -> Job:
    """The job in the folder `job`, of thirty frames in three chunks; `more` are options of the encoder."""
    if not Path("clip.mkv").exists():
        source(Path("clip.mkv"), "-c:v ffv1 -c:a flac")
    arguments = ("-i clip.mkv", f"-vf {network}", *(more or ("-c:v ffv1",)), "-c:a copy", "many.mkv")
    assert farm("plan", Path("job"), f"--chunk-seconds {seconds} --", *arguments) == 0
    return Job.read(Path("job"))

"""Small jobs, whose chunks are made without any pictures."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

from vsadcvsr.farm.store.chunk_boundaries import Chunk, plan_chunks
from vsadcvsr.farm.store.fingerprints import fingerprint
from vsadcvsr.farm.store.job import Job


def planned(folder: Path, **request: object) -> Job:
    """A job of four chunks of a source of a few bytes."""
    source = folder.parent / "source.bin"
    if not source.exists():
        source.write_bytes(b"a film" * 100)
    chunks = plan_chunks([Fraction(number, 25) for number in range(100)], [], seconds=Fraction(1), margin=2)
    job = Job(
        folder=folder, request={"command": ["x"], **request}, recipe={}, sources=[fingerprint(source)], chunks=chunks
    )
    return job.write()


class Maker:
    """Makes a chunk as a few bytes of its own, and notes that it did. `before` may do something first."""

    def __init__(self, job: Job, before: Callable[[Chunk], None] = lambda _: None) -> None:
        self.job = job
        self.made: list[int] = []
        self._before = before

    def __call__(self, chunk: Chunk) -> Path:
        self._before(chunk)
        self.made.append(chunk.number)
        self.job.chunk_folder.mkdir(exist_ok=True)
        path = self.job.chunk_folder / f"{chunk.number}.part.bin"
        path.write_bytes(f"pictures {chunk.begin} to {chunk.end}".encode())
        return path

"""A job's folder: the frozen plan, the chunks that are made, and the ledger.

job.json     the plan; written once
chunks/      files of pictures; a name has the chunk's number and its content's sum
ledger/      what happened; see `ledger`
claims/      who works on what; see `claims`
engines/     an empty file for each kind of engine that has worked on it
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Self
from urllib.parse import quote, unquote

from vsadcvsr.errors import FarmError, UsageError
from vsadcvsr.farm.store.chunks import Chunk
from vsadcvsr.farm.store.claims import Claims, lives
from vsadcvsr.farm.store.fingerprints import ChangedError, Fingerprint
from vsadcvsr.farm.store.ledger import Ledger, Line, machine, worker_name
from vsadcvsr.files import sha256

_VERSION = 1
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS}
_NO_FOLDER = {errno.EEXIST, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG, errno.ELOOP}
_MADE = re.compile(r"(\d{5,})-[0-9a-f]{16}\.")
"""The name of a chunk's file, once it is made."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """A plan in its folder. `request` is what was asked for, `recipe` what whoever makes chunks needs to know; both
    are the host's, and plain JSON.
    """

    folder: Path
    request: Mapping[str, object]
    recipe: Mapping[str, object]
    sources: Sequence[Fingerprint]
    chunks: Sequence[Chunk]
    key: str = field(default="", compare=False)
    """What tells this plan from every other."""

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The job of a folder. Raises UsageError where there is none."""
        path = folder / "job.json"
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            raise UsageError.of("job", str(folder), "the folder of a planned job", "ffadcvsr farm plan") from None
        try:
            told = json.loads(content)
            version = told.pop("version")
            if version != _VERSION:
                raise ChangedError(f"{path} is of version {version}, allowed: {_VERSION}; plan it with this version")
            told["sources"] = [Fingerprint(**one) for one in told["sources"]]
            told["chunks"] = [Chunk(number, *bounds) for number, bounds in enumerate(told["chunks"])]
            return cls(folder=folder, key=hashlib.sha256(content).hexdigest()[:16], **told)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ChangedError(f"{path} is damaged: {error}; plan it anew in another folder") from error

    def write(self) -> Job:
        """Puts the plan into its folder; the job as it is read from there. Another plan that is there stays and wins
        if it asks for the same; ChangedError is raised if it does not.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        told = {
            "version": _VERSION, "request": self.request, "recipe": self.recipe,
            "sources": [asdict(one) for one in self.sources],
            "chunks": [[one.begin, one.end, one.first, one.last] for one in self.chunks],
        }  # fmt: skip
        write_once(self.folder / "job.json", (json.dumps(told, indent=1) + "\n").encode())
        there = self.read(self.folder)
        there.check_request(self.request)
        return there

    def check_request(self, request: Mapping[str, object]) -> None:
        """Raises ChangedError if this plan was made for something else."""
        other = [name for name in {**self.request, **request} if self.request.get(name) != request.get(name)]
        if other:
            raise ChangedError(
                f"{self.folder} holds another plan, with another {' and '.join(other)}; use another folder"
            )

    def check_sources(self) -> None:
        """Raises ChangedError if one of them is not what it was, FarmError if it cannot be read."""
        for one in self.sources:
            one.check()

    def chunk(self, number: int) -> Chunk:
        """Raises UsageError for a number that there is not."""
        if not 0 <= number < len(self.chunks):
            raise UsageError.of("chunk", number, f"0 to {len(self.chunks) - 1}")
        return self.chunks[number]

    @cached_property
    def ledger(self) -> Ledger:
        return Ledger(self.folder / "ledger")

    @cached_property
    def claims(self) -> Claims:
        return Claims(self.folder / "claims")

    @property
    def store(self) -> Path:
        """The folder of chunks."""
        return self.folder / "chunks"

    def part(self, number: int, suffix: str) -> Path:
        """The path of a chunk's file until it is whole, which no other attempt has: not even one of a process with the
        same number in another container. `abandon` and `sweep` know it by its worker.
        """
        worker = worker_name().replace(":", ".")
        return self.store / f"{number:05}.{worker}.part.{secrets.token_hex(8)}{suffix}"

    def lines(self) -> list[Line]:
        """What has happened."""
        return self.ledger.read(self.key)

    def done(self, lines: Sequence[Line] | None = None) -> dict[int, Line]:
        """The chunks whose line is in the ledger and whose file is there in full, by its size."""
        finished = [line for line in (self.lines() if lines is None else lines) if line.event == "done"]
        named = {line.file for line in finished}
        sizes = {entry.name: _size(entry) for entry in self._files() if entry.name in named} if named else {}
        return {line.chunk: line for line in finished if sizes.get(line.file) == line.bytes}

    def stored(self) -> set[int]:
        """The chunks of which there is a file, in full or not: no more than a listing, however long the ledger is."""
        made = (match[1] for entry in self._files() if (match := _MADE.match(entry.name)))
        return {int(number) for number in made}

    def engines(self, own: str) -> set[str]:
        """The engines that have begun to work here, `own` among them from now on: no more than a listing."""
        folder = self.folder / "engines"
        folder.mkdir(exist_ok=True)
        if own and not (mark := folder / quote(own, safe="")).exists():
            mark.touch()
        return {unquote(path.name) for path in folder.iterdir()}

    def checked(self, number: int) -> Line | None:
        """The line of a chunk that is done, once its file is read. One with another sum than its own is removed."""
        if number not in self.stored():
            return None
        line = self.done().get(number)
        return line if line is not None and self.is_whole(line) else None

    def is_whole(self, line: Line) -> bool:
        """Whether the file of a chunk that is done has its sum; one that has not is removed."""
        path = self.store / line.file
        if checksum(path) == line.checksum:
            return True
        path.unlink(missing_ok=True)
        return False

    def _files(self) -> list[os.DirEntry[str]]:
        """What is in the folder of chunks."""
        try:
            with os.scandir(self.store) as entries:
                return list(entries)
        except FileNotFoundError:
            return []

    @property
    def is_there(self) -> bool:
        """Whether the folder still holds a job: whoever is ready with it may have removed it."""
        return (self.folder / "job.json").exists()

    def abandon(self, number: int, worker: str, cause: str) -> None:
        """Clears up behind a worker that is known to be dead, at a chunk that it may not have ended."""
        self.claims.free(number, worker)
        for path in self.store.glob(f"{number:05}.{worker.replace(':', '.')}.part*"):
            path.unlink(missing_ok=True)
        if number not in self.done():
            self.ledger.append(
                Line(event="failed", plan=self.key, worker=worker, at=time.time(), chunk=number, cause=cause)
            )

    def remove(self, *more: Path) -> None:
        """Takes everything of the job out of its folder, `more` too, and then the folder if there is nothing else."""
        for path in (self.folder / "job.json", *more):  # without the first, nobody works here any more
            path.unlink(missing_ok=True)
        for name in ("chunks", "engines", "ledger", "claims"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        with suppress(OSError):
            self.folder.rmdir()

    def sweep(self) -> None:
        """Removes what workers of this machine that are dead had half made."""
        for path in self.store.glob("*.part.*"):
            number, _, rest = path.name.partition(".")
            host, _, process = rest.partition(".part.")[0].rpartition(".")
            if number.isdecimal() and host == machine() and not lives(process):
                path.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Makes a folder, and those that it is in. Raises UsageError where none can ever be there, else OSError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno not in _NO_FOLDER:
            raise
        raise UsageError.of("job", str(folder), "a folder that can be made", str(error.strerror)) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError.of("job", str(folder), "a folder with permission to write")


def check_folder(folder: Path) -> None:
    """Makes a folder for a job. Raises UsageError where its storage has no hard links, and as `make_folder`."""
    make_folder(folder)
    one = folder / f"{secrets.token_hex(4)}.part"
    other = one.with_suffix(".link")
    one.touch()
    try:
        os.link(one, other)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        allowed = f"a folder on storage with hard links ({error.strerror})"
        raise UsageError.of("job", str(folder), allowed, "not on an object store") from error
    finally:
        one.unlink(missing_ok=True)
        other.unlink(missing_ok=True)


def write_once(path: Path, content: bytes) -> None:
    """Makes a file that is there in full or not at all; one that is there already stays. Raises OSError."""
    part = path.with_name(f"{path.name}.{secrets.token_hex(8)}.part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(part, path)
        except FileExistsError:
            return
    finally:
        part.unlink(missing_ok=True)
    settle(path.parent)


def settle(folder: Path) -> None:
    """Makes sure that the names in a folder are on the disk."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def checksum(path: Path) -> str:
    """The SHA-256 of a file. Raises FarmError where it cannot be read."""
    try:
        return sha256(path)
    except OSError as error:
        raise FarmError(f"{path} cannot be read: {error}") from error


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat().st_size
    except OSError:
        return -1

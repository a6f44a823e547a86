"""Job folder: the frozen plan, the rendered chunks, and the ledger.

    job.json     the plan; written once
    chunks/      rendered files, named by chunk number and checksum
    ledger/      events; see `ledger`
    claims/      claims of workers; see `claims`
    engines/     an empty file for each kind of engine that has worked on it
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import secrets
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Self
from urllib.parse import quote, unquote

from vsadcvsr.errors import FarmError, UsageError
from vsadcvsr.farm.store.chunk_boundaries import Chunk
from vsadcvsr.farm.store.claims import Claims, process_is_alive
from vsadcvsr.farm.store.fingerprints import ChangedError, Fingerprint
from vsadcvsr.farm.store.ledger import Ledger, LedgerEntry, machine_name, worker_name
from vsadcvsr.files import sha256

_VERSION = 1
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS}
_NO_FOLDER = {errno.EEXIST, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG, errno.ELOOP}
_CHUNK_FILE = re.compile(r"(\d{5,})-[0-9a-f]{16}\.")
"""Name of a complete chunk file."""
_OWN_FILES = {"chunks": "[0-9][0-9][0-9][0-9][0-9]*", "engines": "*%2F*", "ledger": "*.jsonl", "claims": "*.json*"}
"""Patterns of the files in each folder of a job."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """A plan in its folder. `request` is what was asked for, `recipe` what workers need to render chunks; both belong
    to the host, and are plain JSON.
    """

    folder: Path
    request: Mapping[str, object]
    recipe: Mapping[str, object]
    sources: Sequence[Fingerprint]
    chunks: Sequence[Chunk]
    key: str = field(default="", compare=False)
    """Identifies this plan."""

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The job in a folder. Raises UsageError if there is none."""
        path = folder / "job.json"
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            raise UsageError(f"no job is planned in {folder}; plan one with `ffadcvsr farm plan`") from None
        try:
            data = json.loads(content)
            version = data.pop("version")
            if version != _VERSION:
                raise ChangedError(f"{path} is of version {version}, this AdcVSR reads {_VERSION}; plan the job again")
            data["sources"] = [Fingerprint(**item) for item in data["sources"]]
            data["chunks"] = [Chunk(number, *bounds) for number, bounds in enumerate(data["chunks"])]
            return cls(folder=folder, key=hashlib.sha256(content).hexdigest()[:16], **data)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ChangedError(f"{path} is damaged: {error}; plan it again in another folder") from error

    def write(self) -> Job:
        """Writes the plan into its folder; returns the job as it is read from there. An existing plan is kept if it has
        the same request; ChangedError otherwise.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        data = {
            "version": _VERSION, "request": self.request, "recipe": self.recipe,
            "sources": [asdict(item) for item in self.sources],
            "chunks": [[item.begin, item.end, item.first, item.last] for item in self.chunks],
        }  # fmt: skip
        write_once(self.folder / "job.json", (json.dumps(data, indent=1) + "\n").encode())
        stored = self.read(self.folder)
        stored.check_request(self.request)
        return stored

    def check_request(self, request: Mapping[str, object]) -> None:
        """Raises ChangedError if this plan has another request."""
        other = [name for name in {**self.request, **request} if self.request.get(name) != request.get(name)]
        if other:
            raise ChangedError(
                f"{self.folder} holds another plan, with another {' and '.join(other)}; use another folder, or "
                "remove this one"
            )

    def check_sources(self) -> None:
        """Raises ChangedError if a source has changed, FarmError if it cannot be read."""
        for source in self.sources:
            try:
                source.check()
            except ChangedError as error:
                raise ChangedError(f"{error} in another folder, or remove {self.folder}") from error

    def chunk(self, number: int) -> Chunk:
        """Raises UsageError for an unknown number."""
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
    def chunk_folder(self) -> Path:
        """The folder of chunks."""
        return self.folder / "chunks"

    def unfinished_path(self, number: int, suffix: str) -> Path:
        """A unique path for an incomplete chunk file: no other attempt has it, not even a process of the same number in
        another container. `abandon` and `remove_unfinished` recognise it by its worker.
        """
        worker = worker_name().replace(":", ".")
        return self.chunk_folder / f"{number:05}.{worker}.part.{secrets.token_hex(8)}{suffix}"

    def entries(self) -> list[LedgerEntry]:
        """The ledger."""
        return self.ledger.read(self.key)

    def done(self, entries: Sequence[LedgerEntry] | None = None) -> dict[int, LedgerEntry]:
        """Chunks with an entry in the ledger and a file of the right size."""
        finished = [line for line in (self.entries() if entries is None else entries) if line.event == "done"]
        named = {line.file for line in finished}
        sizes = {entry.name: _size(entry) for entry in self._files() if entry.name in named} if named else {}
        return {line.chunk: line for line in finished if sizes.get(line.file) == line.bytes}

    def stored_chunks(self) -> set[int]:
        """Chunks with a file, complete or not, from one directory listing."""
        numbers = (match[1] for entry in self._files() if (match := _CHUNK_FILE.match(entry.name)))
        return {int(number) for number in numbers}

    def engines(self, engine: str) -> set[str]:
        """Engines that have started to work here, including `engine` from now on, from one directory listing."""
        folder = self.folder / "engines"
        folder.mkdir(exist_ok=True)
        if engine and not (marker := folder / quote(engine, safe="")).exists():
            marker.touch()
        return {unquote(path.name) for path in folder.iterdir()}

    def verified_entry(self, number: int) -> LedgerEntry | None:
        """The entry of a chunk that is done, after verifying its file. A damaged file is removed."""
        if number not in self.stored_chunks():
            return None
        entry = self.done().get(number)
        return entry if entry is not None and self.is_whole(entry) else None

    def is_whole(self, entry: LedgerEntry) -> bool:
        """Whether the file of a chunk has its checksum; a damaged one is removed."""
        path = self.chunk_folder / entry.file
        if checksum(path) == entry.checksum:
            return True
        path.unlink(missing_ok=True)
        return False

    def _files(self) -> list[os.DirEntry[str]]:
        """Entries of the chunk folder."""
        try:
            with os.scandir(self.chunk_folder) as entries:
                return list(entries)
        except FileNotFoundError:
            return []

    @property
    def exists(self) -> bool:
        """Whether the folder still holds a job: a finished one may have been removed."""
        return has_job(self.folder)

    def abandon(self, number: int, worker: str, cause: str) -> None:
        """Cleans up after a worker that is known to be dead, at a chunk that it may not have finished."""
        self.claims.release(number, worker)
        for path in self.chunk_folder.glob(f"{number:05}.{worker.replace(':', '.')}.part*"):
            path.unlink(missing_ok=True)
        if number not in self.done():
            self.ledger.append(
                LedgerEntry(event="failed", plan=self.key, worker=worker, at=time.time(), chunk=number, cause=cause)
            )

    def remove(self, *more: Path) -> None:
        """Removes the job's files from its folder, and `more`, and then the folder if it is empty: it may be one that
        has other files, even the source.
        """
        for path in (self.folder / "job.json", *more):  # without job.json, no worker continues
            path.unlink(missing_ok=True)
        for name, pattern in _OWN_FILES.items():
            for path in (self.folder / name).glob(pattern):
                with suppress(OSError):
                    path.unlink()
            with suppress(OSError):
                (self.folder / name).rmdir()
        with suppress(OSError):
            self.folder.rmdir()

    def remove_unfinished(self) -> None:
        """Removes incomplete files of dead workers of this machine."""
        for path in self.chunk_folder.glob("*.part.*"):
            number, _, rest = path.name.partition(".")
            host, _, process = rest.partition(".part.")[0].rpartition(".")
            if number.isdecimal() and host == machine_name() and not process_is_alive(process):
                path.unlink(missing_ok=True)


def has_job(folder: Path) -> bool:
    """Whether a job is planned in a folder."""
    return (folder / "job.json").exists()


def make_folder(folder: Path) -> None:
    """Makes a folder and its parents. Raises UsageError if that can never work, else OSError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno not in _NO_FOLDER:
            raise
        raise UsageError(f"job folder {folder} cannot be made ({error.strerror}); give another") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"job folder {folder} is not writable; give another, or permission to write")


def check_folder(folder: Path) -> None:
    """Makes a folder for a job. Raises UsageError if its storage has no hard links, and as `make_folder`."""
    make_folder(folder)
    probe, link = (folder / f"trial-{secrets.token_hex(4)}" for _ in range(2))
    probe.touch()
    try:
        os.link(probe, link)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        raise UsageError(
            f"job folder {folder} is on storage without hard links ({error.strerror}), such as an object store; "
            "use a local or NFS folder"
        ) from error
    finally:
        probe.unlink(missing_ok=True)
        link.unlink(missing_ok=True)


def write_once(path: Path, content: bytes) -> None:
    """Writes a file atomically; an existing one is kept. Raises OSError."""
    unfinished = path.with_name(f"{path.name}.{secrets.token_hex(8)}.part")
    try:
        with unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(unfinished, path)
        except FileExistsError:
            return
    finally:
        unfinished.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Flushes the names in a folder to disk."""
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

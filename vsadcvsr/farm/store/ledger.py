"""Ledger of events. Each worker appends to a file of its own and nothing is ever changed, so that many machines can
write into one folder, and a crash costs at most the line that was being written.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal

type Event = Literal["planned", "begun", "done", "failed", "merged"]


@dataclass(frozen=True, kw_only=True)
class LedgerEntry:
    """One event; fields that an event does not use stay empty."""

    event: Event
    plan: str
    """Key of the plan."""
    worker: str
    at: float
    """Unix time."""
    chunk: int = -1
    file: str = ""
    """Name in the chunk folder."""
    checksum: str = ""
    """SHA-256 of the file."""
    bytes: int = 0
    frames: int = 0
    seconds: float = 0.0
    """Duration."""
    engine: str = ""
    """Engine label, such as "ort/cuda/fp16"."""
    cause: str = ""


_HOST_PID_NAMESPACE = "pid:[4026531836]"
"""PID namespace of the host on Linux."""
_FIELDS = {field.name for field in fields(LedgerEntry)}


def machine_name() -> str:
    """Name of this machine; in a container with its own PID namespace, with the namespace, since containers may share a
    name.
    """
    try:
        processes = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        processes = _HOST_PID_NAMESPACE
    return socket.gethostname() + ("" if processes == _HOST_PID_NAMESPACE else f".{processes.strip('pid:[]')}")


def worker_name() -> str:
    """This process, as named in the ledger."""
    return f"{machine_name()}:{os.getpid()}"


class Ledger:
    """The entries in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._own_file: Path | None = None
        self._lock = threading.Lock()
        self._cache: dict[str, tuple[LedgerReader, list[LedgerEntry]]] = {}

    def __reduce__(self) -> tuple[type[Ledger], tuple[Path]]:
        return Ledger, (self._folder,)  # a copy in another process has read nothing, and a file of its own

    def append(self, entry: LedgerEntry) -> None:
        """Appends an entry, which is on disk when this returns. Raises OSError."""
        path, self._own_file = self._own_file or self._new_file(), None
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(entry), sort_keys=True) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self._own_file = path  # behind a line that was torn, the next one would be lost: it begins a new file

    def read(self, plan: str) -> list[LedgerEntry]:
        """All entries of a plan by all workers, by time, without torn ones.

        What was read before is not read again, unless files have been removed.
        """
        with self._lock:
            reader, entries = self._cache.get(plan) or (self.follow(plan), [])
            new = reader.read_new()
            if reader.is_stale:
                reader, entries = self.follow(plan), []
                new = reader.read_new()
            entries = sorted([*entries, *new], key=lambda entry: entry.at) if new else entries
            self._cache[plan] = reader, entries
            return list(entries)

    def follow(self, plan: str) -> LedgerReader:
        """An incremental reader of the entries of a plan."""
        return LedgerReader(self._folder, plan)

    def _new_file(self) -> Path:
        self._folder.mkdir(parents=True, exist_ok=True)
        timestamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
        return self._folder / f"{timestamp}-{machine_name()}-{os.getpid()}-{secrets.token_hex(3)}.jsonl"


class LedgerReader:
    """Reads only what was not read before: of a file that has not grown, only the size is read."""

    def __init__(self, folder: Path, plan: str) -> None:
        self._folder = folder
        self._plan = plan
        self._offsets: dict[str, int] = {}
        self.is_stale = False
        """Whether files were removed since they were read."""

    def read_new(self) -> list[LedgerEntry]:
        """The entries since the last call, by time, without torn ones."""
        entries = [entry for path in self._grown_files() for entry in self._read_rest(path)]
        return sorted((entry for entry in entries if entry.plan == self._plan), key=lambda entry: entry.at)

    def _grown_files(self) -> list[Path]:
        try:
            with os.scandir(self._folder) as entries:
                files = [file for file in entries if file.name.endswith(".jsonl")]
                grown = [file for file in files if self._has_grown(file)]
        except FileNotFoundError:
            files = grown = []
        self.is_stale = not self._offsets.keys() <= {file.name for file in files}
        return sorted(Path(file.path) for file in grown)

    def _has_grown(self, entry: os.DirEntry[str]) -> bool:
        """True for new files, whatever their reported size: over a network, that may be a minute old."""
        return entry.name not in self._offsets or entry.stat().st_size > self._offsets[entry.name]

    def _read_rest(self, path: Path) -> Iterable[LedgerEntry]:
        offset = self._offsets.get(path.name, 0)
        with path.open("rb") as file:
            file.seek(offset)
            content = file.read()
        complete = content[: content.rfind(b"\n") + 1]
        self._offsets[path.name] = offset + len(complete)
        return parse_entries(complete)


def parse_entries(content: bytes) -> Iterable[LedgerEntry]:
    """The entries in the bytes of a file; incomplete and foreign lines are skipped."""
    for text in content.split(b"\n")[:-1]:
        try:
            data = json.loads(text)
        except ValueError:
            continue
        if isinstance(data, dict) and {"event", "plan", "worker", "at"} <= data.keys() <= _FIELDS:
            yield LedgerEntry(**data)

"""What has been done, line by line. Each worker appends to a file of its own and nothing is ever changed, so that many
machines can write into one folder, and whatever ends a worker costs the line that it was writing, no other.
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
class Line:
    """One thing that happened. `plan` says to which plan it belongs; what an event has no use for stays empty.

    `file` is a name inside the folder of chunks and `checksum` its SHA-256; `at` is Unix time, `seconds` how long it
    took; `engine` is what made the pictures, such as "ort/cuda/fp16".
    """

    event: Event
    plan: str
    worker: str
    at: float
    chunk: int = -1
    file: str = ""
    checksum: str = ""
    bytes: int = 0
    frames: int = 0
    seconds: float = 0.0
    engine: str = ""
    cause: str = ""


_ALL = "pid:[4026531836]"
"""How Linux names the processes of a whole machine."""
_NAMES = {field.name for field in fields(Line)}


def machine() -> str:
    """The name of this machine; in a container that counts processes by itself, with what tells it from others, for
    those may have the same name.
    """
    try:
        processes = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        processes = _ALL
    return socket.gethostname() + ("" if processes == _ALL else f".{processes.strip('pid:[]')}")


def worker_name() -> str:
    """This process, in the words of the ledger."""
    return f"{machine()}:{os.getpid()}"


class Ledger:
    """The lines in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._own: Path | None = None
        self._lock = threading.Lock()
        self._known: dict[str, tuple[Follower, list[Line]]] = {}

    def __reduce__(self) -> tuple[type[Ledger], tuple[Path]]:
        return Ledger, (self._folder,)  # a copy in another process has read nothing, and a file of its own

    def append(self, line: Line) -> None:
        """Adds a line, which is on the disk when this returns. Raises OSError."""
        own, self._own = self._own or self._new(), None
        with own.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(line), sort_keys=True) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self._own = own  # behind a line that was torn, the next one would be lost: it begins a new file

    def read(self, plan: str) -> list[Line]:
        """All lines of a plan by all workers, in the order of their times. Torn ones are left out.

        What was read before is not read again, unless some of it has been removed.
        """
        with self._lock:
            follower, lines = self._known.get(plan) or (self.follow(plan), [])
            new = follower.new()
            if follower.is_behind:
                follower, lines = self.follow(plan), []
                new = follower.new()
            lines = sorted([*lines, *new], key=lambda line: line.at) if new else lines
            self._known[plan] = follower, lines
            return list(lines)

    def follow(self, plan: str) -> Follower:
        """Reads the lines of a plan as they come."""
        return Follower(self._folder, plan)

    def _new(self) -> Path:
        self._folder.mkdir(parents=True, exist_ok=True)
        moment = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
        return self._folder / f"{moment}-{machine()}-{os.getpid()}-{secrets.token_hex(3)}.jsonl"


class Follower:
    """Reads what was not read before: of a file that has not grown, nothing but its size is asked for."""

    def __init__(self, folder: Path, plan: str) -> None:
        self._folder = folder
        self._plan = plan
        self._read: dict[str, int] = {}
        self.is_behind = False
        """Whether files have gone since they were read."""

    def new(self) -> list[Line]:
        """The lines since the last time, in the order of their times; torn ones are left out."""
        found = [line for path in self._grown() for line in self._rest(path)]
        return sorted((line for line in found if line.plan == self._plan), key=lambda line: line.at)

    def _grown(self) -> list[Path]:
        try:
            with os.scandir(self._folder) as entries:
                files = [entry for entry in entries if entry.name.endswith(".jsonl")]
                grown = [entry for entry in files if self._has_grown(entry)]
        except FileNotFoundError:
            files = grown = []
        self.is_behind = not self._read.keys() <= {one.name for one in files}
        return sorted(Path(one.path) for one in grown)

    def _has_grown(self, entry: os.DirEntry[str]) -> bool:
        """True for what is new, whatever its size is said to be: over a network, that may be a minute old."""
        return entry.name not in self._read or entry.stat().st_size > self._read[entry.name]

    def _rest(self, path: Path) -> Iterable[Line]:
        before = self._read.get(path.name, 0)
        with path.open("rb") as file:
            file.seek(before)
            content = file.read()
        whole = content[: content.rfind(b"\n") + 1]
        self._read[path.name] = before + len(whole)
        return lines_of(whole)


def lines_of(content: bytes) -> Iterable[Line]:
    """The lines in the bytes of a file; what is behind the last end of a line, or is none of ours, is left out."""
    for text in content.split(b"\n")[:-1]:
        try:
            told = json.loads(text)
        except ValueError:
            continue
        if isinstance(told, dict) and {"event", "plan", "worker", "at"} <= told.keys() <= _NAMES:
            yield Line(**told)

"""Claims of workers on chunks, or on steps that are done once per job.

A claim saves work and protects nothing: a chunk that is rendered twice has the same bits.
"""

from __future__ import annotations

import json
import os
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vsadcvsr.farm.store.ledger import machine_name, worker_name

_HEARTBEAT_SECONDS = 30.0
_DEAD_SECONDS = 600.0
"""Seconds between two heartbeats, and seconds without one after which a worker counts as dead."""
_ROLES = ("worker", "driver")
"""Keys of the processes that a claim depends on."""


class Claims:
    """The claims in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def claim(self, what: int | str, driver: str = "") -> Iterator[bool]:
        """Claims a chunk by its number, or a step by its name; yields whether that succeeded. Released at the end.

        `driver` is the process that started this one; the claim is dead if either has ended. Raises FileNotFoundError
        without a job folder.
        """
        path, token = self._path(what), secrets.token_hex(8)
        if not self._acquire(path, token, driver):
            yield False
            return
        ended = threading.Event()
        heartbeat = threading.Thread(target=_heartbeat, args=(path, token, ended), daemon=True, name="claim")
        heartbeat.start()
        try:
            yield True
        finally:
            ended.set()
            heartbeat.join()
            if _read(path).get("token") == token:
                path.unlink(missing_ok=True)

    def release(self, chunk: int, worker: str) -> None:
        """Removes the claim of a worker that is known to be dead, if it holds it."""
        path = self._path(chunk)
        if _read(path).get("worker") == worker:
            path.unlink(missing_ok=True)

    def holder(self, what: int | str) -> str:
        """Name of the live worker that holds a claim; empty if there is none."""
        path = self._path(what)
        return "" if _is_dead(path) else str(_read(path).get("worker", ""))

    def claimed(self) -> set[int]:
        """The chunks that are claimed, by live or dead workers, from one directory listing."""
        names = (path.name for path in self._folder.glob("*.json"))
        return {int(name.removesuffix(".json")) for name in names if name.removesuffix(".json").isdecimal()}

    def _path(self, what: int | str) -> Path:
        return self._folder / f"{what if isinstance(what, str) else f'{what:05}'}.json"

    def _acquire(self, path: Path, token: str, driver: str) -> bool:
        self._folder.mkdir(exist_ok=True)  # without parents, so that a removed job is not recreated
        claim_file = path.with_name(f"{path.name}.{token}")
        claim_file.write_text(json.dumps({"worker": worker_name(), "driver": driver, "token": token}))
        try:
            if not _link(claim_file, path) and not _replace_dead(claim_file, path):
                return False
        finally:
            claim_file.unlink(missing_ok=True)
        return _read(path).get("token") == token


def _link(claim_file: Path, path: Path) -> bool:
    """Whether `path` was free and is `claim_file` now. Unlike an exclusive creation, it is never half written."""
    try:
        os.link(claim_file, path)
    except FileExistsError:
        return False
    return True


def _replace_dead(claim_file: Path, path: Path) -> bool:
    """Whether the claim at `path` was dead and is `claim_file` now.

    Several workers may find the same claim dead at once. So the replacement is locked, and the claim checked again
    inside: it may be the live claim of the worker that was first. A lock whose owner died is removed, for the next
    attempt.
    """
    if not _is_dead(path):
        return False
    lock = path.with_name(f"{path.name}.taking")
    if not _link(claim_file, lock):
        if _is_dead(lock):
            lock.unlink(missing_ok=True)
        return False
    try:
        if not _is_dead(path):
            return False
        claim_file.replace(path)
    finally:
        lock.unlink(missing_ok=True)
    return True


def _heartbeat(path: Path, token: str, ended: threading.Event) -> None:
    while not ended.wait(_HEARTBEAT_SECONDS):
        with suppress(OSError):
            if _read(path).get("token") == token:  # another worker has it if this machine was suspended for long
                os.utime(path)


def _read(path: Path) -> dict[str, object]:
    try:
        data = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def _is_dead(path: Path) -> bool:
    try:
        age = time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return True
    data = _read(path)
    return age > _DEAD_SECONDS or any(_is_gone(str(data.get(role, ""))) for role in _ROLES)


def _is_gone(worker: str) -> bool:
    """Whether that is a process of this machine that has ended."""
    host, _, number = worker.rpartition(":")
    return host == machine_name() and not process_is_alive(number)


def process_is_alive(number: str) -> bool:
    """Whether a process of this machine still exists, as far as can be determined."""
    if os.name != "posix" or not number.isdecimal():
        return True
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True

"""Who works on which chunk, or on what is done once for all of them, so that no two choose the same.

A claim saves work and protects nothing: a chunk that is made twice is made twice alike.
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

from vsadcvsr.farm.store.ledger import machine, worker_name

_BEAT = 30.0
_DEAD = 600.0
"""Seconds between two signs of life, and without one until a worker counts as dead."""


class Claims:
    """The claims in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def held(self, what: int | str, patron: str = "") -> Iterator[bool]:
        """Whether the chunk of that number, or the work of that name, is ours now; given back at the end.

        `patron` is who this process works for, and does not outlive. Raises FileNotFoundError without a job's folder.
        """
        path, token = self._path(what), secrets.token_hex(8)
        if not self._take(path, token, patron):
            yield False
            return
        ended = threading.Event()
        beating = threading.Thread(target=_beat, args=(path, token, ended), daemon=True, name="claim")
        beating.start()
        try:
            yield True
        finally:
            ended.set()
            beating.join()
            if _read(path).get("token") == token:
                path.unlink(missing_ok=True)

    def free(self, chunk: int, worker: str) -> None:
        """Takes a chunk away from a worker that is known to be dead, if it has it."""
        path = self._path(chunk)
        if _read(path).get("worker") == worker:
            path.unlink(missing_ok=True)

    def holder(self, what: int | str) -> str:
        """The worker that has it, as long as it shows signs of life; else an empty string."""
        path = self._path(what)
        return "" if _is_dead(path) else str(_read(path).get("worker", ""))

    def taken(self) -> set[int]:
        """The chunks that are claimed, by the living or the dead: no more than a listing."""
        names = (path.name for path in self._folder.glob("*.json"))
        return {int(name.removesuffix(".json")) for name in names if name.removesuffix(".json").isdecimal()}

    def _path(self, what: int | str) -> Path:
        return self._folder / f"{what if isinstance(what, str) else f'{what:05}'}.json"

    def _take(self, path: Path, token: str, patron: str) -> bool:
        self._folder.mkdir(exist_ok=True)  # without parents: a job that was removed stays so
        own = path.with_name(f"{path.name}.{token}")
        own.write_text(json.dumps({"worker": worker_name(), "patron": patron, "token": token}))
        try:
            if not _links(own, path) and not _replaces(own, path):
                return False
        finally:
            own.unlink(missing_ok=True)
        return _read(path).get("token") == token


def _links(own: Path, path: Path) -> bool:
    """Whether `path` was free and is the claim `own` now. Unlike an exclusive creation, it is never half written."""
    try:
        os.link(own, path)
    except FileExistsError:
        return False
    return True


def _replaces(own: Path, path: Path) -> bool:
    """Whether the claim at `path` was dead and is `own` now.

    Several may find the same claim dead at once. So the replacement is locked, and the claim looked at again inside: it
    may be the living one of whoever replaced it first. A lock whose owner died is removed, for the next attempt.
    """
    if not _is_dead(path):
        return False
    lock = path.with_name(f"{path.name}.taking")
    if not _links(own, lock):
        if _is_dead(lock):
            lock.unlink(missing_ok=True)
        return False
    try:
        if not _is_dead(path):
            return False
        own.replace(path)
    finally:
        lock.unlink(missing_ok=True)
    return True


def _beat(path: Path, token: str, ended: threading.Event) -> None:
    while not ended.wait(_BEAT):
        with suppress(OSError):
            if _read(path).get("token") == token:  # another's, after a long sleep of this machine
                os.utime(path)


def _read(path: Path) -> dict[str, object]:
    try:
        told = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def _is_dead(path: Path) -> bool:
    try:
        silent = time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return True
    told = _read(path)
    return silent > _DEAD or any(_is_gone(str(told.get(role, ""))) for role in ("worker", "patron"))


def _is_gone(worker: str) -> bool:
    """Whether that is a process of this machine that has ended."""
    host, _, number = worker.rpartition(":")
    return host == machine() and not lives(number)


def lives(number: str) -> bool:
    """Whether a process of this machine is there still, as far as can be told."""
    if os.name != "posix" or not number.isdecimal():
        return True
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True

"""Processes that tests start: which of them still run, whoever their parent is by now, and an end to them."""

from __future__ import annotations

import os
import time
from collections.abc import Collection
from contextlib import suppress
from uuid import uuid4

import psutil

_MARK = "ADCVSR_TEST_RUN"
_GRACE = float(os.environ.get("ADCVSR_GRACE", "10"))
"""Seconds that a process has for its end after the test."""
_LASTING = ("multiprocessing.resource_tracker", "multiprocessing.forkserver")
"""Helpers that Python itself starts once and keeps until it ends."""


def mark() -> None:
    """Marks this process, so that those which come of it are known even when their parents have ended."""
    os.environ[_MARK] = f"{os.getpid()}-{uuid4().hex}"


def started_since(before: Collection[int]) -> list[psutil.Process]:
    """The processes that come of this one, still run, and had not begun when `before` was what `psutil.pids` said.

    Those that come of an older one which still runs, as the workers of a cluster do, are its own affair.
    """
    result = []
    for number in set(psutil.pids()).difference(before, {os.getpid()}):
        with suppress(psutil.Error):
            process = psutil.Process(number)
            if _runs(process) and _is_of_this_run(process) and not _has_lasting_parent(process, before):
                result.append(process)
    return result


def end_those(before: Collection[int]) -> list[str]:
    """Ends whatever has been started since and does not end by itself soon; what each of them was."""
    limit = time.monotonic() + _GRACE
    while (left := started_since(before)) and time.monotonic() < limit:
        time.sleep(0.02)
    names = [_name(process) for process in left]
    for process in left:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(left, timeout=5)
    return names


def _runs(process: psutil.Process) -> bool:
    return process.status() not in {psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD} and not any(
        name in word for word in process.cmdline() for name in _LASTING
    )


def _is_of_this_run(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        if process.environ().get(_MARK) == os.environ[_MARK]:
            return True
    return os.getpid() in {parent.pid for parent in process.parents()}  # one that is forked only has no such mark


def _has_lasting_parent(process: psutil.Process, before: Collection[int]) -> bool:
    for parent in process.parents():
        if parent.pid == os.getpid():
            return False
        if parent.pid in before and _is_of_this_run(parent):
            return True
    return False


def _name(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return f"{process.pid} {' '.join(process.cmdline())[:200]!r}"
    return str(process.pid)

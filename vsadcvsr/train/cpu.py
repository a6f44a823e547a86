"""Use of a CPU by a training process: one core of its own, memory that stays mapped, no denormal numbers, the faster
precision.

A step of a compact student takes tens of milliseconds: several threads wait for each other longer than they work, and
page faults of memory that is mapped again cost as much as the layers. One thread, pinned to a core, trains fastest, and
several processes use several cores. The momentum of weights without gradient shrinks by the same factor in each step,
and below 1e-38 its products take many times as long as others: such numbers count as zero.
"""

from __future__ import annotations

import ctypes
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    import torch

_RETAINING = {-3: 1 << 30, -1: (1 << 31) - 1, -2: 64 << 20}
"""Values of mallopt\'s M_MMAP_THRESHOLD, M_TRIM_THRESHOLD and M_TOP_PAD that keep freed memory mapped."""
_DEFAULTS = {-3: 128 << 10, -1: 128 << 10, -2: 128 << 10}


@contextmanager
def alone(threads: int) -> Iterator[None]:
    """Within, freed memory stays mapped, denormal numbers are zero in this thread and those it starts, and with one
    thread the process is pinned to a core.
    """
    import torch

    _allocate(_RETAINING)
    torch.set_flush_denormal(True)
    try:
        with pinned() if threads == 1 else nullcontext():
            yield
    finally:
        torch.set_flush_denormal(False)
        _allocate(_DEFAULTS)


@contextmanager
def pinned() -> Iterator[int | None]:
    """Pins this process, within, to a core that no other training has taken; yields its number.

    None, and nothing changes, where the system has no such call, where the process is limited to one core already, or
    where all are taken.
    """
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_setaffinity") else set[int]()
    for core in sorted(cores) if len(cores) > 1 else []:
        if (claim := _claim(core)) is not None:
            with claim:
                os.sched_setaffinity(0, {core})
                try:
                    yield core
                finally:
                    os.sched_setaffinity(0, cores)
            return
    yield None


def _claim(core: int) -> IO[str] | None:
    """A lock on a core, which ends with the file or the process; None where another process has it."""
    import fcntl  # not on Windows, which has no sched_setaffinity either

    file = None
    try:
        file = (Path(tempfile.gettempdir()) / f"adcvsr-train-{os.getuid()}-core-{core}.lock").open("a")
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        if file is not None:
            file.close()
        return None
    return file


def _allocate(options: Mapping[int, int]) -> None:
    """Sets glibc's thresholds from which freed blocks return to the system; nothing where there is another libc."""
    libc = ctypes.CDLL(None) if sys.platform.startswith("linux") else None
    if libc is not None and hasattr(libc, "gnu_get_libc_version"):
        for option, value in options.items():
            libc.mallopt(option, value)


def precision_of(precision: str, device: torch.device) -> str:
    """`bf16` or `fp32`; of `auto`, the faster: CPUs gain from bf16 only where they multiply matrices in it (AMX)."""
    if precision != "auto":
        return precision
    if device.type == "cuda":
        return "bf16"
    import torch  # takes seconds, and a process that only pins itself can do without

    return "bf16" if torch.cpu._is_amx_tile_supported() else "fp32"

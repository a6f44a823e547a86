"""Description of the machine that a benchmark ran on."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from vsadcvsr.environment import package_versions, usable_cores

_REPORTED = ("vsadcvsr", "vapoursynth", "numpy", "onnxruntime", "onnxruntime-gpu", "openvino", "torch")


@dataclass(frozen=True)
class Machine:
    """The processor and its cores that this process may use, the system, what else was running, and versions."""

    processor: str
    cores: int
    system: str
    python: str
    load: float | None
    packages: dict[str, str]


def this_machine() -> Machine:
    """The machine that this runs on. `load` is the one-minute average when asked, None if there is none."""
    return Machine(
        processor=_processor(),
        cores=usable_cores(),
        system=platform.platform(terse=True),
        python=platform.python_version(),
        load=round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        packages=package_versions(_REPORTED),
    )


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()

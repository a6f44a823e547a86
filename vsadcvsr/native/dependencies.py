"""The metadata hook: which ONNX Runtime a build depends on, by `ADCVSR_RUNTIME` (pyproject.toml has the lists).

It is the first code of ours that a build runs, so it also refuses a Python that is too old.
"""

from __future__ import annotations

import os
import platform
import sys
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

OLDEST = (3, 12)


class RuntimeHook(MetadataHookInterface):
    """Fills in `dependencies`: what is always needed, and one runtime out of the table."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Runs for every build and every editable install."""
        if sys.version_info < OLDEST:
            raise SystemExit(too_old(platform.python_version()))
        runtimes: dict[str, list[str]] = self.config["runtime"]
        chosen = os.environ.get("ADCVSR_RUNTIME") or "cpu"
        if chosen not in runtimes:
            raise SystemExit(f"ADCVSR_RUNTIME is {chosen!r}, allowed: {', '.join(runtimes)}")
        metadata["dependencies"] = [*self.config["always"], *runtimes[chosen]]


def too_old(version: str) -> str:
    """What to tell the user of Python `version`."""
    least = ".".join(map(str, OLDEST))
    use = f"run `python{least} -m pip install .`, or that of a later one"
    return f"AdcVSR needs Python {least} or later, and this is Python {version}; {use}"

"""The metadata hook: which ONNX Runtime a build depends on, by `ADCVSR_RUNTIME` (pyproject.toml has the lists)."""

from __future__ import annotations

import os
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


class RuntimeHook(MetadataHookInterface):
    """Fills in `dependencies`: what is always needed, and one runtime out of the table."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Runs for every build and every editable install."""
        runtimes: dict[str, list[str]] = self.config["runtime"]
        chosen = os.environ.get("ADCVSR_RUNTIME") or "cpu"
        if chosen not in runtimes:
            raise SystemExit(f"ADCVSR_RUNTIME is {chosen!r}, allowed: {', '.join(runtimes)}")
        metadata["dependencies"] = [*self.config["always"], *runtimes[chosen]]

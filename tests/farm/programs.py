"""Programs that stand in for others: on PATH, they note how they were called."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples" / "farm"
BIN = Path(sys.executable).parent


class Programs:
    """A folder of stand-ins. Each call of one is a line in `calls`, behind which `body` runs, in sh."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._notes = folder / "calls.txt"
        (folder / "bin").mkdir()

    def stand_in(self, name: str, body: str = "") -> None:
        path = self.folder / "bin" / name
        path.write_text(f'#!/bin/bash\necho "{name}" "${{@@Q}}" >> "{self._notes}"\n{body}\n')
        path.chmod(0o755)

    def real(self, name: str = "ffadcvsr") -> None:
        path = self.folder / "bin" / name
        path.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "from ffmpeg_filter.program import run; run()" "$@"\n')
        path.chmod(0o755)

    @property
    def calls(self) -> list[str]:
        """What was called, and with which words; the quotes of words that need none are gone."""
        return [line.replace("'", "") for line in self._notes.read_text().splitlines()] if self._notes.exists() else []

    def run(self, *arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        """A command with the stand-ins before everything else on PATH."""
        return subprocess.run(
            [str(word) for word in arguments], cwd=self.folder, env=self._surroundings(environment), check=False,
            capture_output=True, text=True, timeout=100,
        )  # fmt: skip

    def _surroundings(self, environment: Mapping[str, str]) -> dict[str, str]:
        path = os.pathsep.join([str(self.folder / "bin"), str(BIN), os.environ["PATH"]])
        return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment}

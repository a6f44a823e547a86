"""Environments of their own, made quickly: packages are read from the environment of the tests, all or some of them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import vapoursynth as vs

ROOT = Path(__file__).parents[2]
QUIET = ("--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check", "-q")
_HIDDEN = ("PYTHONPATH", "ADCVSR_PLUGIN", "ADCVSR_FFMPEG")


def pip(*arguments: str | Path, **environment: str) -> None:
    command = [sys.executable, "-m", "pip", *arguments]
    with tempfile.TemporaryDirectory() as home:  # pip asks Rust for its version, which may keep files there
        subprocess.run(command, cwd=ROOT, env={**os.environ, "HOME": home, **environment}, check=True)


def metadata_of(wheel: Path) -> metadata.PackageMetadata:
    (distribution,) = metadata.distributions(path=[str(wheel)])
    return distribution.metadata


def requirements(lines: Iterable[str]) -> list[str]:
    """The names of what is needed here with no extra asked for."""
    return [
        re.split(r"[^\w.-]", line)[0]
        for line in lines
        if "extra ==" not in line and not ("darwin" in line and sys.platform == "darwin")
    ]


class Environment:
    """A venv with a VapourSynth of its own. Everything else is read from the environment of the tests: all of it, or
    with `only` those distributions and what they need.
    """

    def __init__(self, place: Path, only: Iterable[str] | None = None) -> None:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", place], check=True)
        self.place = place
        self.bin = place / Path(sys.executable).parent.name
        self.python = self.bin / Path(sys.executable).name
        self.site = next(place.glob("lib/python3*/site-packages"))
        plugins = shutil.ignore_patterns("plugins" if only is None else "adcvsr")
        shutil.copytree(Path(vs.__file__).parent, self.site / "vapoursynth", ignore=plugins)
        if only is None:
            outer = Path(sysconfig.get_paths()["purelib"])
            (self.site / "zz_outer.pth").write_text(f"import site; site.addsitedir({str(outer)!r})\n")
        else:
            self._link(list(only))
        for name in ("vapoursynth", "vspipe"):
            _, words = (Path(sys.executable).parent / name).read_text().split("\n", 1)
            (self.bin / name).write_text(f"#!{self.python}\n{words}")
            (self.bin / name).chmod(0o755)

    def _link(self, names: list[str]) -> None:
        """Makes the distributions visible, and all that they need themselves."""
        seen: set[str] = set()
        while names:
            name = re.sub(r"[-_.]+", "-", names.pop()).lower()
            if name in seen:
                continue
            seen.add(name)
            try:
                result = metadata.distribution(name)
            except metadata.PackageNotFoundError:
                continue  # for another platform
            for top in {Path(file).parts[0] for file in result.files or ()} - {"..", "vapoursynth", "__pycache__"}:
                if not (self.site / top).exists():
                    (self.site / top).symlink_to(Path(str(result.locate_file(top))))
            names += requirements(result.requires or ())

    def start(self, *command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        """A finished command with the environment's own programs first on PATH."""
        inherited = {name: value for name, value in os.environ.items() if name not in _HIDDEN}
        inherited["PATH"] = f"{self.bin}{os.pathsep}{inherited['PATH']}"
        inherited["XDG_CONFIG_HOME"] = str(self.place)
        return subprocess.run(
            command, cwd=self.place, env={**inherited, **environment}, check=False, capture_output=True, text=True,
            timeout=110, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def run(self, *command: str | Path) -> str:
        """What a command that must end well prints."""
        done = self.start(*command)
        assert done.returncode == 0, done.stderr
        return done.stdout

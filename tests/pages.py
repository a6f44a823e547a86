"""README.md, CONTRIBUTING.md and the pages of docs/: their text, and the code blocks that tests run."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
FILES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
PAGES = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in FILES}
README = PAGES["README.md"]
ALL = "\n".join(PAGES.values())


def blocks(language: str, text: str = README) -> list[str]:
    """The code blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def shell_lines(text: str = ALL) -> list[str]:
    """The lines of shell blocks, each once, without their comments."""
    lines = (re.sub(r"\s+#.*", "", line) for line in "\n".join(blocks("sh", text)).splitlines())
    return list(dict.fromkeys(line for line in lines if line))


def lines_with(word: str, text: str = ALL) -> list[list[str]]:
    """The shell lines that begin with a command, as words."""
    return [shlex.split(line) for line in shell_lines(text) if line.startswith(word)]


def console_lines() -> list[list[str]]:
    """The commands of console blocks, as words: they need files or hardware that tests do not have."""
    joined = "\n".join(blocks("console", ALL)).replace("\\\n", " ")
    return [shlex.split(line.removeprefix("$ ")) for line in joined.splitlines() if line.startswith("$ ")]


def run(arguments: list[str], folder: Path) -> None:
    """A command of a page, with this Python in place of the installed commands, in `folder`."""
    replaced = {"python": [sys.executable], "adcvsr": [sys.executable, "-m", "vsadcvsr.cli"]}
    command = [*replaced[arguments[0]], *arguments[1:]]
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stderr.decode()


def with_numbers(arguments: list[str], **numbers: str) -> list[str]:
    """The command with smaller numbers, since a test has no hours."""
    for name, number in numbers.items():
        if f"--{name}" in arguments:
            arguments[arguments.index(f"--{name}") + 1] = number
        else:
            arguments += [f"--{name}", number]
    return arguments

"""The operator's guide: what it names is there, and what it says to type is understood."""

from __future__ import annotations

import re
import shlex

import pytest

from ffmpeg_filter.farm import cli, exit_status
from tests.farm.programs import EXAMPLES, ROOT

GUIDE = (EXAMPLES / "README.md").read_text(encoding="utf-8")
LINES = "\n".join(re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL)).splitlines()


@pytest.mark.parametrize("line", [line for line in LINES if line.startswith("ffadcvsr farm")])
def test_every_farm_command_of_the_guide_can_be_parsed(line: str) -> None:
    words, _ = cli._split_at_dashes(shlex.split(line, comments=True)[2:])
    assert callable(cli._parser().parse_args(words).run)


def test_files_that_are_named_are_there() -> None:
    named = set(re.findall(r"examples/farm/([\w.]+)", GUIDE)) | set(re.findall(r"`(\w+\.(?:sh|yaml))`", GUIDE))
    assert {"Dockerfile", "slurm.sh", "kubernetes.sh", "kubernetes.yaml", "openjd.yaml", "openjd_chunks.yaml"} <= named
    assert all((EXAMPLES / name).is_file() for name in named)
    assert all(
        path.name in GUIDE for path in EXAMPLES.iterdir() if path.name not in {"README.md", "Dockerfile.dockerignore"}
    )


def test_exit_codes_are_ours() -> None:
    documented = dict(re.findall(r"^\| (\d+) \|.*\| ([^|]+) \|$", GUIDE, re.MULTILINE))
    assert documented[str(exit_status.OK)] == "go on"
    assert documented[str(exit_status.RETRY)].startswith("try again")
    assert documented[str(exit_status.USAGE)] == documented[str(exit_status.GIVE_UP)] == "give up"


def test_the_readme_points_here() -> None:
    assert "examples/farm/" in (ROOT / "README.md").read_text(encoding="utf-8")

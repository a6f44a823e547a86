"""What the README shows is what works."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from inspect import signature
from pathlib import Path

import pytest
import vapoursynth as vs

import vsadcvsr

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_it_opens_with_demo_and_test() -> None:
    first = blocks("sh")[0]
    assert "make demo" in first
    assert "make test" in first
    targets = (ROOT / "Makefile").read_text()
    assert re.search(r"^demo:", targets, re.MULTILINE)
    assert re.search(r"^test:", targets, re.MULTILINE)


@pytest.mark.parametrize("code", blocks("python"))
def test_python_blocks_run(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    exec(compile(code, "README.md", "exec"), {})
    node = vs.get_output(0)
    assert isinstance(node, vs.VideoOutputTuple)
    assert (node.clip.width, node.clip.height) == (1280, 720)
    vs.clear_outputs()


def test_the_pipe_runs(tmp_path: Path) -> None:
    line = next(line for line in "\n".join(blocks("sh")).splitlines() if line.startswith("vspipe"))
    imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg")
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    (bin_folder / "ffmpeg").symlink_to(imageio_ffmpeg.get_ffmpeg_exe())
    path = os.pathsep.join([str(Path(sys.executable).parent), str(bin_folder), os.environ["PATH"]])
    line = line.replace("vspipe ", "vspipe --end 1 ").replace("out.mkv", str(tmp_path / "out.mkv"))
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line], cwd=ROOT, env={**os.environ, "PATH": path}, capture_output=True,
        timeout=110, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    assert (tmp_path / "out.mkv").stat().st_size > 1000


def test_the_table_names_every_argument() -> None:
    named = set(
        re.findall(r"`(\w+)`", "\n".join(row.split("|")[1] for row in README.splitlines() if row.startswith("| `")))
    )
    asked = set(signature(vsadcvsr.upscale).parameters) - {"clip"}
    assert named == asked

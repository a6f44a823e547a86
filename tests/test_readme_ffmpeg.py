"""The README's FFmpeg command lines run as they stand, in a folder that has the files they name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import av
import imageio_ffmpeg
import pytest

from tests.requirements import requires
from tests.test_readme import ROOT, blocks

LINES = [line for line in "\n".join(blocks("sh")).splitlines() if "ffadcvsr" in line]
SOURCE = "-f lavfi -i testsrc2=s=48x32:r=10:d=0.4 -f lavfi -i sine=330:d=0.4 -c:v libx264 -preset ultrafast -c:a aac"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the README speaks of, and the programs on a path of their own."""
    made = tmp_path_factory.mktemp("readme")
    ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    for name, more in (("in.mp4", ""), ("dvd.mkv", "-flags +ilme+ildct"), ("hdr.mkv", "-pix_fmt yuv420p10le")):
        subprocess.run([ffmpeg, "-v", "error", *SOURCE.split(), *more.split(), str(made / name)], check=True)
    logo = ["-f", "lavfi", "-i", "color=red:s=8x8", "-frames:v", "1", str(made / "logo.png")]
    subprocess.run([ffmpeg, "-v", "error", *logo], check=True)
    programs = made / "bin"
    programs.mkdir()
    (programs / "ffmpeg").symlink_to(ffmpeg)
    stand_ins = {
        "ffadcvsr": f'exec {sys.executable} -c "from ffmpeg_filter.cli import run; run()" "$@"',
        "ffplay": "cat > played",
    }
    for name, line in stand_ins.items():
        (programs / name).write_text(f"#!/bin/sh\n{line}\n")
        (programs / name).chmod(0o755)
    return made


@pytest.mark.parametrize("line", LINES)
def test_a_command_of_the_readme_runs(line: str, folder: Path) -> None:
    if "-farm " in line:
        requires("ray")
    for name in ("out.mkv", "out.mp4", "played"):
        (folder / name).unlink(missing_ok=True)
    path = os.pathsep.join([str(folder / "bin"), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line], cwd=folder, capture_output=True, timeout=110, check=False,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    left = [folder / name for name in ("out.mkv", "out.mp4", "played") if (folder / name).exists()]
    if "-h filter" in line:
        assert b"AVOptions" in done.stdout
        return
    with av.open(str(left[0]), format="nut" if left[0].name == "played" else None) as file:
        frames = list(file.decode(video=0))
    assert len(frames) == (8 if "bwdif" in line else 4)  # a frame for each field
    assert frames[0].width in {96, 192}


def test_the_readme_shows_such_commands() -> None:
    assert len(LINES) > 5

"""FFmpeg command lines and Python blocks of all pages: each runs as it stands, beside the files that it names."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import av
import imageio_ffmpeg
import pytest

from tests.backends.image_networks import write_image_network
from tests.pages import ALL, ROOT, blocks, shell_lines
from tests.requirements import requires

LINES = [line for line in shell_lines() if "ffadcvsr" in line]
(PLAN,) = (line for line in LINES if "farm plan" in line)
PROGRAMS = [code for code in blocks("python", ALL) if "set_output" not in code]
SOURCE = "-f lavfi -i testsrc2=s=48x32:r=10:d=0.4 -f lavfi -i sine=330:d=0.4 -c:v libx264 -preset ultrafast -c:a aac"
OUTPUTS = ("out.mkv", "out.mp4", "played", "job/report.html")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the pages speak of, and the programs on a path of their own."""
    place = tmp_path_factory.mktemp("pages")
    ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    for name, more in (("in.mp4", ""), ("dvd.mkv", "-flags +ilme+ildct"), ("hdr.mkv", "-pix_fmt yuv420p10le")):
        subprocess.run([ffmpeg, "-v", "error", *SOURCE.split(), *more.split(), str(place / name)], check=True)
    logo = ["-f", "lavfi", "-i", "color=red:s=8x8", "-frames:v", "1", str(place / "logo.png")]
    subprocess.run([ffmpeg, "-v", "error", *logo], check=True)
    write_image_network(place / "net.onnx", scale=2)
    (place / "bin").mkdir()
    (place / "bin" / "ffmpeg").symlink_to(ffmpeg)
    stand_ins = {
        "ffadcvsr": f'exec {sys.executable} -c "from ffmpeg_filter.program import run; run()" "$@"',
        "ffplay": "cat > played",
    }
    for name, line in stand_ins.items():
        (place / "bin" / name).write_text(f"#!/bin/sh\n{line}\n")
        (place / "bin" / name).chmod(0o755)
    return place


def start(arguments: list[str], folder: Path) -> bytes:
    """What a command writes."""
    path = os.pathsep.join([str(folder / "bin"), os.environ["PATH"]])
    done = subprocess.run(
        arguments, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=110, check=False,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout.decode()
    return done.stdout


@pytest.mark.parametrize("line", LINES)
def test_a_command_of_the_pages_runs(line: str, folder: Path) -> None:
    if "-farm " in line:
        requires("ray")
    if re.search("farm (status|report)", line) and not (folder / "job").exists():
        start(["bash", "-c", PLAN], folder)
    for name in OUTPUTS:
        (folder / name).unlink(missing_ok=True)
    process = start(["bash", "-o", "pipefail", "-c", line], folder)
    left = [folder / name for name in OUTPUTS if (folder / name).exists()]
    if "-h filter" in line:
        assert b"AVOptions" in process
    elif "farm status" in line:
        assert b"1/1 chunks" in process
    elif "farm report" in line:
        assert left == [folder / "job" / "report.html"]
    else:
        with av.open(str(left[0]), format="nut" if left[0].name == "played" else None) as file:
            frames = list(file.decode(video=0))
        assert len(frames) == (8 if "bwdif" in line else 4)  # a frame for each field
        assert frames[0].width in {96, 192}


@pytest.mark.parametrize("code", PROGRAMS)
def test_a_program_of_the_pages_runs(code: str, folder: Path) -> None:
    (folder / "out.mkv").unlink(missing_ok=True)
    start([sys.executable, "-c", code], folder)
    assert (folder / "out.mkv").exists() == ("out.mkv" in code)


def test_the_pages_show_such_commands() -> None:
    assert len(LINES) > 10
    assert len(PROGRAMS) > 3

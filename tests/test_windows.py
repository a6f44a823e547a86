"""Both packages in a process that lacks what Windows lacks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CLIP = ROOT / "examples" / "media" / "clip.mp4"
FILM = b"YUV4MPEG2 W32 H24 F25:1 C420mpeg2\n" + 2 * (b"FRAME\n" + bytes(32 * 24 * 3 // 2))

pytestmark = pytest.mark.requires("posix")  # another system than the one that is played


def run(target: str, *arguments: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "tests.windows", target, *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, cwd=cwd, input=FILM, capture_output=True, timeout=110, check=False, env=environment
    )  # fmt: skip


def ffadcvsr(*arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    return run("ffmpeg_filter.program:run", *arguments)


def test_every_module_imports() -> None:
    done = run("tests.windows:import_all")
    assert done.returncode == 0, done.stderr.decode()
    count, *failed = done.stdout.decode().splitlines()
    assert failed == []
    assert int(count) > 150


def test_a_command_without_adcvsr_ends_as_ffmpeg_does(tmp_path: Path) -> None:
    done = ffadcvsr("-version")
    assert done.returncode == 0
    assert done.stdout.startswith(b"ffmpeg version")
    gone = ffadcvsr("-v", "error", "-i", tmp_path / "gone.mkv", "-f", "null", "-")
    assert gone.returncode
    assert b"No such file" in gone.stderr
    assert b"Traceback" not in gone.stderr


def test_ctrl_c_is_left_to_ffmpeg(tmp_path: Path) -> None:
    out = tmp_path / "out.mkv"
    arguments = [
        "-v",
        "error",
        "-re",
        "-f",
        "lavfi",
        "-i",
        "testsrc=s=64x48",
        "-c:v",
        "ffv1",
        "-flush_packets",
        "1",
        str(out),
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.windows", "ffmpeg_filter.program:run", *arguments], cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE, process_group=0,
    )  # fmt: skip
    while not (out.exists() and out.stat().st_size > 2000):
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)  # a console sends it to all
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 255  # FFmpeg's own
    assert b"Traceback" not in stderr


def test_frames_go_through_both_programs(tmp_path: Path) -> None:
    out = tmp_path / "out.mkv"
    done = ffadcvsr("-i", CLIP, "-vf", "adcvsr=model=nearest:scale=2", "-frames:v", "3", "-c:v", "ffv1", out)
    assert done.returncode == 0, done.stderr.decode()
    assert out.stat().st_size > 1000


def test_y4m_is_upscaled_from_pipe_to_pipe() -> None:
    done = ffadcvsr("y4m", "model=nearest:scale=2")
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.startswith(b"YUV4MPEG2 W64 H48")


def test_a_job_is_planned_rendered_and_merged(tmp_path: Path) -> None:
    job, out = tmp_path / "job", tmp_path / "out.mkv"
    command: list[str | Path] = [
        "-i",
        CLIP,
        "-vf",
        "scale=64:48,adcvsr=model=nearest:scale=2",
        "-an",
        "-c:v",
        "ffv1",
        out,
    ]
    for words in (["plan", job, "--", *command], ["work", job], ["merge", job]):
        done = ffadcvsr("farm", *words)
        assert done.returncode == 0, done.stderr.decode()
    assert out.stat().st_size > 1000


def test_adcvsr_lists_its_models() -> None:
    done = run("vsadcvsr.cli:main", "models")
    assert done.returncode == 0, done.stderr.decode()
    assert b"fast" in done.stdout

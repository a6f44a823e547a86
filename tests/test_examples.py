"""Each example runs, and gives what its first line says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.vpy"))
VSPIPE = Path(sys.executable).parent / "vspipe"

MADE = {  # frames, width, height, bytes of a frame
    "minimal": (40, 1280, 720, 1280 * 720 * 3 // 2),
    "restore": (40, 1248, 704, 1248 * 704 * 3),
    "interlaced": (80, 640, 360, 640 * 360 * 3 // 2),
    "compare": (40, 1280, 720, 1280 * 720 * 3 // 2),
}
SHOWN = "before_after.jpg"  # what README shows of it
NEAR = 2.0  # in 8-bit steps: processors and JPEG coders differ by less, networks by more
LAST = 2  # frames that are really made: the rest are more of the same


def run(command: list[str]) -> subprocess.CompletedProcess[bytes]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PATH": path}, capture_output=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return done


def test_every_script_is_expected() -> None:
    assert {path.stem for path in EXAMPLES} == set(MADE)


@pytest.mark.parametrize("script", EXAMPLES, ids=lambda path: path.stem)
def test_examples_are_short(script: Path) -> None:
    assert len(script.read_text().splitlines()) < 45


@pytest.mark.parametrize("script", EXAMPLES, ids=lambda path: path.stem)
def test_vspipe_gives_the_pictures_and_nothing_else(script: Path) -> None:
    frames, width, height, size = MADE[script.stem]
    text = run([str(VSPIPE), "--info", str(script), "-"]).stdout.decode()
    assert f"Width: {width}" in text
    assert f"Height: {height}" in text
    assert f"Frames: {frames}" in text
    pictures = run([str(VSPIPE), "--start", "19", "--end", str(18 + LAST), str(script), "-"]).stdout
    assert len(pictures) == LAST * size


def test_the_python_api_saves_a_frame(tmp_path: Path) -> None:
    out = tmp_path / "frame.png"
    run([sys.executable, "examples/python_api.py", "examples/media/clip.mp4", "3", str(out)])
    with av.open(str(out)) as file:
        frame = next(file.decode(video=0))
    assert isinstance(frame, av.VideoFrame)
    assert (frame.width, frame.height) == (960, 540)


def picture(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.int16]]:
    with av.open(str(path)) as file:
        return next(file.decode(video=0)).to_ndarray(format="rgb24").astype(np.int16)


@pytest.mark.timeout(300)
def test_the_demo_leaves_a_video_and_a_picture(tmp_path: Path) -> None:
    text = run([sys.executable, "examples/demo.py", str(tmp_path)]).stdout.decode()
    with av.open(str(tmp_path / "upscaled.mp4")) as file:
        assert sum(1 for _ in file.decode(video=0)) == 40
        assert (file.streams.video[0].width, file.streams.video[0].height) == (1280, 720)
    with av.open(str(tmp_path / "side_by_side.png")) as file:
        assert file.streams.video[0].width == 2560
    assert "bicubic left, AdcVSR right" in text
    shown, drawn = (picture(path) for path in (ROOT / "docs" / "images" / SHOWN, tmp_path / SHOWN))
    assert shown.shape == drawn.shape
    assert np.abs(shown - drawn).mean() < NEAR, "copy the demo's picture to docs/images: the network has changed"

"""Files beside the output: no telemetry, no caches of libraries, no temporary files that stay."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from vsadcvsr.environment import variables

ROOT = Path(__file__).parents[1]
CLIP = ROOT / "examples" / "media" / "clip.mp4"
PROGRAMS = {"adcvsr": "vsadcvsr.cli:main", "ffadcvsr": "ffmpeg_filter.program:run"}
SCRIPT = """
import vapoursynth as vs
clip = vs.core.std.BlankClip(width=64, height=48, format=vs.YUV420P8, length=2)
vs.core.adcvsr.Upscale(clip{}).get_frame(1)
"""
FRAMES = """
import av
from ffmpeg_filter.frames import upscale_frames
with av.open({!r}) as container:
    print(sum(1 for _ in upscale_frames(container.decode(video=0), backend="ort", active=lambda frame: False)))
"""
LINES = {
    "a script": ["python", "-c", SCRIPT.format("")],
    "a script on ONNX Runtime": ["python", "-c", SCRIPT.format(', backend="ort"')],
    "a script on torch": ["python", "-c", SCRIPT.format(', backend="torch"')],
    "PyAV": ["python", "-c", FRAMES.format(str(CLIP))],
    "ffadcvsr": shlex.split("ffadcvsr -y -i clip.mp4 -vf scale=64:-2,adcvsr=backend=ort -frames:v 2 out.mkv"),
    "a plain command": shlex.split("ffadcvsr -y -i clip.mp4 -frames:v 2 -an plain.mkv"),
    "a job": shlex.split("ffadcvsr farm plan job -- -y -i clip.mp4 -vf adcvsr=model=nearest -an farm.mkv"),
    "y4m": shlex.split("ffadcvsr y4m backend=ort:scale=2"),
    "bench": shlex.split("adcvsr bench --size 16x16 --count 1 --rounds 1"),
    "doctor": ["adcvsr", "doctor"],
    "models": ["adcvsr", "models"],
    "export": ["adcvsr", "export", str(ROOT / "vsadcvsr" / "weights" / "fast.safetensors"), "made.onnx"],
    "compare": shlex.split("adcvsr compare clip.mp4 clip.mp4 --names a,b --frames 1 --crop 16"),
}
FILM = b"YUV4MPEG2 W32 H24 F25:1 C420mpeg2\n" + 2 * (b"FRAME\n" + bytes(32 * 24 * 3 // 2))


def run(arguments: list[str], folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[bytes]:
    program, *rest = arguments
    if program in PROGRAMS:
        module, _, name = PROGRAMS[program].partition(":")
        rest = ["-c", f"import sys; sys.argv[0] = {program!r}; from {module} import {name}; {name}()", *rest]
    inherited = {name: value for name, value in os.environ.items() if name not in {"HOME", "ADCVSR_CACHE"}}
    inherited = {name: value for name, value in inherited.items() if not name.startswith(("XDG_", "ORT_", "PYTEST_"))}
    inherited["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{inherited['PATH']}"
    shutil.copy(CLIP, folder / "clip.mp4")
    return subprocess.run(
        [sys.executable, *rest], cwd=folder, env={**inherited, "PYTHONPATH": str(ROOT), **environment}, input=FILM,
        capture_output=True, timeout=110, check=False,
    )  # fmt: skip


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


@pytest.mark.slow
@pytest.mark.parametrize("name", LINES)
def test_nothing_is_written_to_the_home_folder(name: str, tmp_path: Path) -> None:
    work, home, temporary = (tmp_path / name for name in ("work", "home", "temporary"))
    for folder in (work, home, temporary):
        folder.mkdir()
    done = run(LINES[name], work, {"HOME": str(home), "TMPDIR": str(temporary)})
    assert done.returncode == 0, done.stderr.decode()
    assert files_in(home) == []
    assert files_in(temporary) == []


@pytest.mark.slow
@pytest.mark.parametrize("home", ["/dev/null/home", None])
@pytest.mark.parametrize("name", ["ffadcvsr", "a script on ONNX Runtime"])
def test_no_home_is_needed(home: str | None, name: str, tmp_path: Path) -> None:
    done = run(LINES[name], tmp_path, {} if home is None else {"HOME": home})
    assert done.returncode == 0, done.stderr.decode()


def test_variables_are_set_for_an_import_and_never_in_place_of_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "0")
    monkeypatch.delenv("DO_NOT_TRACK", raising=False)
    with variables({"ORT_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"}):
        assert (os.environ["ORT_DISABLE_TELEMETRY"], os.environ["DO_NOT_TRACK"]) == ("0", "1")
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "0"
    assert "DO_NOT_TRACK" not in os.environ

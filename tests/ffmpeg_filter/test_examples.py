"""Each example in Python runs, and gives what its first line says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import av
import pytest

ROOT = Path(__file__).parents[2]
CLIP = ROOT / "examples" / "media" / "clip.mp4"
SCRIPTS = [ROOT / "examples" / name for name in ("ffmpeg_python.py", "pyav_loop.py", "batch.py")]
STAND_IN = f"#!{sys.executable}\nimport json, sys\njson.dump(sys.argv, open(sys.argv[-2], 'w'))\n"


def run(script: Path, *arguments: str, path: str = "", **more: str) -> str:
    """What the script says."""
    result = os.pathsep.join([path, str(Path(sys.executable).parent), os.environ["PATH"]])
    command = [sys.executable, str(script), *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PATH": result, "PYTHONPATH": str(ROOT), **more}, capture_output=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def short_clip(path: Path, length: int) -> list[tuple[int | None, int]]:
    """Writes the beginning of the example clip, small, and gives times and durations of its frames."""
    with av.open(str(CLIP)) as reader, av.open(str(path), "w") as writer:
        stream = writer.add_stream("libx264", rate=20)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = 64, 36
        for frame, _ in zip(reader.decode(video=0), range(length), strict=False):
            writer.mux(stream.encode(frame.reformat(64, 36)))
        writer.mux(stream.encode(None))
    return times(path)


def times(path: Path) -> list[tuple[int | None, int]]:
    with av.open(str(path)) as file:
        return [(frame.pts, frame.duration) for frame in file.decode(video=0)]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_examples_are_short(script: Path) -> None:
    assert len(script.read_text().splitlines()) < 45


def test_the_pyav_loop_keeps_every_time_and_doubles_the_size(tmp_path: Path) -> None:
    clip = short_clip(tmp_path / "small.mkv", 5)
    run(SCRIPTS[1], str(tmp_path / "small.mkv"), str(tmp_path / "large.mkv"))
    assert times(tmp_path / "large.mkv") == clip
    with av.open(str(tmp_path / "large.mkv")) as file:
        assert (file.streams.video[0].width, file.streams.video[0].height) == (128, 72)


def test_the_ffmpeg_python_chain_calls_ffadcvsr(tmp_path: Path) -> None:
    stand_in = tmp_path / "ffadcvsr"
    stand_in.write_text(STAND_IN)
    stand_in.chmod(0o755)
    out = tmp_path / "out.mkv"
    run(SCRIPTS[0], str(CLIP), str(out), path=str(tmp_path))
    called = json.loads(out.read_text())
    graph = called[called.index("-filter_complex") + 1]
    assert graph == "[0:v]hqdn3d=2[s0];[s0]adcvsr=model=fast:scale=2[s1];[s1]format=yuv420p10le[s2]"
    assert called[called.index("-map") + 1] == "[s2]"
    assert called[-1] == "-y"


def test_the_batch_does_every_episode_once(tmp_path: Path) -> None:
    episodes, larger, programs = tmp_path / "episodes", tmp_path / "larger", tmp_path / "bin"
    episodes.mkdir()
    programs.mkdir()
    clips = [short_clip(episodes / f"{n}.mkv", 2 + n) for n in (1, 2)]
    (episodes / "words.txt").write_text("no film")
    (programs / "ffadcvsr").write_text(
        f'#!/bin/sh\nexec {sys.executable} -c "from ffmpeg_filter.program import run; run()" "$@"\n'
    )
    (programs / "ffadcvsr").chmod(0o755)
    outputs = [
        run(SCRIPTS[2], str(episodes), str(larger), path=str(programs), ADCVSR_MODEL="nearest").splitlines()
        for _ in range(2)
    ]
    assert outputs == [["1.mkv: done", "2.mkv: done"], ["1.mkv: exists, skipped", "2.mkv: exists, skipped"]]
    assert [times(larger / f"{n}.mkv") for n in (1, 2)] == clips

"""README.md and the pages on training and evaluation: what they show is what works."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from inspect import signature
from pathlib import Path

import av
import cv2
import imageio_ffmpeg
import numpy as np
import pytest
import vapoursynth as vs

import vsadcvsr
from tests.pages import ALL, PAGES, README, ROOT, blocks, lines_with, run, with_numbers
from vsadcvsr.train.command import settings_of

LONGEST = 1500


def test_it_opens_with_demo_and_test() -> None:
    first = blocks("sh")[0]
    assert "make demo" in first
    assert "make test" in first
    targets = (ROOT / "Makefile").read_text()
    assert re.search(r"^demo:", targets, re.MULTILINE)
    assert re.search(r"^test:", targets, re.MULTILINE)


def test_it_can_be_read_in_one_sitting() -> None:
    assert len(README.split()) < LONGEST


def test_its_picture_is_small_and_at_the_top() -> None:
    (name,) = re.findall(r"!\[.*\]\((.*)\)", README)
    assert (ROOT / name).stat().st_size < 150_000
    assert README.index(name) < README.index("make demo")


@pytest.mark.parametrize("code", [code for code in blocks("python", ALL) if "set_output" in code])
def test_a_script_gives_an_upscaled_clip(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    exec(compile(code, "page", "exec"), {})
    node = vs.get_output(0)
    assert isinstance(node, vs.VideoOutputTuple)
    assert (node.clip.width, node.clip.height) == (1280, 720)
    vs.clear_outputs()


def test_the_pipe_from_vspipe_to_ffmpeg_runs_as_shown(tmp_path: Path) -> None:
    line = next(line for line in "\n".join(blocks("sh")).splitlines() if line.startswith("vspipe"))
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
    table = README.partition("| argument |")[2].partition("\n\n")[0]
    named = set(re.findall(r"`(\w+)`", "\n".join(row.split("|")[1] for row in table.splitlines()[2:])))
    arguments = set(signature(vsadcvsr.upscale).parameters) - {"clip"}
    assert named == arguments


def test_training_as_shown_ends_in_a_model_that_runs(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for folder in ("MY_PICTURES", "MY_VIDEOS"):
        (tmp_path / folder).mkdir()
    cv2.imwrite(str(tmp_path / "MY_PICTURES" / "one.png"), rng.integers(0, 255, (90, 90, 3)).astype(np.uint8))
    shutil.copy(ROOT / "examples" / "media" / "clip.mp4", tmp_path / "MY_VIDEOS")
    (fill,) = lines_with("python -m vsadcvsr.train.data.build")
    run(with_numbers(fill, count="1", size="64"), tmp_path)
    short = [f"{stage}.{text}" for stage in ("regression", "adversarial") for text in ("batch=1", "crop=8", "frames=2")]
    small = ["--set", *" --set ".join([*short[:3], "threads=1"]).split()]
    quick, longer = lines_with("adcvsr train --")
    run([*with_numbers(quick, steps="2"), *small], tmp_path)
    less = ["adversarial.steps=1", "adversarial.encoder_steps=1", *short[3:]]
    run([*with_numbers(longer, steps="1"), *small, *(word for text in less for word in ("--set", text))], tmp_path)
    model = re.search(r'model="(run/[^"]+)"', PAGES["docs/training.md"])
    assert model
    engine = vsadcvsr.Engine.open(tmp_path / model[1])
    pictures = list(engine.stream([np.zeros((3, 8, 8), np.float32)] * 3))
    assert [picture.shape for picture in pictures] == [(3, 32, 32)] * 3


def test_the_settings_file_that_is_shown_says_what_it_means(tmp_path: Path) -> None:
    (text,) = blocks("toml", ALL)
    (tmp_path / "run.toml").write_text(text, encoding="utf-8")
    settings, data = settings_of(tmp_path / "run.toml", [], {}, [])
    assert settings.adversarial
    assert (settings.regression.steps, settings.adversarial.steps) == (20000, 4000)
    assert data == [tmp_path / "MY_PICTURES", tmp_path / "MY_VIDEOS"]


@pytest.mark.parametrize("arguments", lines_with("adcvsr bench"), ids=" ".join)
def test_a_benchmark_runs_as_shown(arguments: list[str], tmp_path: Path) -> None:
    run(with_numbers(arguments, size="16x16", count="1", rounds="1"), tmp_path)


def test_an_evaluation_runs_as_shown(tmp_path: Path) -> None:
    (evaluation,) = lines_with("adcvsr evaluate")
    assert evaluation[2:4] == ["--data", "EVAL_DIR"]
    for folder, size in (("gt", "64:48"), ("lr", "16:12")):
        (tmp_path / "EVAL_DIR" / "clips" / folder).mkdir(parents=True)
        path = tmp_path / "EVAL_DIR" / "clips" / folder / "one.mkv"
        with av.open(str(path), "w") as file:
            stream = file.add_stream("ffv1", rate=25)
            assert isinstance(stream, av.VideoStream)
            stream.width, stream.height = map(int, size.split(":"))
            stream.pix_fmt = "yuv444p"
            for _ in range(3):
                black = np.zeros((stream.height, stream.width, 3), np.uint8)
                file.mux(stream.encode(av.VideoFrame.from_ndarray(black, format="rgb24")))
            file.mux(stream.encode(None))
    run(evaluation, tmp_path)
    (look,) = lines_with("adcvsr compare")
    for name in (word for word in look if word.endswith(".mkv")):
        shutil.copy(
            tmp_path / "EVAL_DIR" / "clips" / ("lr" if name == "source.mkv" else "gt") / "one.mkv", tmp_path / name
        )
    run(look, tmp_path)
    assert (tmp_path / "compare.html").stat().st_size > 10_000

"""An environment after `pip install .`: the first page works, and a missing extra is named in one line."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from tests.packaging.environments import QUIET, ROOT, Environment, metadata_of, pip, requirements

pytestmark = pytest.mark.slow
README = (ROOT / "README.md").read_text(encoding="utf-8")

EXTRAS = {
    "adcvsr evaluate --data gone": "evaluate",
    "adcvsr compare a.mkv b.mkv": "evaluate",
    "adcvsr train --data gone --out run": "train",
    "adcvsr export a.safetensors b.onnx": "train",
    "adcvsr convert a.ckpt -o b.safetensors": "torch",
    "python -m vsadcvsr.evaluate --data gone": "evaluate",
    "python -m vsadcvsr.evaluate.cuts --clips gone --images gone": "evaluate",
    "python -m vsadcvsr.evaluate.validation scenes.txt --root . --out set": "evaluate",
    "python -m vsadcvsr.train.data.build gone --out pool": "train",
    "python -m vsadcvsr.train.teachers.label pool": "train",
    "python -m vsadcvsr.train.teachers.pairs low high --teacher t --out pool": "train",
    "python -m vsadcvsr.train.average a.safetensors --out b.safetensors": "train",
    "python -m vsadcvsr.train.grow a.safetensors --model base --out b.safetensors": "train",
    "python -m vsadcvsr.train.prune a.safetensors --model base --pool p --out b": "train",
    "python -m vsadcvsr.train.calibrate fast --data gone": "train",
    "python -m vsadcvsr.bench.paper --dry-run": "torch",
    "python -m vsadcvsr.bench.farm": "farm",
    "python -m vsadcvsr.bench.farm.on_ray . 1 1": "farm",
    "python -m ffmpeg_filter.fluent": "ffmpeg",
    "adcvsr bench --backend torch": "torch",
}
"""Commands that need what is not there, and the extra that brings it."""

MISTAKES = ["python -m vsadcvsr.bench.farm.workers", "python -m ffmpeg_filter.farm.overhead"]
"""Modules that other commands run, by hand."""

WORKING = [
    "adcvsr --help",
    "adcvsr models",
    "adcvsr evaluate --help",
    "adcvsr compare --help",
    "adcvsr train --help",
    "adcvsr export --help",
    "adcvsr convert --help",
    "adcvsr bench --help",
    "python -m vsadcvsr --help",
    "python -m vsadcvsr.cli --help",
    "python -m vsadcvsr.bench --help",
    "python -m vsadcvsr.bench.farm --help",
    "python -m vsadcvsr.bench.paper --help",
    "python -m vsadcvsr.evaluate --help",
    "python -m vsadcvsr.evaluate.cuts --help",
    "python -m vsadcvsr.evaluate.validation --help",
    "python -m vsadcvsr.train.teachers.pairs --help",
    "python -m vsadcvsr.train.data.build --help",
    "python -m vsadcvsr.train.average --help",
    "python -m vsadcvsr.train.grow --help",
    "python -m vsadcvsr.train.prune --help",
    "python -m vsadcvsr.train.teachers.label --help",
    "python -m ffmpeg_filter -version",
    "python -m ffmpeg_filter.frames",
    "ffadcvsr -h",
    "ffadcvsr -h filter=adcvsr",
    "ffadcvsr -version",
    "ffadcvsr farm -h",
]


IMPORTED = {"ffmpeg_filter.fluent", "ffmpeg_filter.frames"}
"""Modules that are there to be imported."""


@pytest.fixture(scope="module")
def bare(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with the wheel and what it always needs."""
    needed = requirements(metadata_of(wheel).get_all("Requires-Dist", []))
    result = Environment(tmp_path_factory.mktemp("bare") / "venv", only=needed)
    pip("--python", result.python, "install", *QUIET, wheel)
    shutil.copytree(ROOT / "examples" / "media", result.place / "examples" / "media")
    shutil.copy(ROOT / "examples" / "media" / "clip.mp4", result.place / "in.mp4")
    return result


def start(bare: Environment, line: str) -> tuple[int, str, str]:
    words = shlex.split(line)
    done = bare.start(bare.bin / words[0], *words[1:], PATH=str(bare.bin))
    return done.returncode, done.stdout, done.stderr


def test_the_environment_has_no_extra(bare: Environment) -> None:
    absent = ["cv2", "torch", "ray", "onnx", "ncnn", "ffmpeg", "diffusers", "safetensors"]
    ask = f"from importlib.util import find_spec; print([name for name in {absent} if find_spec(name)])"
    assert start(bare, f'python -c "{ask}"')[1].strip() == "[]"


@pytest.mark.parametrize(("line", "extra"), EXTRAS.items())
def test_a_missing_extra_is_named_in_one_line(bare: Environment, line: str, extra: str) -> None:
    status, out, err = start(bare, line)
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert f"pip install 'vsadcvsr[{extra}]'" in err


def test_every_module_that_can_be_run_is_tried() -> None:
    files = [path for package in ("vsadcvsr", "ffmpeg_filter") for path in (ROOT / package).rglob("*.py")]
    runnable = [path for path in files if 'if __name__ == "__main__":' in path.read_text(encoding="utf-8")]
    names = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__main__") for path in runnable}
    assert names == {line.split()[2] for line in [*EXTRAS, *WORKING, *MISTAKES] if " -m " in line} - IMPORTED


@pytest.mark.parametrize("line", MISTAKES)
def test_a_part_of_another_command_says_so(bare: Environment, line: str) -> None:
    status, out, err = start(bare, line)
    assert (status, out, err.count("\n")) == (2, "", 1)


@pytest.mark.parametrize("line", WORKING)
def test_what_needs_no_extra_works(bare: Environment, line: str) -> None:
    status, _, err = start(bare, line)
    assert (status, err) == (0, "")


def test_a_farm_says_that_it_needs_ray(bare: Environment) -> None:
    status, out, err = start(bare, "ffadcvsr -farm local -y -i in.mp4 -vf adcvsr=model=nearest -frames:v 2 farm.mkv")
    assert (status, out) == (65, "")
    assert "Traceback" not in err
    assert "pip install 'vsadcvsr[farm]'" in err.splitlines()[-1]


def test_a_benchmark_leaves_out_what_it_has_not(bare: Environment) -> None:
    status, out, err = start(bare, "adcvsr bench --size 16x16 --count 1 --rounds 1 --rival")
    assert status == 0, err
    left_out = [line for line in out.splitlines() if line.startswith("left out")]
    assert len(left_out) >= 2
    assert all("pip install 'vsadcvsr[bench]'" in line for line in left_out)


def test_the_first_page_runs(bare: Environment) -> None:
    """README's first script, its first ffadcvsr line without an FFmpeg on PATH, and the doctor."""
    (script,) = re.findall(r"```python\n(.*?)```", README.partition("## Install")[0], re.DOTALL)
    (bare.place / "first.py").write_text(f"{script}\nprint(len(vs.get_output(0).clip.get_frame(0)))\n")
    assert start(bare, "python first.py") == (0, "3\n", "")
    (line,) = [line for line in README.splitlines() if line.startswith("ffadcvsr")][:1]
    line = line.replace("libx265", "ffv1").replace("-crf 18 ", "").replace("in.mp4", "in.mp4 -frames:v 2")
    status, _, err = start(bare, line)
    assert status == 0, err
    assert (bare.place / "out.mkv").stat().st_size > 1000
    status, out, err = start(bare, "adcvsr doctor")
    assert (status, err) == (0, ""), out
    assert "failed" not in out
    assert "video source: core.bs" in out
    assert "ffadcvsr: FFmpeg " in out

"""The script for a rented GPU: every part is tried, and what came of each is in one folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.farm.programs import BIN, ROOT
from tests.train.tiny import fill_pool
from vsadcvsr.train.command import settings_of
from vsadcvsr.train.data.dataset import Dataset

FOLDER = ROOT / "examples" / "gpu"
SCRIPT = FOLDER / "train_and_measure.sh"
STAND_IN = """#!/bin/bash
echo "${*//"$PWD"/.}" >> "$CALLS"
[[ $* != *"${FAILING:-nothing}"* ]] || exit 3
while [[ $# -gt 0 && $1 != --out ]]; do shift; done
name=${2:-}; name=${name##*/}
case $name in base | sharp | fast) mkdir -p "$2"; touch "$2/network.safetensors" "$2/network.md" "$2/base.onnx" ;; esac
"""


REAL = f"""#!/bin/bash
case "$*" in *doctor* | *bench.paper*) ;; *) exec "{sys.executable}" "$@" ;; esac
"""
"""The real parts, but for two that tests of their own run."""


def run(
    tmp_path: Path, body: str = STAND_IN, **environment: str
) -> tuple[subprocess.CompletedProcess[str], list[str], Path]:
    """The script with a stand-in for Python: the process, the calls, and the folder of results."""
    calls, python = tmp_path / "calls.txt", tmp_path / "python"
    python.write_text(body)
    python.chmod(0o755)
    places = {"POOL": "pool", "OUT": str(tmp_path / "out"), "RUNS": str(tmp_path / "runs"), "CALLS": str(calls)}
    done = subprocess.run(
        ["bash", SCRIPT], cwd=ROOT, check=False, capture_output=True, text=True, timeout=500,
        env={"PATH": "/usr/bin:/bin", "PYTHON": str(python)} | places | environment,
    )  # fmt: skip
    return done, calls.read_text().splitlines() if calls.exists() else [], tmp_path / "out"


def table(done: subprocess.CompletedProcess[str]) -> dict[str, int]:
    """Exit statuses by part."""
    lines = [line.split() for line in done.stdout.splitlines() if " exit status " in line]
    return {words[0]: int(words[3]) for words in lines}


PARTS = ["doctor", "base", "sharp", "fast", "paper", "bench"]


def test_the_script_has_no_faults_that_shellcheck_knows() -> None:
    subprocess.run([BIN / "shellcheck", SCRIPT], check=True)


def test_weights_cards_and_a_log_come_back(tmp_path: Path) -> None:
    done, calls, out = run(tmp_path)
    assert done.returncode == 0, done.stderr
    assert table(done) == dict.fromkeys(PARTS, 0)
    names = {f"{network}.{kind}" for network in ("base", "sharp", "fast") for kind in ("safetensors", "md")}
    assert {path.name for path in out.iterdir()} == names | {"log.txt"}
    assert (out / "log.txt").read_text().strip().endswith(done.stdout.strip().splitlines()[-1].strip())
    assert calls[0].startswith("-c import torch")
    assert not any("pip install" in call for call in calls)
    base, sharp = (next(call for call in calls if f"{name}.toml" in call) for name in ("base", "sharp"))
    assert base.endswith("--set minutes=5 --set device=cuda --begin base")
    assert sharp.endswith(f"--set minutes=3 --set device=cuda --begin {tmp_path}/runs/base/base.safetensors")
    assert calls[-1].endswith(f"--model {tmp_path}/runs/base/base.onnx --backend ort --device tensorrt")


@pytest.mark.parametrize("failing", ["doctor", "base.toml", "bench.paper"])
def test_a_part_that_fails_leaves_the_others(tmp_path: Path, failing: str) -> None:
    done, calls, out = run(tmp_path, FAILING=failing, BEGIN="begin.safetensors", BASE_MINUTES="0.5")
    assert done.returncode == 1
    part = failing.split(".", maxsplit=1)[0].replace("bench", "paper")
    assert table(done) == {name: 3 * (name == part) for name in PARTS}
    assert (out / "base.safetensors").exists() is (part != "base")
    assert (out / "fast.safetensors").exists()
    assert ("--model fast " in calls[-1]) is (part == "base")


def test_parts_can_be_chosen(tmp_path: Path) -> None:
    done, calls, out = run(tmp_path, PARTS="fast paper", INSTALL="0")
    assert table(done) == {"fast": 0, "paper": 0}
    assert len(calls) == 2
    assert {path.name for path in out.iterdir()} == {"fast.safetensors", "fast.md", "log.txt"}


def test_what_is_missing_is_installed(tmp_path: Path) -> None:
    done, calls, _ = run(tmp_path, FAILING="import torch")
    assert calls[1] == "-m pip install .[train,peers]"
    assert done.returncode == 0
    assert not any("import torch" in call for call in run(tmp_path, INSTALL="0")[1][len(calls) :])


def test_a_pool_and_a_folder_have_to_be_named(tmp_path: Path) -> None:
    done, calls, _ = run(tmp_path, POOL="")
    assert (done.returncode, calls) == (1, [])
    assert "POOL: name a pool" in done.stderr


@pytest.mark.parametrize("name", ["base", "sharp", "fast"])
def test_its_settings_are_those_of_a_run_with_a_time_limit(tmp_path: Path, name: str) -> None:
    settings, _ = settings_of(FOLDER / f"{name}.toml", [], {"pool": tmp_path, "out": tmp_path / "run"}, [])
    assert settings.minutes > 0
    assert settings.half_weights
    assert max(stage.steps for stage in settings.stages) > 1000
    assert all(stage.crop <= 64 and stage.frames <= 7 for stage in settings.stages)  # a pool's samples by default


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_dry_run_trains_and_measures(tmp_path: Path) -> None:
    pool = fill_pool(tmp_path / "pool", frames=5)
    done, _, out = run(tmp_path, REAL, POOL=str(pool), DRY_RUN="1", INSTALL="0")
    assert table(done) == dict.fromkeys(PARTS, 0), done.stdout
    assert len(list(out.iterdir())) == 7
    assert max(path.stat().st_size for path in out.iterdir()) < 16 << 20
    assert "adversarial: step 2 of 2" in (out / "log.txt").read_text()


_NO_DECODERS = """
import runpy, sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"av", "cv2", "vapoursynth", "imageio_ffmpeg"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
sys.argv = sys.argv[1:]
runpy.run_module("vsadcvsr.cli", run_name="__main__", alter_sys=True)
"""


def test_training_from_a_pool_needs_no_decoders(tmp_path: Path) -> None:
    assert len(Dataset(fill_pool(tmp_path / "pool"))) == 1
    small = ["regression.batch=1", "regression.crop=8", "regression.frames=2", "device=cpu"]
    done = subprocess.run(
        [sys.executable, "-c", _NO_DECODERS, "cli", "train", "--pool", tmp_path / "pool", "--out", tmp_path / "run",
         "--steps", "2", *(word for text in small for word in ("--set", text))],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "fast.safetensors").exists()

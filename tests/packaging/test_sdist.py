"""The source distribution is as good as a checkout."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.packaging.environments import QUIET, ROOT, metadata_of, pip

NEEDED = [
    "Makefile", "pyproject.toml", ".python-version", ".ci/find-python", ".ci/run", "README.md", "LICENSE",
    "examples/demo.py", "examples/media/clip.mp4", "tests/conftest.py", "vsadcvsr/native/adcvsr.c",
    "vsadcvsr/weights/fast.onnx", "ffmpeg_filter/py.typed", "CONTRIBUTING.md", "docs/design.md", "docs/site/mkdocs.yml",
    "docs/images/before_after.jpg",
]  # fmt: skip


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sdist")
    command: list[str | Path] = [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", folder]
    subprocess.run(command, cwd=ROOT, check=True)
    with tarfile.open(next(folder.glob("*.tar.gz"))) as archive:
        archive.extractall(folder, filter="data")
    return next(path for path in folder.iterdir() if path.is_dir())


def planned(target: str, folder: Path) -> str:
    """What make would run."""
    done = subprocess.run(["make", "-n", target], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_has_what_demo_and_tests_need(unpacked: Path) -> None:
    assert [name for name in NEEDED if not (unpacked / name).is_file()] == []
    assert "examples/demo.py" in planned("demo", unpacked)
    assert "pytest" in planned("test", unpacked)


def test_it_has_no_build_of_this_machine(unpacked: Path) -> None:
    assert [path for path in unpacked.rglob("*") if path.suffix in {".so", ".dll", ".dylib", ".pyc"}] == []


def test_a_build_from_it_still_chooses_the_runtime(unpacked: Path, tmp_path: Path) -> None:
    pip("wheel", *QUIET, "-w", tmp_path, unpacked, ADCVSR_RUNTIME="gpu")
    needed = metadata_of(next(tmp_path.glob("*.whl"))).get_all("Requires-Dist", [])
    assert [line.partition("[")[0] for line in needed if line.startswith("onnxruntime")] == ["onnxruntime-gpu"]


def test_wheels_need_no_torch(unpacked: Path) -> None:
    plan = planned("wheels", unpacked)
    assert "ziglang" in plan
    assert "[dev" not in plan
    assert "install -e" not in plan


def test_make_names_the_python_that_it_needs(unpacked: Path, tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")  # whatever is asked, as if it were too old
    old.chmod(0o755)
    (tmp_path / "bash").symlink_to("/bin/bash")
    done = subprocess.run(
        [unpacked / ".ci" / "find-python"], env={"PATH": str(tmp_path), "PYENV_ROOT": str(tmp_path)}, check=False,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("no Python 3.12 or later found")


def test_make_prefers_the_python_that_is_pinned(unpacked: Path, tmp_path: Path) -> None:
    pinned = f"python{(unpacked / '.python-version').read_text().strip()}"
    for name in ("python3.13", "python3", pinned):
        (tmp_path / name).write_text("#!/bin/sh\nexit 0\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "bash").symlink_to("/bin/bash")
    found = subprocess.run(
        [unpacked / ".ci" / "find-python"], env={"PATH": str(tmp_path), "PYENV_ROOT": str(tmp_path)}, check=True,
        capture_output=True, text=True,
    )
    assert found.stdout.strip() == str(tmp_path / pinned)

"""The wheel, and installs of it into environments of their own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
import vapoursynth as vs

from vsadcvsr.native.build import TARGETS, compile_command, run, target_of

ROOT = Path(__file__).parents[2]
OUTER = Path(sysconfig.get_paths()["purelib"])
QUIET = ("--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check", "-q")
SHOW = "import vapoursynth as vs; found = vs.core.adcvsr.Version(); print(found['vsadcvsr'], found['plugin'])"
SCRIPT = """
import vapoursynth as vs
vs.core.std.BlankClip(width=8, height=6, format=vs.YUV420P8, length=5).adcvsr.Upscale(model="nearest").set_output()
"""

pytestmark = pytest.mark.slow


def pip(*arguments: str | Path, **environment: str) -> None:
    command = [sys.executable, "-m", "pip", *arguments]
    subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, check=True)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("dist")
    pip("wheel", *QUIET, "-w", place, ".")
    return next(place.glob("*.whl"))


class Home:
    """A fresh environment with a VapourSynth of its own; everything else is read from the environment of the tests."""

    def __init__(self, place: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", place], check=True)
        self.place = place
        self.bin = place / Path(sys.executable).parent.name
        self.python = self.bin / Path(sys.executable).name
        self.site = next(place.glob("lib/python3*/site-packages"))
        shutil.copytree(Path(vs.__file__).parent, self.site / "vapoursynth", ignore=shutil.ignore_patterns("plugins"))
        (self.site / "zz_outer.pth").write_text(f"{OUTER}\n")
        for name in ("vapoursynth", "vspipe"):
            _, words = (Path(sys.executable).parent / name).read_text().split("\n", 1)
            (self.bin / name).write_text(f"#!{self.python}\n{words}")
            (self.bin / name).chmod(0o755)

    def run(self, *command: str | Path) -> bytes:
        hidden = {"PYTHONPATH", "ADCVSR_PLUGIN"}
        environment = {name: value for name, value in os.environ.items() if name not in hidden}
        environment["PATH"] = f"{self.bin}{os.pathsep}{environment['PATH']}"
        environment["XDG_CONFIG_HOME"] = str(self.place)
        return subprocess.run(command, cwd=self.place, env=environment, check=True, stdout=subprocess.PIPE).stdout


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def metadata_of(wheel: Path) -> str:
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return archive.read(name).decode()


def test_the_wheel_has_both_payloads_and_fits_every_python_of_its_platform(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        manifest = archive.read("vapoursynth/plugins/adcvsr/manifest.vs").decode()
    assert manifest.splitlines() == ["[VapourSynth Manifest V1]", "libadcvsr"]
    assert any(name.startswith("vapoursynth/plugins/adcvsr/libadcvsr.") for name in names)
    assert {"vsadcvsr/plugin.py", "vsadcvsr/py.typed"} <= names
    assert (
        not {name.split("/")[0] for name in names}
        - {"vsadcvsr", "ffmpeg_filter", "vapoursynth"}
        - {next(name for name in names if ".dist-info/" in name).split("/")[0]}
    )
    assert "-py3-none-" in wheel.name
    assert not wheel.name.endswith("-any.whl")


@pytest.mark.parametrize(
    ("chosen", "expected"), [("", ["onnxruntime"]), ("gpu", ["onnxruntime-gpu[cuda,cudnn]"]), ("none", [])]
)
def test_a_build_depends_on_one_runtime_at_most(tmp_path: Path, chosen: str, expected: list[str]) -> None:
    pip("wheel", *QUIET, "-w", tmp_path, ".", ADCVSR_RUNTIME=chosen)
    lines = re.findall(r"^Requires-Dist: (onnxruntime[^>;]*)[^;\n]*$", metadata_of(next(tmp_path.glob("*.whl"))), re.M)
    assert [line.replace("cudnn,cuda", "cuda,cudnn") for line in lines] == expected


def test_an_installed_wheel_is_found_by_vapoursynth_and_by_vspipe(wheel: Path, home: Home) -> None:
    pip("--python", home.python, "install", *QUIET, wheel)
    version, plugin = home.run(home.python, "-c", SHOW).decode().split(" ", 1)
    assert version in wheel.name
    assert Path(plugin.strip()).is_relative_to(home.site)
    assert home.run(home.python, "-c", "import vsadcvsr; print(vsadcvsr.__file__)").startswith(str(home.site).encode())
    (home.place / "script.vpy").write_text(SCRIPT)
    video = home.run(home.bin / "vspipe", "-c", "y4m", "script.vpy", "-")
    assert len(video) == video.index(b"\n") + 1 + 5 * (6 + 32 * 24 * 3 // 2)


def test_an_editable_install_is_found_as_well_and_runs_this_tree(home: Home) -> None:
    pip("--python", home.python, "install", *QUIET, "-e", ".")
    assert Path(home.run(home.python, "-c", SHOW).decode().split(" ", 1)[1].strip()).is_relative_to(home.site)
    found = home.run(home.python, "-c", "import vsadcvsr; print(vsadcvsr.__file__)").decode().strip()
    assert found == str(ROOT / "vsadcvsr" / "__init__.py")


@pytest.mark.parametrize("name", TARGETS)
def test_other_platforms_are_built_with_zig(name: str) -> None:
    target = target_of({"ADCVSR_TARGET": name})
    command = compile_command(target, "1.2.3", ROOT / "vsadcvsr" / "native", Path("out"))
    assert command[1:5] == ["-m", "ziglang", "cc", "-target"]
    assert {"-DADCVSR_MAJOR=1", "-DADCVSR_MINOR=2"} <= set(command)


def test_an_unknown_platform_is_refused_in_words() -> None:
    with pytest.raises(SystemExit, match="ADCVSR_TARGET is 'amiga', allowed: linux-x86_64"):
        target_of({"ADCVSR_TARGET": "amiga"})


def test_the_shim_compiles_without_a_warning(tmp_path: Path) -> None:
    run([*compile_command(target_of({}), "0.1.0", ROOT / "vsadcvsr" / "native", tmp_path / "out"), "-Werror"])

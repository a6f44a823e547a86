"""The wheel, and installs of it into environments of their own."""

from __future__ import annotations

import re
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.packaging.environments import QUIET, ROOT, Environment, metadata_of, pip
from vsadcvsr.native.build import TARGETS, compile_command, elf_needs, linux_tag, run, target_of
from vsadcvsr.native.dependencies import too_old

SHOW = "import vapoursynth as vs; found = vs.core.adcvsr.Version(); print(found['vsadcvsr'], found['plugin'])"
SCRIPT = """
import vapoursynth as vs
vs.core.std.BlankClip(width=8, height=6, format=vs.YUV420P8, length=5).adcvsr.Upscale(model="nearest").set_output()
"""

pytestmark = pytest.mark.slow


@pytest.fixture
def home(tmp_path: Path) -> Environment:
    return Environment(tmp_path / "home")


def test_the_wheel_has_both_payloads_and_fits_every_python_of_its_platform(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        manifest = archive.read("vapoursynth/plugins/adcvsr/manifest.vs").decode()
    assert manifest.splitlines() == ["[VapourSynth Manifest V1]", "libadcvsr"]
    assert any(name.startswith("vapoursynth/plugins/adcvsr/libadcvsr.") for name in names)
    assert {"vsadcvsr/plugin/__init__.py", "vsadcvsr/py.typed", "ffmpeg_filter/py.typed"} <= names
    assert (
        not {name.split("/")[0] for name in names}
        - {"vsadcvsr", "ffmpeg_filter", "vapoursynth"}
        - {next(name for name in names if ".dist-info/" in name).split("/")[0]}
    )
    assert not [name for name in names if name.endswith((".c", ".h", ".pyc"))]
    assert "-py3-none-" in wheel.name
    assert not wheel.name.endswith("-any.whl")


@pytest.mark.parametrize(
    ("runtime", "expected"), [("", ["onnxruntime"]), ("gpu", ["onnxruntime-gpu[cuda,cudnn]"]), ("none", [])]
)
def test_a_build_depends_on_one_runtime_at_most(tmp_path: Path, runtime: str, expected: list[str]) -> None:
    pip("wheel", *QUIET, "-w", tmp_path, ".", ADCVSR_RUNTIME=runtime)
    needed = metadata_of(next(tmp_path.glob("*.whl"))).get_all("Requires-Dist", [])
    lines = [re.split("[>;]", line)[0] for line in needed if line.startswith("onnxruntime")]
    assert [line.replace("cudnn,cuda", "cuda,cudnn") for line in lines] == expected


def test_an_installed_wheel_is_found_by_vapoursynth_and_by_vspipe(wheel: Path, home: Environment) -> None:
    pip("--python", home.python, "install", *QUIET, wheel)
    version, plugin = home.run(home.python, "-c", SHOW).split(" ", 1)
    assert version in wheel.name
    assert Path(plugin.strip()).is_relative_to(home.site)
    assert home.run(home.python, "-c", "import vsadcvsr; print(vsadcvsr.__file__)").startswith(str(home.site))
    (home.place / "script.vpy").write_text(SCRIPT)
    home.run(home.bin / "vspipe", "-c", "y4m", "script.vpy", "video.y4m")
    video = (home.place / "video.y4m").read_bytes()
    assert len(video) == video.index(b"\n") + 1 + 5 * (6 + 32 * 24 * 3 // 2)


def test_an_editable_install_is_found_as_well_and_runs_this_tree(home: Environment) -> None:
    pip("--python", home.python, "install", *QUIET, "-e", ".")
    assert Path(home.run(home.python, "-c", SHOW).split(" ", 1)[1].strip()).is_relative_to(home.site)
    result = home.run(home.python, "-c", "import vsadcvsr; print(vsadcvsr.__file__)").strip()
    assert result == str(ROOT / "vsadcvsr" / "__init__.py")


@pytest.mark.parametrize("name", TARGETS)
def test_other_platforms_are_built_with_zig(name: str) -> None:
    target = target_of({"ADCVSR_TARGET": name})
    command = compile_command(target, "1.2.3", ROOT / "vsadcvsr" / "native", Path("out"))
    assert command[1:5] == ["-m", "ziglang", "cc", "-target"]
    assert {"-DADCVSR_MAJOR=1", "-DADCVSR_MINOR=2"} <= set(command)


def test_an_unknown_platform_is_refused_in_one_line() -> None:
    with pytest.raises(SystemExit, match="ADCVSR_TARGET is 'amiga', allowed: linux-x86_64"):
        target_of({"ADCVSR_TARGET": "amiga"})


def test_the_shim_compiles_without_a_warning(tmp_path: Path) -> None:
    run([*compile_command(target_of({}), "0.1.0", ROOT / "vsadcvsr" / "native", tmp_path / "out"), "-Werror"])


def test_the_metadata_says_who_made_it_and_where_it_runs(wheel: Path) -> None:
    result = metadata_of(wheel)
    assert result["Author"] == "AdcVSR contributors"
    assert result["Requires-Python"] == ">=3.12"
    assert result.get_all("Project-URL")
    assert {"Operating System :: Microsoft :: Windows", "Typing :: Typed"} <= set(result.get_all("Classifier", []))


@pytest.mark.requires("linux")  # wheels of other systems have no such tag
def test_the_tag_of_a_wheel_is_the_glibc_that_the_plugin_needs(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        library = archive.read("vapoursynth/plugins/adcvsr/libadcvsr.so")
    needed, versions = elf_needs(library)
    assert not [name for name in needed if "python" in name]
    newest = max(int(name.split(".")[1]) for name in versions)
    tag = linux_tag(library, "linux_x86_64")
    assert tag == f"manylinux_2_{max(newest, 17)}_x86_64"
    assert tag.removesuffix("x86_64") in wheel.name
    assert linux_tag(library.replace(b"libc.so.6", b"libq.so.6"), "linux_x86_64") == "linux_x86_64"


def test_a_build_on_an_older_python_gets_to_the_words_that_name_the_one_it_needs() -> None:
    build = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]["requires"]
    assert all("python_version >= '3.12'" in line for line in build if line.startswith("vapoursynth"))
    assert too_old("3.11.7").startswith("AdcVSR needs Python 3.12 or later, and this is Python 3.11.7; run")

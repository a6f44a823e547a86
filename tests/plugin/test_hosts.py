"""The plugin in programs of their own: vspipe, the stub generator, several environments."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import vapoursynth as vs

from tests.requirements import requires
from vsadcvsr import backends
from vsadcvsr.backends.nearest import Nearest

SCRIPT = """
import vapoursynth as vs
import vsadcvsr
vsadcvsr.load()
clip = vs.core.std.BlankClip(width=40, height=30, format=vs.YUV420P8, length=25, color=[100, 90, 160])
clip.std.SetFrameProps(_Matrix=6).adcvsr.Upscale(model="nearest").set_output()
"""
BIN = Path(sys.executable).parent


def environment(tmp_path: Path, plugin: Path) -> dict[str, str]:
    """VapourSynth finds its Python by what it writes below XDG_CONFIG_HOME, with the help of PATH."""
    return {
        **os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "XDG_CONFIG_HOME": str(tmp_path),
        "ADCVSR_PLUGIN": str(plugin), "PYTHONPATH": str(Path(__file__).parents[2]),
    }  # fmt: skip


@pytest.fixture
def vspipe() -> Path:
    requires("vspipe")
    return BIN / "vspipe"


def test_vspipe_writes_pictures_and_nothing_else(tmp_path: Path, plugin: Path, vspipe: Path) -> None:
    script = tmp_path / "script.vpy"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [vspipe, "-c", "y4m", script, "-"], capture_output=True, env=environment(tmp_path, plugin), check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    header, pictures = done.stdout.split(b"\n", 1)
    assert b" W160 H120 " in header
    picture = b"FRAME\n" + bytes([100]) * 19200 + bytes([90]) * 4800 + bytes([160]) * 4800
    assert pictures == picture * 25


def test_an_error_in_vspipe_is_one_line(tmp_path: Path, plugin: Path, vspipe: Path) -> None:
    script = tmp_path / "script.vpy"
    script.write_text(SCRIPT.replace('model="nearest"', "scale=5"))
    done = subprocess.run([vspipe, script, "-"], capture_output=True, env=environment(tmp_path, plugin), check=False)
    assert done.returncode != 0
    assert not done.stdout
    assert b"Upscale: scale is 5, allowed: 1, 2, 3 or 4" in done.stderr


def test_the_time_that_a_network_takes_is_listed_under_its_filter(tmp_path: Path, plugin: Path, vspipe: Path) -> None:
    script = tmp_path / "script.vpy"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [vspipe, "--filter-time", script, "."], capture_output=True, env=environment(tmp_path, plugin), check=True
    )
    listed = [line.split() for line in done.stderr.decode().splitlines()]
    assert [line[:2] for line in listed if line[:1] == ["Upscale"]] == [["Upscale", "parreq"]]


def test_stubs_have_the_arguments_of_upscale(tmp_path: Path, plugin: Path) -> None:
    stubs = tmp_path / "stubs.pyi"
    loading = [] if vs.core.adcvsr.plugin_path.find("vapoursynth/plugins") > 0 else ["--load", str(plugin)]
    subprocess.run(
        [BIN / "vsstubs", *loading, "--quiet", "-o", stubs, "add", "adcvsr"],
        env=environment(tmp_path, plugin), check=True, capture_output=True,
    )  # fmt: skip
    text = " ".join(stubs.read_text().split())
    assert "def Upscale(self, /, clip: VideoNode, model: _AnyStr | None = None, scale: _FloatLike | None = None" in text
    assert not any(name in text for name in ("def Bind", "def Door", "def Stream"))
    assert "tile: _IntLike | _SequenceLike[_IntLike] | None = None" in text
    assert "sc_threshold: _FloatLike | None = None" in text
    assert text.count("backend_options: _AnyStr | None = None) -> VideoNode") == 2  # of the core, and of clips


def test_importing_the_package_loads_no_host_and_no_runtime() -> None:
    code = "import vsadcvsr, sys; print(*{'torch', 'onnxruntime', 'vapoursynth', 'numpy'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"


def test_a_second_filter_loads_no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = list[Path]()

    class Counted(Nearest):
        def __init__(self, path: Path, options: backends.BackendOptions) -> None:
            loaded.append(path)
            super().__init__(path, options)

    monkeypatch.setattr("vsadcvsr.backends.nearest.Nearest", Counted)
    clip = vs.core.std.BlankClip(width=480, height=270, format=vs.YUV420P8, length=100)
    filters = [clip.adcvsr.Upscale(model="nearest", threads=3) for _ in range(10)]  # as many as no other test asks for
    assert len(loaded) == 1
    assert len(filters) == 10

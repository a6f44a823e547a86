"""Public names of both packages, and what importing them loads."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

HEAVY = {"av", "cv2", "numpy", "onnxruntime", "openvino", "ray", "rich", "torch", "typer", "vapoursynth"}
PLAIN = """
import os, sys
os.execv = lambda path, words: (print(words[1:], sorted(set(sys.modules) & {heavy})), sys.exit(0))
sys.argv[1:] = ["-i", "in.mkv", "out.mkv"]
from ffmpeg_filter.program import run
run()
"""


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("package", ["vsadcvsr", "ffmpeg_filter"])
def test_all_public_names_are_there_and_no_more(package: str) -> None:
    module = import_module(package)
    assert dir(module) == sorted(module.__all__)
    assert all(getattr(module, name) is not None for name in module.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'upscale_film'"):
        _ = module.upscale_film


@pytest.mark.parametrize("package", ["vsadcvsr", "ffmpeg_filter"])
def test_an_import_loads_nothing_heavy(package: str) -> None:
    assert python(f"import sys, {package}; print(sorted(set(sys.modules) & {HEAVY}))") == "[]"


@pytest.mark.skipif(sys.platform == "win32", reason="there FFmpeg is waited for")
def test_a_command_without_adcvsr_loads_nothing_heavy() -> None:
    assert python(PLAIN.format(heavy=HEAVY)) == "['-i', 'in.mkv', 'out.mkv'] []"

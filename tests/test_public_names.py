"""Public names of both packages, and what importing them loads."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import import_module
from inspect import signature
from typing import Any

import numpy as np
import pytest

import vsadcvsr
from tests.pages import PAGES, blocks

HEAVY = {"av", "cv2", "numpy", "onnxruntime", "openvino", "ray", "rich", "torch", "typer", "vapoursynth"}
API = PAGES["docs/api.md"]
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


@pytest.mark.parametrize("package", ["vsadcvsr", "ffmpeg_filter"])
def test_the_api_page_has_every_public_name(package: str) -> None:
    table = API.partition(f"\n## {package}\n")[2].partition("| name |")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)", table, re.MULTILINE)) == set(import_module(package).__all__)


def test_the_api_page_has_every_option_of_upscale() -> None:
    table = API.partition("| option | type | default |")[2].partition("\n\n")[0]
    names = [name for row in table.splitlines() for name in re.findall(r"`(\w+)`", row.split("|")[1] if row else "")]
    assert set(names) == set(signature(vsadcvsr.upscale).parameters) - {"clip"}


def test_the_api_page_has_every_error() -> None:
    table = API.partition("| exception | raised for |")[2].partition("\n\n")[0]
    classes = {name: value for name, value in vars(vsadcvsr.errors).items() if isinstance(value, type)}
    errors = {name for name, value in classes.items() if issubclass(value, Exception)}
    assert set(re.findall(r"`(\w+Error)`", table)) - {"ValueError"} == errors


def test_the_example_of_the_engine_returns_the_same_bits_in_any_order() -> None:
    (code,) = (block for block in blocks("python", API) if "Engine" in block)
    names: dict[str, Any] = {}
    exec(compile(code, "docs/api.md", "exec"), names)
    assert np.array_equal(names["third"], names["in_order"][2])

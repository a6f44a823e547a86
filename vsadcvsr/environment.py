"""The environment of this process: variables and modules that are set only while a library is imported, the cores that
it may use, programs, and versions of packages.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import cast

NO_TELEMETRY = {
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "ORT_DISABLE_TELEMETRY": "1",
}
"""Read by Hugging Face's libraries and by ONNX Runtime, which without it writes to the home folder when imported."""


def variables(values: Mapping[str, str]) -> AbstractContextManager[None]:
    """Sets environment variables during an import, unless the user has set them; child processes do not inherit them.
    """
    return _added(os.environ, values)


def for_python(**values: str) -> dict[str, str]:
    """The variables of a Python process that imports from where this one does, with `values` added."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **values}


def hidden(package: str) -> AbstractContextManager[None]:
    """For the time of an import hides a package that is not loaded yet."""
    return _added(cast(MutableMapping[str, ModuleType | None], sys.modules), {package: None})


@contextmanager
def _added[T](mapping: MutableMapping[str, T], values: Mapping[str, T]) -> Iterator[None]:
    absent = {name: value for name, value in values.items() if name not in mapping}
    mapping.update(absent)
    try:
        yield
    finally:
        for name in absent:
            mapping.pop(name, None)


def usable_cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def program(name: str) -> str | None:
    """The path of a program of this Python's environment, even if that is not activated, else of one on PATH."""
    return shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)


def package_versions(names: Iterable[str]) -> dict[str, str]:
    """The versions of those of these packages that are installed, by name."""
    from importlib import metadata  # loading it is a fifth of the start of a filter, which seldom needs it

    versions = {}
    for name in names:
        with suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return versions
